"""The data that a figure draws, to be compared in place of its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image


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


def draw_nothing(monkeypatch: pytest.MonkeyPatch, *, svg_alone: bool = False) -> None:
    """Make every picture one pixel, where a test reads text; ``svg_alone``: every SVG empty."""
    drawing = Figure.savefig

    def savefig(figure: Figure, target: Any, **options: Any) -> None:
        if isinstance(target, Path):
            if svg_alone:
                figure.draw_without_rendering()  # a layout settles with the first drawing
            target.write_text("<svg></svg>", encoding="utf-8")
        elif svg_alone:
            drawing(figure, target, **options)
        else:
            Image.new("RGB", (1, 1)).save(target, "PNG")

    monkeypatch.setattr(Figure, "savefig", savefig)
