"""What all figures share: their looks, headline, caption and logarithmic ticks."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, NullFormatter

FLOOR = "#777777"
#: Refused although there was room, or answered above the limit: who does that looks fast.
REFUSAL = "x"
WIDTH = 11.0
#: Inches of one line of a title, and characters of one in each inch of width.
TITLE_LINE, TITLE_CHARACTERS = 0.19, 10.2

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


def _title_lines(text: str, width: float) -> list[str]:
    return wrap(text, int(width * TITLE_CHARACTERS), break_on_hyphens=False)


def headline(figure: Figure, text: str) -> None:
    """Put one sentence of finding above a figure, as wide as it is."""
    figure.suptitle(
        "\n".join(_title_lines(text, figure.get_figwidth())),
        x=0.01,
        y=1 - 0.06 / figure.get_figheight(),
        ha="left",
        va="top",
        fontsize=11,
        fontweight="bold",
    )


def headline_above(figure: Figure, text: str) -> None:
    """As `headline`, above axes of a constrained layout; each line of ``text`` begins a line."""
    width = figure.get_figwidth()
    lines = [line for part in text.splitlines() for line in _title_lines(part, width)]
    figure.suptitle("\n".join(lines), x=0.01, ha="left", fontsize=11, fontweight="bold")


def caption(figure: Figure, text: str) -> None:
    """Put what is drawn below a figure."""
    place = 0.05 / figure.get_figheight()
    figure.text(0.01, place, text, fontsize=8, color="#444444", va="bottom")


def legend_below(
    figure: Figure, handles: Sequence[Artist], labels: Sequence[str], ncols: int
) -> None:
    """Put one legend for all panels below them, above the `caption`."""
    figure.legend(
        handles,
        labels,
        ncols=ncols,
        loc="lower center",
        bbox_to_anchor=(0.5, 0.25 / figure.get_figheight()),
        fontsize=8,
        frameon=False,
    )


def title_height(text: str, width: float) -> float:
    """Inches that `headline` takes of a figure of this width, with room below."""
    return 0.2 + TITLE_LINE * len(_title_lines(text, width))


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks of one kind, ``20``, ``5k``, for values from ``low`` to ``high`` on a logarithm."""
    decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    steps = (1,) if high / low > 300 else (1, 2, 5)
    ticks = [step * 10.0**power for power in decades for step in steps]
    axis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    axis.set_major_formatter(EngFormatter(sep=""))
    axis.set_minor_formatter(NullFormatter())
