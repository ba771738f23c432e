"""What does a trace look like?  Live sets over time, sizes, limits, hit rates: one picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from iova_lab.traces.info import DomainInfo, TraceInfo

#: Curves of their own; all other domains are one.
NR_CURVES = 6
NR_BARS = 12


def busiest(info: TraceInfo) -> list[DomainInfo]:
    """Domains with the most rows first."""
    return sorted(info.domains, key=lambda one: (-one.nr_rows, one.dom))


def title(info: TraceInfo) -> str:
    """The finding in a sentence, and first of all whether anybody recorded it."""
    total, fast = info.total, info.level == "fast"
    who = "drivers asked" if fast else "the tree was asked"
    said = f"{who} {total.nr_ops['alloc_fast' if fast else 'alloc']:,} times"
    if total.hit_rate is not None:
        said += f", the rcache answered {total.hit_rate:.1%}"
    said += f", at most {total.peak_live_ranges:,} ranges were live"
    where = f"kernel {info.kernel}, {len(info.domains)} domains: {said}"
    if info.approximate:
        where = f"APPROXIMATE, {info.approximate}\n{where}"
    return f"SYNTHETIC, {info.synthetic}\n{where}" if info.synthetic else where


def picture(info: TraceInfo, style: Any, colours: Sequence[str], lines: Sequence[Any]) -> Figure:
    """Draw a trace; style, colours and dashes are those of every figure of the lab."""
    with mpl.rc_context(style):
        figure = Figure(figsize=(10.0, 6.6), layout="constrained")
        panels = figure.subplot_mosaic([["live", "live", "live"], ["sizes", "limits", "hits"]])
        _live(panels["live"], info, colours, lines)
        _bars(panels["sizes"], _powers(info.total.sizes), "pfns asked for (up to)", colours[0])
        limits = Counter({f"{limit:#x}": nr for limit, nr in info.total.limits.items()})
        _bars(panels["limits"], dict(limits.most_common(NR_BARS)), "limit_pfn", colours[0])
        _hits(panels["hits"], info.total, colours[2])
        figure.suptitle(title(info), x=0.01, ha="left", fontsize=9, fontweight="bold", wrap=True)
    return figure


def _live(axes: Axes, info: TraceInfo, colours: Sequence[str], lines: Sequence[Any]) -> None:
    shown, rest = busiest(info)[:NR_CURVES], busiest(info)[NR_CURVES:]
    curves = [(f"domain {one.dom}", np.array(one.live_ranges)) for one in shown]
    if rest:
        others = np.sum([one.live_ranges for one in rest], axis=0)
        curves.append((f"{len(rest)} more", others))
    for index, (name, ranges) in enumerate(curves):
        axes.step(
            info.times_s,
            ranges,
            where="post",
            label=name,
            color=colours[index % len(colours)],
            linestyle=lines[index % len(lines)],
            linewidth=1.2,
        )
    axes.set(xlabel="s", ylabel="live ranges", yscale="symlog", ylim=(0, None))
    axes.yaxis.set_major_formatter(EngFormatter(sep=""))
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, handlelength=3)


def _powers(sizes: dict[int, int]) -> dict[str, int]:
    """Sizes by the next power of two, as the rcache sees them."""
    found: Counter[int] = Counter()
    for size, count in sizes.items():
        found[1 << (size - 1).bit_length()] += count
    return {f"{power:,}": found[power] for power in sorted(found)}


def _bars(axes: Axes, counts: dict[str, int], label: str, colour: str) -> None:
    total = max(sum(counts.values()), 1)
    _shares(axes, {name: 100 * count / total for name, count in counts.items()}, colour)
    axes.set(xlabel="% of allocs", ylabel=label)


def _shares(axes: Axes, shares: dict[str, float], colour: str) -> None:
    axes.barh(list(shares), list(shares.values()), height=0.6, color=colour)
    axes.set_xlim(0, 105)
    axes.set_ylim(max(len(shares), 5) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    for place, share in enumerate(shares.values()):
        inside = share > 80
        axes.annotate(
            f"{share:.1f}",
            (share, place),
            xytext=(-4 if inside else 4, 0),
            textcoords="offset points",
            horizontalalignment="right" if inside else "left",
            verticalalignment="center",
            fontsize=8,
            color="white" if inside else "black",
        )


def _hits(axes: Axes, total: DomainInfo, colour: str) -> None:
    if total.hit_rate is None:
        axes.set_axis_off()
        unknown = "rcache hit rate: not known,\nboth levels must be recorded"
        axes.text(0.5, 0.5, unknown, horizontalalignment="center")
        return
    orders = {f"{1 << order}": rate * 100 for order, rate in total.hit_rates.items()}
    _shares(axes, orders, colour)
    axes.set(xlabel="% answered by the rcache", ylabel="pfns asked for (up to)")
