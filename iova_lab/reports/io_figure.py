"""Instructions inside each allocator per I/O over those of the kernel's own, by phase."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from iova_lab.kernel.io_allocators import STOCK
from iova_lab.measuring.rows import short_release
from iova_lab.rendering.figures import (
    FLOOR,
    STYLE,
    WIDTH,
    caption,
    headline,
    legend_below,
    title_height,
)
from iova_lab.rendering.looks import COLOURS

#: Inches of a row.
_ROW = 0.27


def figure(frame: pd.DataFrame) -> Figure:
    """Draw ``frame``, both passes of boots of the same settings, a panel for each kernel."""
    found = ratios(frame)
    releases = sorted(found["release"].unique())
    phases = list(dict.fromkeys(found["phase"]))
    text = finding(found)
    top = title_height(text, WIDTH)
    height = 1.35 + top + _ROW * len(phases)
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(WIDTH, height))
        panels = drawn.subplots(1, len(releases), sharex=True, sharey=True, squeeze=False)[0]
        drawn.subplots_adjust(0.13, 0.95 / height, 0.98, 1 - (top + 0.25) / height, wspace=0.06)
        for panel, release in zip(panels, releases, strict=True):
            _draw(panel, found[found["release"] == release], phases)
            panel.set_title(short_release(release), fontsize=10)
        panels[0].set_yticks(np.arange(len(phases)), phases)
        panels[0].invert_yaxis()
        handles, labels = panels[0].get_legend_handles_labels()
        legend_below(drawn, handles, labels, len(labels))
        headline(drawn, text)
        caption(drawn, "Inside alloc_iova_fast() and free_iova_fast() alone, by QEMU.")
    return drawn


def _draw(panel: Axes, found: pd.DataFrame, phases: list[str]) -> None:
    panel.axvline(1, color=FLOOR, linewidth=1)
    allocators = list(dict.fromkeys(found["allocator"]))
    for index, name in enumerate(allocators):
        colour = COLOURS[index % len(COLOURS)]
        for cold, label in ((False, name), (True, f"{name}, first pass")):
            own = found[(found["allocator"] == name) & (found["cold"] == cold)]
            values = own.set_index("phase")["ratio"].reindex(phases)
            places = np.arange(len(phases)) + 0.3 * (index - (len(allocators) - 1) / 2)
            face = "none" if cold else colour
            panel.plot(values, places, "o", color=colour, markerfacecolor=face, label=label)
    panel.set_xlim(left=0)
    panel.set_xlabel("instructions per I/O inside the allocator, stock = 1")


def ratios(frame: pd.DataFrame) -> pd.DataFrame:
    """Each allocator's instructions inside over those of stock, in the same phase and pass."""
    cell = ["release", "phase", "cold"]
    counted = frame[frame["inside"].notna()]
    stock = counted[counted["allocator"] == STOCK][[*cell, "inside"]]
    found = counted[counted["allocator"] != STOCK].merge(stock, on=cell, suffixes=("", "_stock"))
    found["ratio"] = found["inside"] / found["inside_stock"]
    return found


def finding(found: pd.DataFrame) -> str:
    """In how many phases the candidate needs fewer instructions, and how far from stock it is."""
    own = found[found["allocator"] == "candidate"]
    measured, first = (own[own["cold"] == cold]["ratio"] for cold in (False, True))
    return (
        f"Served by the caches, the candidate takes {measured.median():.2f} of the instructions of "
        f"the kernel's own allocator in the median phase; in the first pass {first.median():.2f}"
    )
