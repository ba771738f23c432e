"""Bytes of magazines over possible CPUs, and over domains."""

from __future__ import annotations

from collections.abc import Sequence

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
        alike: dict[tuple[int, ...], list[str]] = {}
        drawn: dict[tuple[int, ...], list[Row]] = {}
        for load in LOADS:
            line = [row for row in rows if (row.kernel, row.load) == (kernel, load.name)]
            key = tuple(row.bytes for row in line)
            alike.setdefault(key, []).append(load.name)
            drawn[key] = line
        for key, names in alike.items():
            name = "any load" if len(names) == len(LOADS) else " or ".join(names)
            found[f"{kernel}: {name}"] = drawn[key]
    return found


def figure(over_cpus: Sequence[Row], over_domains: Sequence[Row], finding: str) -> Figure:
    """Draw both; all rows of ``over_domains`` have the same number of CPUs."""
    left, right = lines(over_cpus), lines(over_domains)
    looks = styles(list(dict.fromkeys([*left, *right])))
    top = title_height(finding, WIDTH)
    height = HEIGHT + top
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(WIDTH, height))
        first, second = drawn.subplots(1, 2)
        drawn.subplots_adjust(0.08, 1.55 / height, 0.98, 1 - (top + 0.3) / height, wspace=0.22)
        for name, rows in left.items():
            first.plot([r.cpus for r in rows], [r.bytes for r in rows], **_look(looks, name))
        for name, rows in right.items():
            second.plot([r.domains for r in rows], [r.bytes for r in rows], **_look(looks, name))
        nr_cpus = over_domains[0].cpus
        _axes(first, over_cpus, [row.cpus for row in over_cpus], "possible CPUs", "one domain")
        title = f"{nr_cpus} possible CPUs"
        _axes(second, over_domains, [row.domains for row in over_domains], "domains", title)
        handles, labels = first.get_legend_handles_labels()
        legend_below(drawn, handles, labels, 3)
        headline(drawn, finding)
        caption(drawn, "Bytes of all magazines; exact counts, replayed through the lab's rcache.")
    return drawn


def _look(looks: dict[str, dict[str, object]], name: str) -> dict[str, object]:
    return line_look(looks[name]) | {"label": name}


def _axes(axes: Axes, rows: Sequence[Row], places: list[int], label: str, title: str) -> None:
    """Both axes are logarithmic; below 1 KiB, the one of bytes is linear, for there is 0."""
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_locator(FixedLocator(sorted(set(places))))
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
