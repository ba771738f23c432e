"""The figure on fidelity: ratios in user space beside those in the kernel."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from iova_lab.rendering.figures import STYLE, headline_above
from iova_lab.rendering.looks import COLOURS, MARKERS
from iova_lab.reports.fidelity_ratios import BASE, CLOSE, CONTENDERS, within


def figure(ratios: pd.DataFrame) -> Figure:
    """Left: every ratio, kernel over user space.  Right: how far off, by workload."""
    workloads = sorted(ratios["workload"].unique(), reverse=True)
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(10.5, 6.4), layout="constrained")
        left, right = drawn.subplots(1, 2, width_ratios=[1, 1.25])
        _scatter(left, ratios)
        _by_workload(right, ratios, workloads)
        headline_above(drawn, _title(ratios))
    return drawn


def _title(ratios: pd.DataFrame) -> str:
    own = ratios[ratios["variant"].isin(CONTENDERS)]
    shown, who = (
        (own, f"the {own['variant'].nunique()} contenders'") if len(own) else (ratios, "all")
    )
    return (
        f"Cost over {BASE}: {within(shown):.0%} of {who} ratios in user space are within x{CLOSE}"
        " of the kernel's"
    )


def _looks(ratios: pd.DataFrame) -> dict[str, dict[str, Any]]:
    releases = sorted(ratios["release"].unique())
    return {
        name: {"color": COLOURS[i], "marker": MARKERS[i], "markerfacecolor": "none"}
        for i, name in enumerate(releases)
    }


def _times(value: float, _: object = None) -> str:
    return f"x{value:g}"


def _scatter(axes: Any, ratios: pd.DataFrame) -> None:
    for release, look in _looks(ratios).items():
        group = ratios[ratios["release"] == release]
        axes.plot(group["kernel_ratio"], group["user_ratio"], ls="", ms=4, label=release, **look)
    low = ratios[["kernel_ratio", "user_ratio"]].min().min() / 1.3
    high = ratios[["kernel_ratio", "user_ratio"]].max().max() * 1.3
    axes.plot([low, high], [low, high], color="#777777", lw=1)
    for factor in (CLOSE, 1 / CLOSE):
        axes.plot([low, high], [low * factor, high * factor], color="#777777", lw=0.8, ls=":")
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.set(xlabel="instructions in the kernel", ylabel="ns in user space")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_times))
    axes.legend(loc="upper left", frameon=False)


def _by_workload(axes: Any, ratios: pd.DataFrame, workloads: list[str]) -> None:
    looks = _looks(ratios)
    shifts = np.linspace(0.25, -0.25, len(looks)) if len(looks) > 1 else [0.0]
    for shift, (release, look) in zip(shifts, looks.items(), strict=True):
        group = ratios[ratios["release"] == release]
        places = [workloads.index(name) + shift for name in group["workload"]]
        axes.plot(group["off"], places, ls="", ms=4, **look)
    for workload, group in ratios.groupby("workload"):
        worst = group.loc[np.log(group["off"]).abs().idxmax()]
        axes.annotate(
            worst["variant"],
            (worst["off"], workloads.index(str(workload))),
            (-8 if worst["off"] < 1 else 8, 0),
            textcoords="offset points",
            ha="right" if worst["off"] < 1 else "left",
            va="center",
            fontsize=8,
        )
    axes.axvspan(1 / CLOSE, CLOSE, color="#eeeeee", zorder=0)
    axes.axvline(1, color="#777777", lw=1)
    low, high = ratios["off"].min(), ratios["off"].max()
    axes.set(xscale="log", xlim=(low / 2, high * 2.3))
    axes.set_xlabel("user space's ratio / the kernel's; named: the furthest off")
    axes.xaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.5, 1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(_times))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(workloads)), workloads)
