"""The look of each variant in every figure.

A variant has the same colour, marker and dashes on every page; only sizes depend on what else is
drawn, so that curves that coincide stay visible inside each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

#: Okabe and Ito's colours, safe for the colour-blind, without the yellow that white swallows; the
#: last, black, is the first variant's alone.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"]
#: As many as there are colours must not divide the number of these, so that pairs don't repeat.
MARKERS = ["o", "s", "^", "v", "D", "P", "X", "<", ">", "p", "*"]
LINES = ["-", (0, (6, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 1)), (0, (8, 2, 2, 2, 2, 2))]

#: Looks are dealt in this order, which only grows; the first is drawn last, on top of all others.
ORDER = (
    "mainline",
    "candidate",
    "maple",
    "augmented",
    "alignable",
    "room_augmented",
    "hole_rbtree",
    "no_cache",
    "best_fit",
    "anchor",
    "cached32",
    "cached64",
    "max32",
    "retry",
    "single_cached",
)


def styles(variants: list[str]) -> dict[str, dict[str, Any]]:
    """A look for each variant: arguments of `Axes.errorbar`.

    Variants of `ORDER` have the same look in every figure; others are dealt what is left, in the
    order given.  Markers and lines shrink from the bottom to the top, so that none hides another.
    """
    order = [*ORDER, *(name for name in variants if name not in ORDER)]
    top_first = sorted(variants, key=order.index)
    shares = dict(zip(top_first, np.linspace(0, 1, max(len(variants), 2)), strict=False))
    return {name: _look(order.index(name), float(shares[name])) for name in variants}


def _look(place: int, share: float) -> dict[str, Any]:
    return {
        "color": COLOURS[(place - 1) % (len(COLOURS) - 1)] if place else COLOURS[-1],
        "marker": MARKERS[place % len(MARKERS)],
        "linestyle": LINES[place % len(LINES)],
        "markersize": 4 + 7 * share,
        "markerfacecolor": "none",
        "linewidth": 1.1 + 1.6 * share,
        "elinewidth": 1.2,
        "capsize": 3,
        "zorder": 3 - share,
    }


def line_look(look: dict[str, Any]) -> dict[str, Any]:
    """The same look for `Axes.plot`, which has no whiskers."""
    return {key: value for key, value in look.items() if key not in ("elinewidth", "capsize")}
