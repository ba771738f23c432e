"""What do a workload's curves look like?

Frame in, Figure out: time and nodes per op side by side, over the number of live ranges or, where a
workload has one size only, one dot per variant.  The same frame gives the same bytes.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, NullLocator

from iova_lab.labels import label_ends
from iova_lab.results import select
from iova_lab.scorecard import FAULTS
from iova_lab.tables import coinciding_groups

#: The two panels: metric, and what its axis says.
PANELS = {"ns_per_op": "ns per op", "nodes_per_op": "nodes visited per op"}

#: Okabe and Ito's colours, safe for the colour-blind, without the yellow that white swallows.
COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000"]
#: As many as there are colours must not divide the number of these, so that pairs don't repeat.
MARKERS = ["o", "s", "^", "v", "D", "P", "X", "<", ">", "p", "*"]
LINES = ["-", (0, (6, 2)), (0, (2, 2)), (0, (6, 2, 1, 2)), (0, (1, 1)), (0, (8, 2, 2, 2, 2, 2))]
FLOOR = "#777777"
#: Refused although there was room, or answered above the limit: who does that looks fast.
REFUSAL = "x"
WIDTH = 11.0

#: DejaVu comes with matplotlib, and neither dates nor random ids may enter a file.
STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "svg.fonttype": "path",
    "svg.hashsalt": "iova-lab",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
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


def headline(figure: Figure, text: str) -> None:
    """Put one sentence of finding above a figure, as wide as it is."""
    width = int(figure.get_figwidth() * 10.2)
    figure.suptitle(
        fill(text, width, break_on_hyphens=False),
        x=0.01,
        y=0.985,
        ha="left",
        va="top",
        fontsize=11,
        fontweight="bold",
    )


def workload_figure(
    frame: pd.DataFrame, workload: str, fakes: frozenset[str], finding: str
) -> Figure:
    """Draw one workload: curves if it has several sizes, dots if it has one.

    Whiskers are asv's 99 % intervals; counts are exact.  Fake variants are the floor of the
    harness, a grey dashed line.  A cross marks a window in which requests were refused although
    there was room, or answered above their limit, with their number.
    """
    rows = select(frame, workload=workload)
    wrong = rows[rows["metric"].isin(FAULTS) & (rows["value"] > 0)]
    refused = wrong.groupby(["variant", "nr_live"])["value"].sum().astype(int)
    drawn = rows[rows["metric"].isin(PANELS)]
    variants = sorted(set(frame["variant"]) - fakes)
    with mpl.rc_context(STYLE):
        if drawn["nr_live"].nunique() > 1:
            groups = coinciding_groups(frame, workload)
            figure = _curves(drawn, variants, fakes, refused, groups)
        else:
            figure = _dots(drawn, variants, fakes, refused)
        headline(figure, finding)
        if len(refused):
            figure.text(
                0.99,
                0.015,
                "x, and a number: requests refused although there was room, or met above the limit",
                ha="right",
                fontsize=8,
                color="#444444",
            )
    return figure


def _errors(line: pd.DataFrame) -> np.ndarray:
    """Lengths of the whiskers, (2, n); NaN, so not drawn, where there is no interval."""
    return np.array([line["value"] - line["ci_lo"], line["ci_hi"] - line["value"]]).clip(0)


def _panels(figure: Figure, room_left: float, room_right: float, **options: Any) -> Any:
    """Two panels side by side, each with ``room`` in inches beside it for names."""
    width, height = figure.get_size_inches()
    between = (room_left + room_right) / width
    left, right = room_left / width, 1 - room_right / width
    panel = (right - left - between) / 2
    return figure.subplots(
        1,
        2,
        gridspec_kw={
            "left": left,
            "right": right,
            "wspace": between / panel,
            "top": 1 - 0.72 / height,
            "bottom": 0.62 / height,
        },
        **options,
    )


def _curves(
    rows: pd.DataFrame,
    variants: list[str],
    fakes: frozenset[str],
    refused: pd.Series,
    groups: list[list[str]],
) -> Figure:
    figure = Figure(figsize=(WIDTH, 5.2))
    for axes, (metric, label) in zip(_panels(figure, 0.75, 1.75), PANELS.items(), strict=True):
        panel = rows[(rows["metric"] == metric) & (rows["value"] > 0)].sort_values("nr_live")
        for name, line in panel.groupby("variant"):
            _plot(axes, str(name), line, variants, fakes, refused)
        _log_log(axes, sorted(rows["nr_live"].unique()), label)
        alike = groups if metric == "nodes_per_op" else []
        label_ends(axes, _ends(panel[~panel["variant"].isin(fakes)], alike, refused))
        for name, line in panel[panel["variant"].isin(fakes)].groupby("variant"):
            _floor_label(axes, (line["nr_live"].iloc[0], line["value"].iloc[0]), str(name))
    return figure


def _plot(
    axes: Axes,
    name: str,
    line: pd.DataFrame,
    variants: list[str],
    fakes: frozenset[str],
    refused: pd.Series,
) -> None:
    if name in fakes:
        axes.plot(line["nr_live"], line["value"], color=FLOOR, linestyle="--", linewidth=1)
        return
    axes.errorbar(line["nr_live"], line["value"], _errors(line), **styles(variants)[name])
    marked = line[[(name, n) in refused.index for n in line["nr_live"]]]
    axes.plot(marked["nr_live"], marked["value"], REFUSAL, color="black", ms=9, mew=1.6, zorder=9)


def _ends(
    panel: pd.DataFrame, groups: list[list[str]], refused: pd.Series
) -> dict[str, tuple[float, float]]:
    """Each label and the point that it belongs to; curves that coincide share one."""
    shared = {name: tuple(group) for group in groups for name in group}
    lasts = panel.groupby("variant").last()
    ends: dict[str, tuple[float, float]] = {}
    for names in dict.fromkeys(shared.get(name, (name,)) for name in lasts.index):
        last = lasts.loc[names[0]]
        point = (last["nr_live"], last["value"])
        text = ", ".join(_refusing(name, point[0], refused) for name in names)
        ends[text] = (float(point[0]), float(point[1]))
    return ends


def _refusing(name: str, nr_live: float, refused: pd.Series) -> str:
    count = refused.get((name, nr_live), 0)
    return f"{name} x{count}" if count else name


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


def _dots(
    rows: pd.DataFrame, variants: list[str], fakes: frozenset[str], refused: pd.Series
) -> Figure:
    by_nodes = rows[rows["metric"] == "nodes_per_op"].set_index("variant")["value"]
    present = [name for name in variants if name in set(rows["variant"])]
    shown = sorted(present, key=lambda name: by_nodes.get(name, np.inf))
    figure = Figure(figsize=(WIDTH, 1.7 + 0.25 * max(len(shown), 3)))
    panels = _panels(figure, 1.3, 0.4, sharey=True)
    for axes, (metric, label) in zip(panels, PANELS.items(), strict=True):
        panel = rows[rows["metric"] == metric].set_index("variant")
        _dot_panel(axes, panel, shown, fakes, refused)
        axes.set_xlabel(label)
    panels[0].set_yticks(range(len(shown)), shown)
    panels[0].set_ylim(len(shown) - 0.5, -0.9)
    panels[1].tick_params(labelleft=True)
    return figure


def _dot_panel(
    axes: Axes,
    panel: pd.DataFrame,
    shown: list[str],
    fakes: frozenset[str],
    refused: pd.Series,
) -> None:
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
            axes.annotate(
                f"{name}: the floor",
                (panel["value"][name], 1),
                xycoords=("data", "axes fraction"),
                xytext=(4, -2),
                textcoords="offset points",
                verticalalignment="top",
                fontsize=8,
                color="#555555",
            )
    places = range(len(shown))
    axes.errorbar(
        values["value"], places, xerr=_errors(values), fmt="o", color=COLOURS[0], capsize=3
    )
    for place, name in enumerate(shown):
        count = refused[name].iloc[0] if name in refused.index else 0
        if count and not np.isnan(values["value"][name]):
            axes.plot(values["value"][name], place, REFUSAL, color="black", ms=9, mew=1.6)
            axes.annotate(
                f"x{count}",
                (values["value"][name], place),
                (9, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )


def _floor_label(axes: Axes, point: tuple[float, float], name: str) -> None:
    axes.annotate(
        f"{name}: the floor",
        point,
        (0, 4),
        textcoords="offset points",
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
