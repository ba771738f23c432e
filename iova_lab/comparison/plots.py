"""Figures of a comparison: all ratios in one, and the times of single calls.

Results in, Figure out; the same results give the same bytes.  Readable without colour: the base is
a filled grey shape, candidates are lines of different strokes and markers, named beside them.
"""

from __future__ import annotations

import math
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from iova_lab.comparison import bars, latency, words
from iova_lab.comparison.latency import Bucket
from iova_lab.comparison.result import CellResult, Comparison
from iova_lab.comparison.words import Verdict
from iova_lab.rendering.figures import FLOOR, STYLE, headline_above
from iova_lab.rendering.looks import styles

BASE_FILL = "#d0d0d0"
#: Behind a name, so that no line runs through it.
CLEAR: Any = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.85}
#: A note to the right of what it is about.
BESIDE: Any = {"textcoords": "offset points", "verticalalignment": "center", "fontsize": 8}
#: Per cent at the top of a histogram: room for two names above a bucket of all calls; for one more,
#: so many times as much.
TOP, STEP = 350, 1.8
#: Ratios closer to 1 than this get a linear axis in per cent.
NARROW = 1.5


def ratios_figure(result: Comparison, title: str) -> Figure:
    """Draw one row per cell, common case on top; whiskers are the intervals of the ratios."""
    found = words.verdicts(result)
    names = [cell.cell.name for cell in result.cells]
    nr_candidates = len(result.subjects) - 1
    height = 1.6 + len(names) * (0.28 + 0.2 * nr_candidates)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, height), layout="constrained")
        axes = figure.subplots()
        _ratio_axis(axes, found)
        for verdict in found:
            _ratio_row(axes, result, verdict, names.index(verdict.cell.cell.name), nr_candidates)
        axes.axvline(1, color="black", linewidth=1)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.set_xlabel(
            f"time per op over that of {result.subjects[0].label}: left of 1 is faster,"
            " right is slower"
        )
        headline_above(figure, title)
    return figure


def _ratio_axis(axes: Axes, found: list[Verdict]) -> None:
    """Choose log steps of 2 where ratios are far from 1, per cent where all are close."""
    ends = [
        end
        for verdict in found
        if verdict.ratio
        for end in (verdict.ratio.value, verdict.ratio.lo, verdict.ratio.hi)
        if math.isfinite(end) and end > 0
    ]
    far = max([NARROW**0.25, *(max(end, 1 / end) for end in ends)])
    axes.set_xscale("log", base=2)
    if far < NARROW:
        reach = far**1.3
        steps = [step for step in (0.5, 1, 2, 5, 10, 20) if step * 5 > 100 * (reach - 1)]
        step = (steps or [25])[0]
        ticks = [1 + i * step / 100 for i in range(-5, 6) if 1 / reach < 1 + i * step / 100 < reach]
        label = _percent
        axes.set_xlim(1 / reach, reach**2)
    else:
        low, high = min(0.7, *ends) * 0.8, max(1.4, *ends)
        span = math.log2(high / low)
        axes.set_xlim(low, high * 2 ** (0.28 * span))  # names stand to the right
        step = math.ceil(span / 8)
        powers = range(math.floor(math.log2(low)), math.ceil(math.log2(high)) + 1)
        ticks = [2.0**power for power in powers if power % step == 0]
        label = _factor
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: label(x)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.3g} %" if abs(ratio - 1) > 1e-9 else "0 %"


def _factor(ratio: float) -> str:
    return f"x{ratio:g}" if ratio >= 1 else f"x1/{1 / ratio:g}"


def _ratio_row(
    axes: Axes, result: Comparison, verdict: Verdict, row: int, nr_candidates: int
) -> None:
    y = row + (verdict.which - (nr_candidates + 1) / 2) * 0.8 / (nr_candidates + 0.6)
    look = _look(result, verdict.which)
    colour, marker = look["color"], look["marker"]
    name = f"{result.subjects[verdict.which].label} " if nr_candidates > 1 else ""
    ratio = verdict.ratio
    if ratio is None:
        text = f"{name}failed here"
        axes.annotate(text, (1, y), (6, 0), color=colour, fontstyle="italic", **BESIDE)
        return
    if ratio.known:
        whiskers = np.array([[ratio.value - ratio.lo], [ratio.hi - ratio.value]])
        axes.errorbar(
            *([ratio.value], [y], None, whiskers),
            color=colour,
            marker=marker,
            markersize=6,
            markerfacecolor="white" if ratio.outcome == "no difference found" else colour,
            capsize=3,
        )
    else:
        axes.plot([ratio.value], [y], color=colour, marker=marker, markerfacecolor="none")
    refuses = any("refuse" in caveat for caveat in verdict.caveats)
    axes.annotate(
        f"{name}{words.change(ratio.value)}{', refusals differ' if refuses else ''}",
        (max(ratio.hi, ratio.value) if ratio.known else ratio.value, y),
        (8, 0),
        color=colour,
        bbox=CLEAR,
        **BESIDE,
    )


