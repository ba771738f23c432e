"""Figures of one workload: time and nodes per op, side by side.

Frame in, Figure out.  A panel shows curves over the number of live ranges or, where only one size
was measured, one dot per variant.  The same frame draws the same data everywhere, and makes the
same bytes with the same versions of matplotlib and its libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, NullLocator

from iova_lab.measuring.results import select
from iova_lab.measuring.scorecard import FAULTS
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
from iova_lab.rendering.labels import ROOM, label_ends
from iova_lab.rendering.looks import line_look, styles
from iova_lab.rendering.tables import coinciding_groups

#: The two panels: metric, and what its axis measures.
PANELS = {"ns_per_op": "ns per op", "nodes_per_op": "nodes visited per op"}


def workload_figure(
    frame: pd.DataFrame, workload: str, fakes: frozenset[str], finding: str
) -> Figure:
    """Draw one workload: time on the left, nodes on the right.

    Whiskers are asv's 99 % intervals; counts are exact.  Fake variants are the floor of the
    harness, a grey dashed line.  A cross marks a window in which requests failed spuriously or were
    answered above their limit, with their number.
    """
    rows = select(frame, workload=workload)
    wrong = rows[rows["metric"].isin(FAULTS) & (rows["value"] > 0)]
    refused = wrong.groupby(["variant", "nr_live"])["value"].sum().astype(int)
    drawn = rows[rows["metric"].isin(PANELS)]
    view = _View(
        looks=styles(sorted(set(frame["variant"]) - fakes)),
        fakes=fakes,
        refused=refused,
        groups=coinciding_groups(frame, workload),
    )
    panels = {metric: drawn[drawn["metric"] == metric] for metric in PANELS}
    nr_dots = [rows["variant"].nunique() for rows in panels.values() if not _is_curve(rows)]
    top = title_height(finding, WIDTH) + 0.2
    least = 3.9 if len(nr_dots) < len(panels) else 0  # where there is a curve
    height = top + 0.85 + max(least, 0.25 * max([3, *nr_dots]))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH, height))
        for index, (metric, label) in enumerate(PANELS.items()):
            _panel(figure, index, top, panels[metric], label, view)
        headline(figure, finding)
        caption(figure, _caption(frame, bool(len(refused))))
    return figure


def _caption(frame: pd.DataFrame, crosses: bool) -> str:
    about = frame[["machine", "commit"]].iloc[0]
    text = (
        f"Time on {about['machine']} at {about['commit'][:8]}, whiskers: 99 % intervals;"
        " nodes are exact counts."
    )
    crossed = " x and a number: requests that failed spuriously or were answered above their limit."
    return text + crossed * crosses


@dataclass(frozen=True)
class _View:
    """What all panels of one figure share."""

    looks: dict[str, dict[str, Any]]
    fakes: frozenset[str]
    refused: pd.Series
    groups: list[list[str]]


def _is_curve(rows: pd.DataFrame) -> bool:
    return bool(rows["nr_live"].nunique() > 1)


def _panel(
    figure: Figure, index: int, top: float, rows: pd.DataFrame, label: str, view: _View
) -> None:
    """Add one half of the figure, with room for names to its left (dots) or right (curves)."""
    width, height = figure.get_size_inches()
    half = width / len(PANELS)
    longest = max((len(name) for name in rows["variant"]), default=0)
    left, right = (0.75, ROOM) if _is_curve(rows) else (0.3 + 0.093 * longest, 0.35)
    axes = figure.add_axes(
        (
            (index * half + left) / width,
            0.75 / height,
            (half - left - right) / width,
            1 - (top + 0.75) / height,
        )
    )
    draw = _curves if _is_curve(rows) else _dots
    draw(axes, rows, label, view)


def _errors(line: pd.DataFrame) -> np.ndarray:
    """Lengths of the whiskers, (2, n); NaN, so not drawn, where there is no interval."""
    return np.array([line["value"] - line["ci_lo"], line["ci_hi"] - line["value"]]).clip(0)


def _curves(axes: Axes, rows: pd.DataFrame, label: str, view: _View) -> None:
    panel = rows[rows["value"] > 0].sort_values("nr_live")
    for name, line in panel.groupby("variant"):
        if name in view.fakes:
            axes.plot(line["nr_live"], line["value"], color=FLOOR, linestyle="--", linewidth=1)
        else:
            _curve(axes, line, view.looks[str(name)], _crossed(line, view.refused))
    _log_log(axes, sorted(rows["nr_live"].unique()), label)
    alike = view.groups if label == PANELS["nodes_per_op"] else []
    label_ends(axes, _ends(panel[~panel["variant"].isin(view.fakes)], alike, view.refused))
    for name, line in panel[panel["variant"].isin(view.fakes)].groupby("variant"):
        _floor_label(axes, str(name), (line["nr_live"].iloc[0], line["value"].iloc[0]), (0, 4))


def _crossed(line: pd.DataFrame, refused: pd.Series) -> pd.DataFrame:
    keys = zip(line["variant"], line["nr_live"], strict=True)
    return line[[key in refused.index for key in keys]]


def _curve(axes: Axes, line: pd.DataFrame, look: dict[str, Any], crossed: pd.DataFrame) -> None:
    if line["ci_lo"].notna().any():
        axes.errorbar(line["nr_live"], line["value"], _errors(line), **look)
    else:
        axes.plot(line["nr_live"], line["value"], **line_look(look))
    axes.plot(crossed["nr_live"], crossed["value"], REFUSAL, color="black", ms=9, mew=1.6, zorder=9)


def _ends(
    panel: pd.DataFrame, groups: list[list[str]], refused: pd.Series
) -> dict[str, tuple[float, float]]:
    """Each label and the point that it belongs to; curves that coincide share one."""
    shared = {name: tuple(group) for group in groups for name in group}
    lasts = panel.groupby("variant").last()
    ends: dict[str, tuple[float, float]] = {}
    for names in dict.fromkeys(shared.get(name, (name,)) for name in lasts.index):
        point = (float(lasts["nr_live"][names[0]]), float(lasts["value"][names[0]]))
        text = ", ".join(_refusing(name, point[0], refused) for name in names)
        ends[text] = point
    return ends


def _refusing(name: str, nr_live: float, refused: pd.Series) -> str:
    count = refused.get((name, nr_live), 0)
    return f"{name}\u00a0x{count}" if count else name  # not to be broken there


def _log_log(axes: Axes, sizes: Sequence[int], label: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel="live ranges", ylabel=label)
    axes.xaxis.set_major_locator(FixedLocator(list(sizes)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    low, high = axes.get_ylim()
    if high / low < 10:
        middle = (low * high) ** 0.5
        low, high = middle / 10**0.5, middle * 10**0.5
    log_ticks(axes.yaxis, low, high)
    axes.set_ylim(low, high)


def _dots(axes: Axes, rows: pd.DataFrame, label: str, view: _View) -> None:
    """One size: a dot per variant, the least on top."""
    values = rows[~rows["variant"].isin(view.fakes)].set_index("variant").sort_values("value")
    shown = [str(name) for name in values.index]
    axes.set_xlabel(label)
    if shown:
        axes.set_title(f"at {int(rows['nr_live'].iloc[0]):,} live ranges", fontsize=9, loc="left")
        _dot_axis(axes, values["value"])
    else:
        axes.text(0.5, 0.5, "not measured", transform=axes.transAxes, ha="center")
    for name, floor in rows[rows["variant"].isin(view.fakes)].set_index("variant").iterrows():
        _floor_line(axes, float(floor["value"]), str(name))
    for place, (name, value) in enumerate(values.iterrows()):
        whiskers = None if np.isnan(value["ci_lo"]) else _errors(values.iloc[[place]])
        look = view.looks[str(name)] | {"markersize": 7, "linestyle": "none"}
        axes.errorbar([value["value"]], [place], xerr=whiskers, **look)
        count = view.refused.get((name, value["nr_live"]), 0)
        if count:
            axes.plot(value["value"], place, REFUSAL, color="black", ms=9, mew=1.6)
            axes.annotate(
                f"x{count}",
                (value["value"], place),
                (9, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
    axes.set_yticks(range(len(shown)), shown)
    axes.set_ylim(len(shown) - 0.5, -0.9)


def _dot_axis(axes: Axes, values: pd.Series) -> None:
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low > 20:
        axes.set_xscale("log")
        axes.set_xlim(low / 1.5, high * 2)
        log_ticks(axes.xaxis, low / 1.5, high * 2)
        axes.set_xlim(low / 1.5, high * 2)
    else:
        axes.set_xlim(0, 1.15 * high or 1)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))


def _floor_line(axes: Axes, value: float, name: str) -> None:
    if value <= 0:
        return
    low, high = axes.get_xlim()
    axes.axvline(value, color=FLOOR, linestyle="--", linewidth=1)
    axes.set_xlim(min(low, value / 1.5), high)
    _floor_label(axes, name, (value, 1), (4, -2), xycoords=("data", "axes fraction"), va="top")


def _floor_label(
    axes: Axes, name: str, point: tuple[float, float], offset: tuple[float, float], **place: Any
) -> None:
    look: dict[str, Any] = {"textcoords": "offset points", "fontsize": 8, "color": "#555555"}
    axes.annotate(f"{name}: the floor", point, offset, **look, **place)
