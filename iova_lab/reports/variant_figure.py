"""The figure of one variant: its cost over the baseline's, workload by workload."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from iova_lab.measuring.frames import rows_of
from iova_lab.measuring.scaling import RatioRow, ratios
from iova_lab.rendering.figures import (
    FLOOR,
    REFUSAL,
    STYLE,
    WIDTH,
    caption,
    headline,
    log_ticks,
    title_height,
)
from iova_lab.rendering.looks import COLOURS
from iova_lab.reports.overview import SHORT, common_sizes, refused


def variant_figure(
    frame: pd.DataFrame, variant: str, baseline: str, fakes: frozenset[str]
) -> Figure:
    """Draw one variant's nodes and time per op over the baseline's, a workload and size a row."""
    table = ratios(frame, baseline, fakes)
    rows = one_size(table[table["lo"].notna()], variant)
    order = list(rows[rows["metric"] == "nodes_per_op"].sort_values("ratio")["row"])
    order += sorted(set(rows["row"]) - set(order))
    title = _variant_finding(rows, variant, baseline)
    top = title_height(title, WIDTH) + 0.25
    height = top + 0.9 + 0.25 * max(len(order), 2)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_axes((0.2, 0.8 / height, 0.78, 1 - (top + 0.8) / height))
        for metric, label, shift, marker, colour, face in (
            ("nodes_per_op", "nodes (exact)", -0.15, "o", COLOURS[0], COLOURS[0]),
            ("ns_per_op", "ns (99 % interval with drift)", 0.15, "s", COLOURS[1], "none"),
        ):
            line = rows[rows["metric"] == metric].set_index("row").reindex(order)
            whiskers = np.array([line["ratio"] - line["lo"], line["hi"] - line["ratio"]])
            axes.errorbar(
                line["ratio"],
                np.arange(len(order)) + shift,
                xerr=whiskers.clip(0),
                fmt=marker,
                color=colour,
                markerfacecolor=face,
                capsize=3,
                label=label,
            )
        axes.axvline(1, color=FLOOR, lw=1)
        axes.set(xscale="log", xlabel=f"over {baseline}, at the size beside each workload")
        low, high = axes.get_xlim()
        low, high = min(low, 0.4), max(high, 2.5)
        log_ticks(axes.xaxis, low, high)
        axes.xaxis.set_major_formatter(lambda value, _: f"x{value:g}")
        axes.set_xlim(low, high)
        faulty = _faulty(frame, variant)
        marked = [f"{name} {REFUSAL}" if name in faulty else name for name in order]
        axes.set_yticks(range(len(order)), marked, fontsize=9)
        axes.set_ylim(len(order) - 0.4, -0.6)
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, 1),
            frameon=False,
            fontsize=8,
            ncols=2,
            borderaxespad=0.1,
        )
        headline(figure, title)
        about = frame[["machine", "commit"]].iloc[0]
        words = f"Time on {about['machine']} at {about['commit'][:8]}; nodes are exact."
        if faulty & set(order):
            words += f" {REFUSAL}: requests failed spuriously or were answered above their limit."
        caption(figure, words)
    return figure


def _faulty(frame: pd.DataFrame, variant: str) -> set[str]:
    """Rows of `one_size` in which requests failed spuriously or were answered above their limit."""
    rows = refused(frame)
    rows = rows[rows["variant"] == variant]
    return {_row(name, size) for name, size in zip(rows["workload"], rows["nr_live"], strict=True)}


def _row(workload: str, nr_live: float) -> str:
    return f"{workload} @ {SHORT(nr_live)}"


def one_size(table: pd.DataFrame, variant: str) -> pd.DataFrame:
    """Ratios of one variant, each workload at one size: the largest with time and nodes, or nodes.

    Column ``row`` names workload and size.
    """
    rows = table[
        (table["variant"] == variant) & table["metric"].isin(["nodes_per_op", "ns_per_op"])
    ]
    rows = rows[rows["nr_live"] == rows["workload"].map(common_sizes(rows))]
    names = [_row(row.workload, row.nr_live) for row in rows_of(rows, RatioRow)]
    return rows.assign(row=names)


def _variant_finding(rows: pd.DataFrame, variant: str, baseline: str) -> str:
    nodes = rows[rows["metric"] == "nodes_per_op"]["ratio"]
    times = rows[rows["metric"] == "ns_per_op"]
    more, fewer = int((nodes > 1.01).sum()), int((nodes < 0.99).sum())
    title = f"{variant} visits fewer nodes than {baseline} on {fewer} workloads, more on {more}"
    if times.empty:
        return f"{title}; times are not compared"
    slower, faster = int((times["lo"] > 1).sum()), int((times["hi"] < 1).sum())
    return f"{title}; it is faster on {faster}, slower on {slower}"
