"""What do the results look like at a glance: every trap, a thread's cases, one variant?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, FuncFormatter, NullLocator

from iova_lab import thread_2017, thread_2026
from iova_lab.figures import FLOOR, REFUSAL, STYLE, headline
from iova_lab.labels import label_ends
from iova_lab.looks import COLOURS, styles
from iova_lab.results import select
from iova_lab.scaling import ratios
from iova_lab.scorecard import at_largest, faults, traps

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
        (*thread_2026.TRAPS, "ring_two_sizes", "ring", "startup"),
        (thread_2026.TODAY, *thread_2026.POSTED, thread_2026.OURS),
    ),
}


def worst_ops(frame: pd.DataFrame, fakes: frozenset[str]) -> Figure:
    """Draw the worst op of every allocator on every workload: dark is many nodes."""
    rows = at_largest(frame, "worst_nodes")
    rows = rows[~rows["variant"].isin(fakes)]
    worst = rows.pivot_table(index="variant", columns="workload", values="value")
    refused = faults(frame).pivot_table(index="variant", columns="workload", values="value")
    order = worst.median(axis=1).sort_values(kind="stable").index
    worst = worst.loc[order, worst.max().sort_values(kind="stable").index]
    height = 2.2 + 0.3 * len(worst)
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(11.0, height))
        axes = figure.subplots(
            gridspec_kw={
                "left": 0.12,
                "right": 0.99,
                "top": 1 - 0.45 / height,
                "bottom": 1.4 / height,
            }
        )
        if worst.size:
            _heat(axes, worst, refused.reindex_like(worst).fillna(0))
        nr_traps = sum(bool(traps(frame, name)) for name in worst.index)
        headline(
            figure,
            f"{nr_traps} of {len(worst)} allocators have a workload in which one op walks over a"
            " good part of the live ranges",
        )
        figure.text(
            0.01,
            0.02,
            "nodes visited by the worst op, at the largest size measured; x: refuses what fits, or"
            " answers above the limit",
            fontsize=8,
            color="#444444",
        )
    return figure


def _heat(axes: Axes, worst: pd.DataFrame, refused: pd.DataFrame) -> None:
    norm = LogNorm(1, max(float(np.nanmax(worst.to_numpy())), 10))
    axes.imshow(worst.clip(lower=1), cmap="Greys", norm=norm, aspect="auto")
    for i, name in enumerate(worst.index):
        for j, workload in enumerate(worst.columns):
            value = worst.loc[name, workload]
            if np.isnan(value):
                continue
            mark = f" {REFUSAL}" if refused.loc[name, workload] else ""
            colour = "white" if norm(value) > 0.55 else "black"
            text = f"{SHORT(value)}{mark}"
            axes.text(j, i, text, ha="center", va="center", fontsize=7.5, color=colour)
    axes.set_xticks(range(worst.shape[1]), worst.columns, rotation=40, ha="right", fontsize=8.5)
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
    words = [
        f"{name} on {counts[name]}" if name in counts else f"{name} on none"
        for name in case.variants
        if name in set(rows["variant"])
    ]
    return f"{case.label.capitalize()} grow tenfold or more: {', '.join(words)}"


def _case_panel(axes: Axes, rows: pd.DataFrame, looks: dict[str, dict[str, Any]]) -> None:
    for name, line in rows.sort_values("nr_live").groupby("variant"):
        look = {k: v for k, v in looks[str(name)].items() if k not in ("elinewidth", "capsize")}
        axes.plot(line["nr_live"], line["value"], **(look | {"markersize": 5, "linewidth": 1.4}))
    axes.set(xscale="log", yscale="log")
    axes.xaxis.set_major_locator(FixedLocator(sorted(rows["nr_live"].unique())))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(SHORT)
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.tick_params(labelsize=8)


def variant_figure(
    frame: pd.DataFrame, variant: str, baseline: str, fakes: frozenset[str]
) -> Figure:
    """Draw one variant's nodes and time per op over the baseline's, a row per workload."""
    table = ratios(frame, baseline, fakes)
    rows = table[
        (table["variant"] == variant) & table["metric"].isin(["nodes_per_op", "ns_per_op"])
    ]
    rows = rows.loc[rows.groupby(["metric", "workload"])["nr_live"].idxmax()]
    nodes = rows[rows["metric"] == "nodes_per_op"].set_index("workload")["ratio"]
    order = list(nodes.sort_values(kind="stable").index)
    height = 1.5 + 0.25 * max(len(order), 2)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(11.0, height))
        axes = figure.subplots(
            gridspec_kw={
                "left": 0.16,
                "right": 0.98,
                "top": 1 - 0.5 / height,
                "bottom": 0.7 / height,
            }
        )
        for (metric, label), shift, marker, colour in zip(
            (("nodes_per_op", "nodes (exact)"), ("ns_per_op", "ns (99 % interval)")),
            (-0.15, 0.15),
            ("o", "s"),
            (COLOURS[0], COLOURS[1]),
            strict=True,
        ):
            line = rows[rows["metric"] == metric].set_index("workload").reindex(order)
            whiskers = np.array([line["ratio"] - line["lo"], line["hi"] - line["ratio"]])
            axes.errorbar(
                line["ratio"],
                np.arange(len(order)) + shift,
                xerr=whiskers.clip(0),
                fmt=marker,
                color=colour,
                markerfacecolor="none" if metric == "ns_per_op" else colour,
                capsize=3,
                label=label,
            )
        axes.axvline(1, color=FLOOR, lw=1)
        axes.set(xscale="log", xlabel=f"over {baseline}, at the largest size that both have")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"x{value:g}"))
        low, high = axes.get_xlim()
        axes.set_xlim(min(low, 0.4), max(high, 2.5))
        axes.set_yticks(range(len(order)), order, fontsize=9)
        axes.set_ylim(len(order) - 0.4, -0.6)
        figure.legend(loc="upper right", frameon=False, fontsize=8, ncols=2, borderaxespad=0.3)
        more, fewer = int((nodes > 1.01).sum()), int((nodes < 0.99).sum())
        headline(
            figure,
            f"{variant} visits fewer nodes than {baseline} on {fewer} of {len(order)} workloads,"
            f" more on {more}",
        )
    return figure
