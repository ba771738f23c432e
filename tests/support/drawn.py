"""The data that a figure draws, to be compared in place of its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure


@dataclass(frozen=True)
class Panel:
    """What one panel shows: its words, and the points of every line in data coordinates."""

    title: str
    labels: tuple[str, str]
    scales: tuple[str, str]
    ticks: tuple[tuple[str, ...], tuple[str, ...]]
    texts: tuple[str, ...]
    lines: tuple[tuple[tuple[float, float], ...], ...]


def drawn(figure: Figure) -> tuple[str, list[Panel]]:
    """A figure's title and panels, to be compared instead of its bytes.

    Coordinates have six significant digits: the last bits of a logarithm depend on the processor.
    """
    figure.canvas.draw_idle()
    panels = [
        Panel(
            axes.get_title(),
            (axes.get_xlabel(), axes.get_ylabel()),
            (axes.get_xscale(), axes.get_yscale()),
            (
                tuple(label.get_text() for label in axes.get_xticklabels()),
                tuple(label.get_text() for label in axes.get_yticklabels()),
            ),
            tuple(text.get_text() for text in axes.texts),
            tuple(_points(line.get_xydata()) for line in axes.get_lines()),
        )
        for axes in figure.axes
        if axes.get_visible()
    ]
    return figure.get_suptitle(), panels


def _points(data: Any) -> tuple[tuple[float, float], ...]:
    return tuple((float(f"{x:.6g}"), float(f"{y:.6g}")) for x, y in np.asarray(data, float))
