"""The results at a glance: all pathological cases, the cases of a thread, one variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, NullLocator

from iova_lab.measuring.cells import PATHOLOGICAL_FROM, PATHOLOGICAL_SHARE
from iova_lab.measuring.results import select
from iova_lab.measuring.scorecard import FAULTS, linear_scans, nothing_known
from iova_lab.rendering.figures import (
    REFUSAL,
    STYLE,
    WIDTH,
    caption,
    headline,
    log_ticks,
    title_height,
)
from iova_lab.rendering.labels import label_ends
from iova_lab.rendering.looks import line_look, styles
from iova_lab.reports import thread_2017, thread_2026

SHORT = EngFormatter(sep="", places=0)


@dataclass(frozen=True)
class Case:
    """What of the measurements a thread was about: curves of these variants, one panel each."""

    metric: str
    label: str
    workloads: tuple[str, ...]
    variants: tuple[str, ...]

    @property
    def alt(self) -> str:
        """The figure in words."""
        return f"{self.label} over live ranges: {', '.join(self.variants)}"


THREADS = {
    "thread-2017": Case(
        "nodes_per_op",
        "nodes visited per op",
        thread_2017.COMPARED,
        (thread_2017.ORIGINAL, thread_2017.PATCH, thread_2017.ROBIN),
    ),
    "thread-2026": Case(
        "worst_nodes",
        "nodes visited by the worst op",
        (*thread_2026.PATHOLOGICAL, "ring_two_sizes", "ring", "startup"),
        (thread_2026.TODAY, *thread_2026.POSTED, thread_2026.OURS),
    ),
}


def worst_ops(frame: pd.DataFrame, fakes: frozenset[str]) -> Figure:
    """Draw the worst op of every allocator on every workload: dark is a large share of all ranges.

    Each workload is drawn at one size for all allocators: the largest at which most were measured.
    """
    grid = _Grid.of(frame, fakes)
    title, nr_rows = _worst_finding(frame, list(grid.worst.index)), max(len(grid.worst), 2)
    top, bottom = title_height(title, WIDTH) + 0.1, 1.75
    height = top + bottom + 0.3 * nr_rows
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(WIDTH, height))
        place = (0.135, bottom / height, 0.855, 1 - (top + bottom) / height)
        axes = figure.add_axes(place)
        if grid.worst.size:
            _heat(axes, grid)
        else:
            axes.set_axis_off()
            axes.text(0.5, 0.5, "not measured", ha="center", va="center", fontsize=14)
        headline(figure, title)
        caption(
            figure,
            "Number: nodes visited by the worst operation, exact; shade: its share of the live"
            " ranges (not shaded below 1,000 live ranges).\nBelow each workload: live ranges, the"
            " same for all allocators. x: a request failed spuriously or was answered above its"
            " limit; ?: not measured.",
        )
    return figure


def _worst_finding(frame: pd.DataFrame, names: list[str]) -> str:
    known = [name for name in names if not nothing_known(frame, name)]
    if not known:
        return "Worst operation: not measured"
    scanning = sum(bool(linear_scans(frame, name)) for name in known)
    return (
        f"{scanning} of {len(known)} allocators have a workload in which one operation visits more"
        f" than {100 * PATHOLOGICAL_SHARE:.0f} % of the live ranges"
    )


@dataclass(frozen=True)
class _Grid:
    """Worst ops: a row per variant, a column per workload, one size a column."""

    worst: pd.DataFrame
    sizes: pd.Series
    crossed: pd.DataFrame

    @classmethod
    def of(cls, frame: pd.DataFrame, fakes: frozenset[str]) -> _Grid:
        rows = select(frame, metric="worst_nodes")
        rows = rows[~rows["variant"].isin(fakes)]
        sizes = common_sizes(rows)
        rows = rows[rows["nr_live"] == rows["workload"].map(sizes)]
        worst = rows.pivot_table(index="variant", columns="workload", values="value")
        share = worst / sizes.reindex(worst.columns)
        order = share.median(axis=1).sort_values(kind="stable").index
        worst = worst.loc[order, share.median().sort_values(kind="stable").index]
        wrong = refused(frame)
        wrong = wrong[wrong["nr_live"] == wrong["workload"].map(sizes)]
        crossed = wrong.pivot_table(index="variant", columns="workload", values="value")
        return cls(worst, sizes.reindex(worst.columns), crossed.reindex_like(worst).fillna(0))


def common_sizes(rows: pd.DataFrame) -> pd.Series:
    """The size of each workload that has most of these rows, and the largest of such sizes."""
    counts = rows.groupby(["workload", "nr_live"]).size().reset_index(name="count")
    ordered = counts.sort_values(["workload", "count", "nr_live"])
    return ordered.groupby("workload")["nr_live"].last()


def refused(frame: pd.DataFrame) -> pd.DataFrame:
    """Cells in which requests failed spuriously or were answered above their limit."""
    rows = select(frame)
    return rows[rows["metric"].isin(list(FAULTS)) & (rows["value"] > 0)]


def _heat(axes: Axes, grid: _Grid) -> None:
    worst = grid.worst
    judged = grid.sizes >= PATHOLOGICAL_FROM
    share = (worst / grid.sizes).where(judged, 0.0, axis=1).fillna(0.0)
    norm = LogNorm(1e-4, 1)
    axes.imshow(share.clip(lower=1e-4), cmap="Greys", norm=norm, aspect="auto")
    for i, name in enumerate(worst.index):
        for j, workload in enumerate(worst.columns):
            value = worst.loc[name, workload]
            mark = f" {REFUSAL}" if grid.crossed.loc[name, workload] else ""
            text = f"{'?' if np.isnan(value) else SHORT(value)}{mark}"
            dark = norm(max(share.loc[name, workload], 1e-4)) > 0.55
            colour = "white" if dark else "black"
            axes.text(j, i, text, ha="center", va="center", fontsize=7.5, color=colour)
    labels = [f"{name} @ {SHORT(grid.sizes[name])}" for name in worst.columns]
    axes.set_xticks(range(worst.shape[1]), labels, rotation=40, ha="right", fontsize=8.5)
    axes.set_yticks(range(worst.shape[0]), worst.index)
    axes.tick_params(length=0)


def thread_figure(frame: pd.DataFrame, case: Case, fakes: frozenset[str]) -> Figure:
    """Draw a thread's cases side by side, one panel a workload, on common axes."""
    rows = select(frame, metric=case.metric)
    rows = rows[rows["variant"].isin(case.variants) & (rows["value"] > 0)]
    sizes = rows.groupby("workload")["nr_live"].nunique()
    shown = [name for name in case.workloads if sizes.get(name, 0) > 1]
    columns = min(4, max(len(shown), 1))
    nr_rows = -(-max(len(shown), 1) // columns)
    height = 0.75 + 2.7 * nr_rows
    looks = styles(sorted(set(frame["variant"]) - fakes))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.0, height))
        panels = figure.subplots(
            nr_rows,
            columns,
            sharey=True,
            squeeze=False,
            gridspec_kw={
                "left": 0.075,
                "right": 0.90,
                "top": 1 - 0.95 / height,
                "bottom": 0.6 / height,
                "hspace": 0.45,
                "wspace": 0.62,
            },
        ).flat
        for axes, workload in zip(panels, shown, strict=False):
            _case_panel(axes, rows[rows["workload"] == workload], looks)
            axes.set_title(workload, fontsize=10)
        for axes in panels[: len(shown)]:
            last = rows[rows["workload"] == axes.get_title()].sort_values("nr_live")
            ends = last.groupby("variant").last()
            points = {str(n): (float(r["nr_live"]), float(r["value"])) for n, r in ends.iterrows()}
            label_ends(axes, points)
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        headline(figure, _case_finding(rows, case))
        figure.supylabel(case.label, fontsize=10, x=0.005)
        figure.supxlabel("live ranges", fontsize=10, y=0.01)
    return figure


