"""Counts of every kernel release over those of the first, a panel for each quantity that moved."""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iova_lab.rendering.figures import STYLE, WIDTH, caption, headline, legend_below, title_height
from iova_lab.rendering.looks import line_look, styles

#: Panels in a row, and inches of one.
NR_COLUMNS, PANEL = 3, 2.7


def figure(ratios: pd.DataFrame, finding: str) -> Figure:
    """Draw ``ratios`` (quantity, cell, release, ratio): a line per workload over the releases."""
    moved = list(ratios[ratios["ratio"] != 1]["quantity"].unique())
    names = moved or list(ratios["quantity"].unique())[:1]
    looks = styles(sorted(ratios["cell"].unique()))
    nr_rows = -(-len(names) // NR_COLUMNS)
    top = title_height(finding, WIDTH)
    height = top + PANEL * nr_rows + 1.0
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(WIDTH, height))
        grid = drawn.subplots(nr_rows, NR_COLUMNS, squeeze=False)
        drawn.subplots_adjust(
            *(0.07, 1.0 / height, 0.98, 1 - (top + 0.25) / height), wspace=0.3, hspace=0.45
        )
        panels = list(grid.flat)
        for axes, name in zip(panels, names, strict=False):
            _panel(axes, ratios[ratios["quantity"] == name], name, looks)
        for axes in panels[len(names) :]:
            axes.set_visible(False)
        handles = {
            label: handle
            for axes in panels[: len(names)]
            for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        legend_below(drawn, list(handles.values()), list(handles), min(4, len(handles)))
        headline(drawn, finding)
        caption(drawn, "Each value over that of the first release; all are exact counts.")
    return drawn


def _panel(axes: Axes, rows: pd.DataFrame, title: str, looks: dict[str, dict[str, object]]) -> None:
    releases = list(rows["release"].unique())
    for cell, line in rows.groupby("cell", sort=False):
        places = [releases.index(release) for release in line["release"]]
        axes.plot(places, line["ratio"], label=str(cell), **line_look(looks[str(cell)]))
    axes.set_title(title, fontsize=10)
    axes.set_xticks(range(len(releases)), releases, fontsize=8)
    axes.set_ylabel(f"over {releases[0]}", fontsize=8)