def _look(result: Comparison, which: int) -> dict[str, Any]:
    if result.subjects[which].is_fake:
        return {"color": FLOOR, "marker": "d", "linestyle": (0, (1, 2))}
    labels = [subject.label for subject in result.subjects]
    return styles(labels)[labels[which]]


def calls_figure(result: Comparison, cell: CellResult, title: str) -> Figure | None:
    """Draw the log2 histograms of one cell, alloc and free apart; None if nothing was timed."""
    panels = latency.histograms(cell, len(result.subjects))
    if not panels:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.0, 3.9), layout="constrained")
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
        for axes, (kind, buckets) in zip(grid, panels.items(), strict=True):
            _histograms(axes, result, buckets)
            axes.set_xlabel(f"{kind}: ns of one call, {cell.clock_ns} or more for the clock")
            if cell.clock_ns:
                _clock(axes, cell.clock_ns)
        grid[0].set_ylabel("share of the calls")
        headline_above(figure, title)
    return figure


def _clock(axes: Axes, clock_ns: int) -> None:
    axes.axvline(clock_ns, color=FLOOR, linestyle="--", linewidth=1)
    axes.annotate(
        "clock",
        (clock_ns, 0.02),
        (2, 0),
        xycoords=("data", "axes fraction"),
        textcoords="offset points",
        fontsize=8,
        color="#555555",
        bbox=CLEAR,
    )


def _histograms(axes: Axes, result: Comparison, buckets: list[Bucket]) -> None:
    edges = [max(0.5, bucket.lo) for bucket in buckets] + [buckets[-1].hi + 1]
    counts = np.array([bucket.counts for bucket in buckets], dtype=float)
    shares = 100 * counts / np.maximum(1, counts.sum(axis=0))
    # The least share that one call can have is the floor of the axis.
    floor = 100 / max(1, counts.sum(axis=0).max()) / 1.5
    axes.set(yscale="log", ylim=(floor, TOP), axisbelow=True)
    axes.set_xscale("log", base=2)
    axes.stairs(shares[:, 0], edges, baseline=floor, fill=True, color=BASE_FILL)
    axes.stairs(shares[:, 0], edges, baseline=floor, color="black", linewidth=1)
    for which in range(1, shares.shape[1]):
        look = {key: _look(result, which)[key] for key in ("color", "linestyle")}
        axes.stairs(*(shares[:, which], edges), baseline=floor, linewidth=2, **look)
    _name_peaks(axes, result, shares, edges)
    axes.xaxis.set_major_locator(FixedLocator(edges if len(edges) < 9 else edges[::2]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: bars.binary(round(x))))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g} %" if y <= 100 else ""))


def _name_peaks(axes: Axes, result: Comparison, shares: np.ndarray, edges: list[float]) -> None:
    """Write each name above its highest bucket; where several share one, above each other."""
    above: dict[int, int] = {}
    peaks = shares.argmax(axis=0)
    for which, subject in enumerate(result.subjects):
        if not shares[:, which].any():
            continue
        peak = int(peaks[which])
        top = shares[peak, peaks == peak].max()
        level = above.get(peak, 0)
        above[peak] = level + 1
        right = peak >= (len(edges) - 1) / 2
        axes.annotate(
            subject.label,
            (edges[peak + 1] if right else edges[peak], top),
            (0, 3 + 11 * level),
            textcoords="offset points",
            horizontalalignment="right" if right else "left",
            fontsize=9,
            fontweight="bold",
            bbox=CLEAR,
            color=_look(result, which)["color"] if which else "#333333",
        )
    axes.set_ylim(top=TOP * STEP ** max(0, max(above.values(), default=0) - 2))
