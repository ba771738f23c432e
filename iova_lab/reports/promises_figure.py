"""Which allocator keeps which promise, at a glance?"""

from __future__ import annotations

from textwrap import fill

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from iova_lab.rendering.figures import STYLE, headline

#: Dark is broken: read from far away, and without colour.
SHADES = {"no": "#1a1a1a", "in cost only": "#8a8a8a", "none found": "#e8e8e8", "yes": "#ffffff"}
UNKNOWN = "#ffffff"
#: Characters of a promise above its column.
WRAP = 14


def promises_figure(answers: pd.DataFrame, finding: str) -> Figure:
    """Draw answers as text (rows: variants, columns: promises), each in its shade."""
    height = 1.5 + 0.28 * len(answers)
    with mpl.rc_context(STYLE | {"axes.grid": False}):
        figure = Figure(figsize=(11.0, height))
        place = {"left": 0.13, "right": 0.99, "top": 1 - 0.85 / height, "bottom": 0.1 / height}
        axes = figure.subplots(gridspec_kw=place)
        for i, name in enumerate(answers.index):
            for j, column in enumerate(answers.columns):
                answer = str(answers.loc[name, column])
                shade = SHADES.get(answer, UNKNOWN)
                axes.add_patch(
                    mpl.patches.Rectangle((j - 0.5, i - 0.5), 1, 1, fc=shade, ec="#cccccc")
                )
                colour = "white" if answer == "no" else "black"
                axes.text(j, i, answer, ha="center", va="center", fontsize=8, color=colour)
        axes.set(xlim=(-0.5, answers.shape[1] - 0.5), ylim=(len(answers) - 0.5, -0.5))
        promises = [fill(str(name), WRAP, break_on_hyphens=False) for name in answers.columns]
        axes.set_xticks(range(answers.shape[1]), promises, fontsize=8.5)
        axes.set_yticks(range(len(answers)), answers.index)
        axes.tick_params(length=0, labeltop=True, labelbottom=False)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
        headline(figure, finding)
    return figure
