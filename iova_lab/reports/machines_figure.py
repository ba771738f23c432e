"""Times relative to mainline on one machine over those on another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from iova_lab.rendering.figures import (
    STYLE,
    WIDTH,
    caption,
    headline,
    legend_below,
    log_ticks,
    title_height,
)
from iova_lab.rendering.looks import styles

HEIGHT = 5.6


def figure(compared: Sequence[tuple[tuple[str, str], pd.DataFrame]], finding: str) -> Figure:
    """Draw a panel for each two machines; in ``compared``: their names, `machines.pairs`."""
    names = sorted({name for _, both in compared for name in both["variant"]})
    looks = styles(names)
    top = title_height(finding, WIDTH)
    height = HEIGHT * len(compared) + top
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(WIDTH, height))
        panels = drawn.subplots(len(compared), 1, squeeze=False)[:, 0]
        drawn.subplots_adjust(0.1, 1.6 / height, 0.98, 1 - (top + 0.2) / height)
        for axes, (machines, both) in zip(panels, compared, strict=True):
            _panel(axes, machines, both, looks)
        handles, labels = panels[0].get_legend_handles_labels()
        legend_below(drawn, handles, labels, 5)
        headline(drawn, finding)
        caption(
            drawn,
            "A marker per workload and number of live ranges. In the shaded quarters an allocator"
            " is faster than mainline on one machine only.",
        )
    return drawn


def _panel(
    axes: mpl.axes.Axes,
    machines: tuple[str, str],
    both: pd.DataFrame,
    looks: dict[str, dict[str, Any]],
) -> None:
    for name, group in both.groupby("variant"):
        marker: dict[str, Any] = {key: looks[str(name)][key] for key in ("color", "marker")}
        axes.plot(group["ratio_a"], group["ratio_b"], ls="", ms=4, alpha=0.8, label=name, **marker)
    values = both[["ratio_a", "ratio_b"]].to_numpy()
    low, high = (values.min() / 1.2, values.max() * 1.2) if len(both) else (0.5, 2.0)
    axes.fill_between([low, 1], 1, high, color="#eeeeee", zorder=0)
    axes.fill_between([1, high], low, 1, color="#eeeeee", zorder=0)
    axes.plot([low, high], [low, high], color="#777777", lw=1)
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axis, machine in zip((axes.xaxis, axes.yaxis), machines, strict=True):
        axis.set_label_text(f"time relative to mainline, {machine}")
        log_ticks(axis, low, high)
        axis.set_major_formatter(lambda value, _: f"x{value:g}")
