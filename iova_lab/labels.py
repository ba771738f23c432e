"""Where does a curve's name stand, so that a figure needs no legend?

Beside the curve's last point.  Labels that would overlap are moved apart as little as possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from scipy.optimize import isotonic_regression

FONT_SIZE = 8.0
LINE_POINTS = FONT_SIZE * 1.25
#: Labels begin this far to the right of a curve's end.
OFFSET_POINTS = 12.0
WRAP = 30


def spread(places: Sequence[float], heights: Sequence[float]) -> npt.NDArray[np.float64]:
    """Move the centres of labels of these heights apart: least squares, order kept, none overlaps.

    Two neighbours must be half of both heights apart.  With those distances taken out, that is an
    isotonic regression.
    """
    order = np.argsort(places, kind="stable")
    tall = np.asarray(heights, float)[order]
    least = np.concatenate([[0.0], np.cumsum((tall[1:] + tall[:-1]) / 2)])
    moved = np.empty(len(order))
    moved[order] = isotonic_regression(np.asarray(places, float)[order] - least).x + least
    return moved


def label_ends(axes: Axes, ends: dict[str, tuple[float, float]]) -> None:
    """Write each text beside its point (x, y), in data coordinates, with a line to where it is.

    The axes' limits and the figure's size must be final.
    """
    groups: dict[float, list[str]] = {}
    for text, (x, _) in ends.items():
        groups.setdefault(x, []).append(text)
    for x, texts in groups.items():
        _label_column(axes, x, {text: ends[text][1] for text in texts})


def _label_column(axes: Axes, x: float, ends: dict[str, float]) -> None:
    to_points = 72 / axes.figure.dpi
    shown = [fill(text, WRAP, break_long_words=False, break_on_hyphens=False) for text in ends]
    places = [float(axes.transData.transform((x, y))[1]) * to_points for y in ends.values()]
    moved = spread(places, [LINE_POINTS * (text.count("\n") + 1) for text in shown])
    for text, y, old, new in zip(shown, ends.values(), places, moved, strict=True):
        axes.annotate(
            text,
            (x, y),
            (OFFSET_POINTS, new - old),
            textcoords="offset points",
            va="center",
            ha="left",
            fontsize=FONT_SIZE,
            linespacing=1.05,
            arrowprops={
                "arrowstyle": "-",
                "color": "#999999",
                "lw": 0.6,
                "shrinkA": 1,
                "shrinkB": 3,
            },
            annotation_clip=False,
        )
