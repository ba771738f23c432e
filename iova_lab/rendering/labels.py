"""Names of curves, beside the panel instead of in a legend.

All names of a panel stand in one column to the right of it, each with a thin line to the end of its
curve.  Names that would overlap are moved apart as little as possible, and none leaves the panel's
height.
"""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from scipy.optimize import isotonic_regression

FONT_SIZE = 8.0
LINE_POINTS = FONT_SIZE * 1.25
#: The column of labels begins this far to the right of the panel.
OFFSET_POINTS = 10.0
#: Characters of a line, and the room in inches that so many need beside the panel.
WRAP = 25
ROOM = 1.95


def spread(
    places: Sequence[float],
    heights: Sequence[float],
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> npt.NDArray[np.float64]:
    """Move the centres of labels of these heights apart: least squares, order kept, none overlaps.

    Two neighbours must be half of both heights apart.  With those distances taken out, that is an
    isotonic regression, and cutting its result off at ``bounds`` keeps it the best one within them.
    Where the labels need more than ``bounds`` have, they stand in the middle.
    """
    order = np.argsort(places, kind="stable")
    tall = np.asarray(heights, float)[order]
    least = np.concatenate([[0.0], np.cumsum((tall[1:] + tall[:-1]) / 2)])
    wished = isotonic_regression(np.asarray(places, float)[order] - least).x
    low, high = bounds[0] + tall[0] / 2, bounds[1] - tall[-1] / 2 - least[-1]
    if low > high:
        low = high = (low + high) / 2
    moved = np.empty(len(order))
    moved[order] = wished.clip(low, high) + least
    return moved


def label_ends(axes: Axes, ends: dict[str, tuple[float, float]]) -> None:
    """Write each text to the right of the panel, with a line to its point (x, y) in data units.

    The axes' limits and place and the figure's size must be final.
    """
    if not ends:
        return
    to_points = 72 / axes.figure.dpi
    panel = axes.get_window_extent()
    shown = [fill(text, WRAP, break_long_words=False, break_on_hyphens=False) for text in ends]
    points = axes.transData.transform(list(ends.values()))
    places = (points[:, 1] - panel.y0) * to_points
    heights = [LINE_POINTS * (text.count("\n") + 1) for text in shown]
    moved = spread(places.tolist(), heights, (0.0, panel.height * to_points))
    for text, point, place in zip(shown, ends.values(), moved, strict=True):
        axes.annotate(
            text,
            point,
            (panel.width * to_points + OFFSET_POINTS, place),
            textcoords="axes points",
            va="center",
            ha="left",
            fontsize=FONT_SIZE,
            linespacing=1.05,
            arrowprops={
                "arrowstyle": "-",
                "color": "#aaaaaa",
                "lw": 0.5,
                "shrinkA": 1,
                "shrinkB": 4,
            },
            annotation_clip=False,
        )
