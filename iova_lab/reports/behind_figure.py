"""What the per-CPU caches answer, and what the other requests cost behind them."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from iova_lab.rendering.figures import STYLE, WIDTH, caption, headline, legend_below, title_height
from iova_lab.rendering.looks import line_look, styles
from iova_lab.reports.overview import SHORT

#: Nodes per op below which the axis is linear, so that 0 has a place.
LINEAR = 0.01


def figure(hits: pd.Series, nodes: pd.DataFrame, finding: str) -> Figure:
    """Draw the hit rate and the nodes per op of each workload, a marker per variant.

    ``hits`` and ``nodes`` are by workload and number of live ranges; ``nodes`` has a column per
    variant, and its rows are drawn from the top.
    """
    top = title_height(finding, WIDTH) + 0.15
    height = top + 1.2 + 0.24 * len(nodes)
    names = [f"{workload} @ {SHORT(nr_live)}" for workload, nr_live in nodes.index]
    places = np.arange(len(nodes))
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(WIDTH, height))
        left, right = drawn.subplots(1, 2, sharey=True, width_ratios=(1, 2))
        drawn.subplots_adjust(0.18, 1.05 / height, 0.98, 1 - top / height, wspace=0.06)
        left.barh(places, hits.reindex(nodes.index), color="#bbbbbb", height=0.6)
        left.set(xlabel="requests that the caches answer", xlim=(0, 1))
        left.xaxis.set_major_formatter(PercentFormatter(1))
        left.set_yticks(places, names, fontsize=9)
        left.set_ylim(len(nodes) - 0.4, -0.6)
        looks = styles(list(nodes.columns))
        for name in nodes.columns:
            right.plot(
                nodes[name], places, label=name, **line_look(looks[name]) | {"linestyle": "none"}
            )
        right.set_xscale("symlog", linthresh=LINEAR, linscale=0.4)
        right.set_xlim(-LINEAR / 4, float(nodes.max().max()) * 1.5)
        right.set_xlabel("nodes per op behind the caches")
        handles, labels = right.get_legend_handles_labels()
        legend_below(drawn, handles, labels, len(labels))
        headline(drawn, finding)
        caption(drawn, "Exact counts. An op that the caches answer visits no node, and counts.")
    return drawn
