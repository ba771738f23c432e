"""Figures of waits over CPUs, with the watchdogs' thresholds.

Frame in, Figure out; the same frame gives the same bytes.
"""

from __future__ import annotations

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FixedLocator, NullLocator

from iova_lab.contention.model import FLUSH_QUEUE
from iova_lab.measuring.cells import HARD_LOCKUP_S, SOFT_LOCKUP_S
from iova_lab.measuring.frames import grouped
from iova_lab.rendering.figures import STYLE, headline
from iova_lab.rendering.labels import label_ends
from iova_lab.rendering.looks import COLOURS, LINES, MARKERS, line_look, styles

WIDTH, HEIGHT = 9.0, 5.6
#: Curves that are nowhere further apart than this share a label.
ALIKE = 1.15


def groups(wide: pd.DataFrame) -> list[list[str]]:
    """Columns whose curves coincide, each group in the order of its last values."""

    def alike(one: str, other: str) -> bool:
        ratio = wide[one] / wide[other]
        return bool(max(ratio.max(), 1 / ratio.min()) <= ALIKE)

    return grouped(wide.iloc[-1].sort_values(ascending=False).index, alike)


def wait_figure(frame: pd.DataFrame, finding: str) -> Figure:
    """Longest wait over CPUs of one workload; columns variant, nr_cpus, max_wait_ns."""
    frame = frame[frame["nr_cpus"] > 1]  # one CPU waits for nobody
    wide = frame.pivot_table(index="nr_cpus", columns="variant", values="max_wait_ns") / 1e9
    looks = styles(sorted(wide.columns))
    with mpl.rc_context(STYLE):
        figure, axes = _axes()
        for name in wide:
            line = wide[name][wide[name] > 0]
            axes.plot(line.index, line, **line_look(looks[str(name)]))
        axes.set(xscale="log", yscale="log", xlabel="CPUs that use the domain")
        axes.set_ylabel("longest wait for the lock, interrupts off")
        axes.xaxis.set_major_locator(FixedLocator([int(cpus) for cpus in wide.index]))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(EngFormatter("s"))
        low = float(wide[wide > 0].min().min())
        axes.set_ylim(low / 2, SOFT_LOCKUP_S * 6)
        _watchdogs(axes, int(wide.index[0]))
        names = {", ".join(group): group[0] for group in groups(wide)}
        last = wide.index[-1]
        label_ends(
            axes, {text: (float(last), float(wide[name][last])) for text, name in names.items()}
        )
        headline(figure, finding)
    return figure


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH, HEIGHT))
    place = {"left": 0.1, "right": 0.71, "top": 1 - 0.75 / HEIGHT, "bottom": 0.55 / HEIGHT}
    axes: Axes = figure.subplots(gridspec_kw=place)
    return figure, axes


def _watchdogs(axes: Axes, x: float) -> None:
    """The thresholds, named where the curves are not; and what one wait is in a flush too long."""
    each = SOFT_LOCKUP_S / FLUSH_QUEUE
    for seconds, line, below, name in (
        (HARD_LOCKUP_S, "-", True, f"hard lockup, {HARD_LOCKUP_S:.0f} s"),
        (SOFT_LOCKUP_S, "--", False, f"soft lockup, {SOFT_LOCKUP_S:.0f} s"),
        (each, ":", False, f"soft lockup if each of a flush's\n{FLUSH_QUEUE} ranges waits so long"),
    ):
        axes.axhline(seconds, color="black", linestyle=line, linewidth=1.2)
        axes.annotate(
            name, (x, seconds), (0, -11 if below else 3), textcoords="offset points", fontsize=8
        )


def lockup_figure(frame: pd.DataFrame, finding: str) -> Figure:
    """Fewest CPUs that lock up over live ranges, by recipe; columns workload, nr_live, cpus."""
    wide = frame.pivot_table(index="nr_live", columns="workload", values="cpus")
    with mpl.rc_context(STYLE):
        figure, axes = _axes()
        ends = {}
        for index, name in enumerate(sorted(map(str, wide))):
            line = wide[name].dropna()
            axes.plot(
                line.index,
                line,
                color=COLOURS[index % len(COLOURS)],
                marker=MARKERS[index % len(MARKERS)],
                linestyle=LINES[index % len(LINES)],
                markerfacecolor="none",
            )
            ends[f"{name}: {line.iloc[-1]:,.0f}"] = (float(line.index[-1]), float(line.iloc[-1]))
        axes.set(xscale="log", yscale="log", xlabel="live ranges")
        axes.set_ylabel("fewest CPUs that lock up, of at most 1,024")
        axes.set_xlim(frame["nr_live"].min() / 1.5, frame["nr_live"].max() * 1.5)
        axes.set_ylim(0.8, 1300)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.yaxis.set_major_locator(FixedLocator([1, 4, 16, 64, 256, 1024]))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_minor_locator(NullLocator())
        label_ends(axes, ends)
        headline(figure, finding)
    return figure
