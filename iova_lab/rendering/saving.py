"""Files of a figure: an SVG for a browser, and a PNG that is small enough for a repository.

The same bytes for an equal figure, with the same versions of matplotlib and its libraries.
"""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from PIL import Image

from iova_lab.rendering.figures import STYLE

#: Colours of a PNG: lines and letters on white need no more, and take a third of the bytes.
NR_COLOURS = 32


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write ``stem``.svg and ``stem``.png; their paths, in this order."""
    svg, png = stem.with_suffix(".svg"), stem.with_suffix(".png")
    pixels = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
        figure.savefig(pixels, dpi=100, format="png")
    picture = Image.open(pixels).convert("RGB")
    # A thin line keeps its colour, although few pixels have it.
    reduced = picture.quantize(
        NR_COLOURS,
        method=Image.Quantize.MAXCOVERAGE,  # MEDIANCUT weighs pixels, and mixes rare colours
        kmeans=1,
        dither=Image.Dither.NONE,
    )
    reduced.save(png, optimize=True)
    return [svg, png]
