"""The figure: common case on the left, pathological workloads on the right."""

from __future__ import annotations

import math

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, NullLocator

from iova_lab.measuring.cells import COMMON_CASE, CellRatio
from iova_lab.measuring.contenders import TODAY
from iova_lab.measuring.rows import short_release
from iova_lab.rendering.figures import FLOOR, STYLE, headline, title_height
from iova_lab.rendering.looks import COLOURS, MARKERS, styles
from iova_lab.reports.candidate.criteria import (
    AIM,
    MOST,
    PATHOLOGICAL,
    WORST_NODES,
    by_variant,
    common,
    in_kernel,
    largest,
)
from iova_lab.reports.candidate.sources import Sources

#: Inches: the figure's width, and a line of a legend.
WIDTH, LEGEND_LINE = 11.0, 0.2


def evidence_figure(sources: Sources, finding: str) -> Figure:
    """Draw ratios to today's in the common case, and nodes of the worst op in bad cases."""
    with mpl.rc_context(STYLE):
        rows = max(2, math.ceil(len(common_ratios(sources)) / 2))
        above = title_height(finding, WIDTH) + LEGEND_LINE * rows
        height = above + 3.4
        figure = Figure(figsize=(WIDTH, height))
        left, right = figure.subplots(
            1,
            2,
            gridspec_kw={
                "left": 0.1,
                "right": 0.985,
                "wspace": 0.42,
                "top": 1 - above / height,
                "bottom": 0.62 / height,
            },
        )
        _common(left, sources)
        _pathological(right, sources)
        headline(figure, finding)
    return figure


def common_ratios(sources: Sources) -> dict[str, pd.Series]:
    """Per measure, our cost over today's by workload, at the largest size of each."""
    found = {
        "nodes": common(sources.counts, "nodes"),
        "instructions, user space": common(sources.instructions, "instructions"),
    }
    for one in in_kernel(sources):
        if one.cell.is_common:
            found.setdefault(f"instructions, kernel {short_release(one.cell.where)}", []).append(
                one
            )
    return {label: _at_largest(ones) for label, ones in found.items() if ones}


def _at_largest(found: list[CellRatio]) -> pd.Series:
    by_size = sorted(found, key=lambda one: one.cell.nr_live)
    values = {one.cell.workload: one.value for one in by_size}
    return pd.Series(values).reindex(COMMON_CASE)


def _common(axes: Axes, sources: Sources) -> None:
    found = common_ratios(sources)
    apart = min(0.16, 0.86 / len(found)) if found else 0.0
    for index, (label, ratios) in enumerate(found.items()):
        places = [
            place + apart * (index - (len(found) - 1) / 2) for place in range(len(COMMON_CASE))
        ]
        axes.plot(
            ratios.to_numpy(float),
            places,
            ls="",
            marker=MARKERS[index],
            color=COLOURS[index],
            markerfacecolor="none",
            label=label,
        )
    axes.axvline(MOST, color=FLOOR, lw=1)
    axes.axvline(AIM, color=FLOOR, lw=1, ls=":")
    axes.set(xlim=(0, max(1.15, axes.get_xlim()[1])), xlabel=f"over {TODAY}; dotted: the aim")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"x{value:g}"))
    axes.set_yticks(range(len(COMMON_CASE)), COMMON_CASE)
    axes.set_ylim(len(COMMON_CASE) - 0.5, -0.5)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.1, 1.0), ncols=2, frameon=False, fontsize=8)


def _pathological(axes: Axes, sources: Sources) -> None:
    wide = by_variant(largest(sources.counts, "worst").reindex(PATHOLOGICAL))
    names = list(wide.columns)
    looks = styles(names)
    for index, name in enumerate(names):
        look = {key: looks[name][key] for key in ("color", "marker", "markerfacecolor")}
        places = [
            place + 0.14 * (index - (len(names) - 1) / 2) for place in range(len(PATHOLOGICAL))
        ]
        axes.plot(wide[name].to_numpy(float), places, ls="", label=name, ms=7, **look)
    axes.axvline(WORST_NODES, color=FLOOR, lw=1)
    axes.set(xscale="log", xlabel=f"nodes of the worst op, 10^5 to 10^6 live; limit: {WORST_NODES}")
    axes.xaxis.set_major_locator(FixedLocator([10**power for power in range(7)]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_yticks(range(len(PATHOLOGICAL)), PATHOLOGICAL)
    axes.set_ylim(len(PATHOLOGICAL) - 0.5, -0.5)
    axes.legend(loc="lower left", bbox_to_anchor=(-0.3, 1.0), ncols=3, frameon=False, fontsize=8)
