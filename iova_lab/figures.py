"""What do a workload's curves look like?

Frame in, Figure out: time and nodes per op side by side, over the number of live ranges or, where a
workload has one size only, one dot per variant.  The same frame gives the same bytes.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, NullLocator

from iova_lab.results import select

#: The two panels: metric, and what its axis says.
PANELS = {"ns_per_op": "ns per op", "nodes_per_op": "nodes visited per op"}

#: Okabe and Ito's colours, safe for the colour-blind, without the yellow that white swallows.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"]
#: As many as there are colours must not divide the number of these, so that pairs don't repeat.
MARKERS = ["o", "s", "^", "v", "D", "P", "X", "<", ">", "p", "*"]
LINES = ["-", (0, (6, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 1)), (0, (8, 2, 2, 2, 2, 2))]
FLOOR = "#777777"

#: DejaVu comes with matplotlib, and neither dates nor random ids may enter a file.
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "svg.fonttype": "path",
    "svg.hashsalt": "iova-lab",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "path.simplify": False,
}


def styles(variants: list[str]) -> dict[str, dict[str, Any]]:
    """A look for each variant; markers and lines shrink, so that none hides another."""
    cycles = zip(
        variants, itertools.cycle(COLOURS), itertools.cycle(MARKERS), itertools.cycle(LINES)
    )
    shrink = np.linspace(1, 0, max(len(variants), 2))
    return {
        name: {
            "color": colour,
            "marker": marker,
            "linestyle": line,
            "markersize": 4 + 7 * float(share),
            "markerfacecolor": "none",
            "linewidth": 1.1 + 1.6 * float(share),
            "elinewidth": 1.2,
            "capsize": 3,
        }
        for (name, colour, marker, line), share in zip(cycles, shrink, strict=False)
    }


def workload_figure(frame: pd.DataFrame, workload: str, fakes: frozenset[str]) -> Figure:
    """Draw one workload: curves if it has several sizes, dots if it has one.

    Whiskers are asv's 99 % intervals; counts are exact.  Fake variants are the floor of the
    harness, a grey dashed line.
    """
    rows = select(frame, workload=workload)
    rows = rows[rows["metric"].isin(PANELS)]
    variants = sorted(set(frame["variant"]) - fakes)
    with mpl.rc_context(STYLE):
        if rows["nr_live"].nunique() > 1:
            return _curves(rows, workload, variants, fakes)
        return _dots(rows, workload, variants, fakes)


def _errors(line: pd.DataFrame) -> np.ndarray:
    """Lengths of the whiskers, (2, n); NaN, so not drawn, where there is no interval."""
    return np.array([line["value"] - line["ci_lo"], line["ci_hi"] - line["value"]]).clip(0)


def _curves(
    rows: pd.DataFrame, workload: str, variants: list[str], fakes: frozenset[str]
) -> Figure:
    legend_rows = -(-(len(variants) + 1) // 4)
    figure = Figure(figsize=(9.0, 4.3 + 0.25 * legend_rows), layout="constrained")
    handles: dict[str, Any] = {}
    for axes, (metric, label) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        panel = rows[rows["metric"] == metric].sort_values("nr_live")
        handles |= _plot(axes, panel, variants, fakes)
        _log_log(axes, sorted(rows["nr_live"].unique()), label)
    figure.suptitle(workload, fontweight="bold")
    names = [name for name in [*variants, *sorted(fakes)] if name in handles]
    labels = [f"{name} (floor)" if name in fakes else name for name in names]
    figure.legend(
        [handles[name] for name in names],
        labels,
        loc="outside lower center",
        ncols=4,
        frameon=False,
        handlelength=4.5,
    )
    return figure


def _plot(
    axes: Axes, panel: pd.DataFrame, variants: list[str], fakes: frozenset[str]
) -> dict[str, Any]:
    """Draw every curve, fakes in grey; positive values only, for the axis is logarithmic."""
    handles: dict[str, Any] = {}
    for name, line in panel[panel["value"] > 0].groupby("variant"):
        if name in fakes:
            handles[name] = axes.plot(
                line["nr_live"], line["value"], color=FLOOR, linestyle="--", linewidth=1
            )[0]
            continue
        look = styles(variants)[name]
        handles[name] = axes.errorbar(line["nr_live"], line["value"], _errors(line), **look)
    return handles


def _log_log(axes: Axes, sizes: list[int], label: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel="live ranges", ylabel=label)
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    low, high = axes.get_ylim()
    if high / low < 10:
        middle = (low * high) ** 0.5
        axes.set_ylim(middle / 10**0.5, middle * 10**0.5)


def _dots(rows: pd.DataFrame, workload: str, variants: list[str], fakes: frozenset[str]) -> Figure:
    shown = [name for name in variants if name in set(rows["variant"])]
    figure = Figure(figsize=(9.0, 1.9 + 0.3 * len(shown)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (metric, label) in zip(panels, PANELS.items(), strict=True):
        panel = rows[rows["metric"] == metric].set_index("variant")
        _dot_panel(axes, panel, shown, fakes)
        axes.set_xlabel(label)
    panels[0].set_yticks(range(len(shown)), shown)
    panels[0].set_ylim(len(shown) - 0.5, -0.9)
    figure.suptitle(workload, fontweight="bold")
    return figure


def _dot_panel(
    axes: Axes, panel: pd.DataFrame, shown: list[str], fakes: frozenset[str]
) -> ErrorbarContainer:
    values = panel.reindex(shown)
    real = values["value"].dropna()
    if not real.empty and real.min() > 0 and real.max() / real.min() > 20:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    else:
        axes.set_xlim(0, 1.15 * real.max() if not real.empty else 1)
    for name in panel.index.intersection(sorted(fakes)):
        if panel["value"][name] > 0:
            axes.axvline(panel["value"][name], color=FLOOR, linestyle="--", linewidth=1)
            _floor_label(axes, panel["value"][name], name)
    colour = COLOURS[0]
    return axes.errorbar(
        values["value"], range(len(shown)), xerr=_errors(values), fmt="o", color=colour, capsize=3
    )


def _floor_label(axes: Axes, value: float, name: str) -> None:
    axes.annotate(
        f"{name} (floor)",
        (value, 1),
        xycoords=("data", "axes fraction"),
        xytext=(4, -2),
        textcoords="offset points",
        verticalalignment="top",
        fontsize=8,
        color="#555555",
    )


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem``.svg and ``stem``.png; equal bytes for an equal figure."""
    paths = [stem.with_suffix(".svg"), stem.with_suffix(".png")]
    with mpl.rc_context(STYLE):
        figure.savefig(paths[0], metadata={"Date": None, "Creator": None})
        figure.savefig(paths[1], dpi=110, metadata={"Software": None})
    return paths
