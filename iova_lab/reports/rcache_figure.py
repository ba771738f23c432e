"""Bytes of magazines over possible CPUs, and over domains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from iova_lab.measuring.rcache_memory import KERNELS, LOADS, Row
from iova_lab.rendering.figures import STYLE, WIDTH, caption, headline, legend_below, title_height
from iova_lab.rendering.looks import line_look, styles

KIB, MIB = 1 << 10, 1 << 20
HEIGHT = 4.6


def size_text(nr_bytes: float) -> str:
    """``12 MiB``, ``1.5 KiB``, ``0``."""
    for unit, name in ((MIB, "MiB"), (KIB, "KiB")):
        if nr_bytes >= unit:
            return f"{nr_bytes / unit:,.4g} {name}"
    return f"{nr_bytes:,.0f}"


def lines(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each line, by its label; loads of one kernel with the same bytes are one line."""
    found: dict[str, list[Row]] = {}
    for kernel in KERNELS:
        alike: dict[tuple[int, ...], dict[str, list[Row]]] = {}
        for load in LOADS:
            line = [row for row in rows if (row.kernel, row.load) == (kernel, load.name)]
            alike.setdefault(tuple(row.bytes for row in line), {})[load.name] = line
        for drawn in alike.values():
            name = "any load" if len(drawn) == len(LOADS) else " or ".join(drawn)
            found[f"{kernel}: {name}"] = list(drawn.values())[-1]
    return found


def figure(over_cpus: Sequence[Row], over_domains: Sequence[Row], finding: str) -> Figure:
    """Draw both; all rows of ``over_domains`` have the same number of CPUs."""
    looks = styles(list(lines(over_cpus) | lines(over_domains)))
    top = title_height(finding, WIDTH)
    height = HEIGHT + top
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(WIDTH, height))
        first, second = drawn.subplots(1, 2)
        drawn.subplots_adjust(0.08, 1.55 / height, 0.98, 1 - (top + 0.3) / height, wspace=0.22)
        title = f"{over_domains[0].cpus} possible CPUs"
        _panel(first, over_cpus, looks, "cpus", "possible CPUs", "one domain")
        _panel(second, over_domains, looks, "domains", "domains", title)
        handles, labels = first.get_legend_handles_labels()
        legend_below(drawn, handles, labels, 3)
        headline(drawn, finding)
        caption(drawn, "Bytes of all magazines; exact counts, replayed through the lab's rcache.")
    return drawn


def _panel(
    axes: Axes, rows: Sequence[Row], looks: dict[str, Any], place: str, label: str, title: str
) -> None:
    """Both axes are logarithmic; below 1 KiB, the one of bytes is linear, for there is 0."""
    for name, line in lines(rows).items():
        places = [getattr(row, place) for row in line]
        axes.plot(places, [row.bytes for row in line], label=name, **line_look(looks[name]))
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted({getattr(row, place) for row in rows})))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_yscale("symlog", base=2, linthresh=KIB, linscale=1)
    most = max(row.bytes for row in rows)
    ticks = [0, *(KIB << power for power in range(0, 40, 4) if KIB << power <= 2 * most)]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: size_text(value)))
    axes.set_ylim(-KIB / 2, 2.5 * most)
    axes.set_xlabel(label)
    axes.set_title(title, fontsize=10)