def _case_finding(rows: pd.DataFrame, case: Case) -> str:
    """Who grows tenfold or more from the smallest to the largest size, and on how many panels."""
    keys = ["variant", "workload"]
    ordered = rows[rows["workload"].isin(case.workloads)].sort_values("nr_live").groupby(keys)
    growth = (ordered["value"].last() / ordered["value"].first()).rename("growth").reset_index()
    size = ordered["nr_live"].last() / ordered["nr_live"].first()
    steep = growth[(growth["growth"] >= 10).to_numpy() & (size > 10).to_numpy()]
    counts = steep.groupby("variant").size()
    shown = [name for name in case.variants if name in set(rows["variant"])]
    words = [f"{name} on {counts.get(name, 'none')}" for name in shown]
    return f"{case.label.capitalize()} grow tenfold or more: {', '.join(words)}"


def _case_panel(axes: Axes, rows: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> None:
    for name, line in rows.sort_values("nr_live").groupby("variant"):
        look = line_look(looks[str(name)]) | {"markersize": 5, "linewidth": 1.4}
        axes.plot(line["nr_live"], line["value"], **look)
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(rows["nr_live"].unique())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(SHORT)
    log_ticks(axes.yaxis, *axes.get_ylim())
    axes.tick_params(labelsize=8)
