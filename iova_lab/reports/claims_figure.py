"""What was published, what is measured, at a glance: exponents on the left, ratios on the right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from iova_lab.claims.claim import ORIGINS, Claim, Finding, Quantity, Verdict
from iova_lab.rendering.figures import STYLE, headline_above
from iova_lab.rendering.looks import COLOURS

#: Told apart by shape first, and by colour.
LOOKS: dict[Verdict, dict[str, Any]] = {
    Verdict.REPRODUCED: {"marker": "o", "color": COLOURS[0]},
    Verdict.PARTLY: {"marker": "^", "color": COLOURS[5]},
    Verdict.NOT: {"marker": "X", "color": COLOURS[1]},
    Verdict.UNDECIDED: {"marker": "s", "color": COLOURS[6], "markerfacecolor": "none"},
}
PUBLISHED = "#dcdcdc"
TICKS = [0.3, 1, 3, 10, 100, 1_000, 10_000, 100_000]


class Drawn(NamedTuple):
    """One row of the figure."""

    name: str
    origin: str
    published: Quantity
    measured: Quantity
    verdict: Verdict


def drawable(found: Sequence[tuple[Claim, Finding]]) -> list[Drawn]:
    """Claims that have a number on both sides, and a verdict."""
    return [
        Drawn(claim.id, claim.origin, claim.published, finding.measured, finding.verdict)
        for claim, finding in found
        if claim.published and finding.measured and finding.verdict in LOOKS
    ]


def figure(found: Sequence[tuple[Claim, Finding]]) -> Figure:
    """Two panels of rows; a grey bar is what was published, a marker what is measured."""
    rows = drawable(found)
    kinds = {kind: [row for row in rows if row.published.kind == kind] for kind in AXES}
    longest = max((len(panel) for panel in kinds.values()), default=1)
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(11.5, 1.9 + 0.36 * max(longest, 1)), layout="constrained")
        for axes, (kind, panel) in zip(drawn.subplots(1, 2), kinds.items(), strict=True):
            _panel(axes, panel)
            AXES[kind](axes)
        headline_above(drawn, title(found))
        drawn.legend(
            handles=_legend({row.verdict for row in rows}),
            loc="outside lower center",
            ncols=5,
            frameon=False,
        )
    return drawn


def title(found: Sequence[tuple[Claim, Finding]]) -> str:
    """The finding in a sentence."""
    published = Counter(one.verdict for claim, one in found if claim.origin == ORIGINS[0])
    return (
        f"Of {sum(published[verdict] for verdict in LOOKS)} published claims that can be tested"
        f" here, {published[Verdict.REPRODUCED]} are reproduced and {published[Verdict.NOT]} are"
        " not"
    )


def _label(row: Drawn) -> str:
    """The title counts what was published, so the other rows name their origin."""
    return row.name if row.origin == ORIGINS[0] else f"{row.name}\n({row.origin})"


def _panel(axes: Axes, rows: Sequence[Drawn]) -> None:
    for y, row in enumerate(rows):
        low, high = row.published.lo, row.published.hi
        # The marker is for what was published as one number: a line of no length is not drawn.
        axes.plot([low, high], [y, y], color=PUBLISHED, linewidth=9, marker="o", markersize=13)
        ends = [row.measured.lo, row.measured.hi]
        look = LOOKS[row.verdict]
        axes.plot(ends, [y, y], color=look["color"], linewidth=2)
        edge: dict[str, Any] = {"markeredgecolor": "black", "markeredgewidth": 0.8, "zorder": 3}
        axes.plot([_middle(row.measured)], [y], linestyle="none", markersize=8, **(edge | look))
    axes.set_yticks(range(len(rows)), [_label(row) for row in rows])
    axes.set_ylim(max(len(rows), 1) - 0.5, -0.5)


def _middle(quantity: Quantity) -> float:
    if quantity.kind == "ratio":
        return float((quantity.lo * quantity.hi) ** 0.5)
    return (quantity.lo + quantity.hi) / 2


def _exponent_axis(axes: Axes) -> None:
    axes.set(
        xlim=(-0.12, 1.15),
        xlabel="exponent of nodes over live ranges (0 is flat, 1 is linear)",
    )


def _ratio_axis(axes: Axes) -> None:
    axes.set(xscale="log", xlabel="ratio between the two that a claim compares (log)")
    low, high = axes.get_xlim()
    low, high = min(low, 0.8), max(high, 4.0)
    axes.set_xlim(low, high)
    ticks = [tick for tick in TICKS if low <= tick <= high]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"x{value:,g}"))


AXES = {"exponent": _exponent_axis, "ratio": _ratio_axis}


def _legend(shown: set[Verdict]) -> list[Line2D]:
    handles = [Line2D([], [], color=PUBLISHED, linewidth=7, label="published")]
    return handles + [
        Line2D([], [], linestyle="none", markersize=7, label=verdict.value, **look)
        for verdict, look in LOOKS.items()
        if verdict in shown
    ]
