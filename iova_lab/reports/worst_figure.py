"""Streams until each known fault is found, by method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

from iova_lab.rendering.figures import STYLE, caption, headline
from iova_lab.rendering.looks import COLOURS, MARKERS

if TYPE_CHECKING:
    from iova_lab.reports.worst import Refound  # which draws this figure


def figure(by_method: Mapping[str, Sequence[Refound]]) -> Figure:
    """A row per fault, a marker per search that found it, a colour per method."""
    first, *_ = by_method.values()
    keys = [one.known.key for one in sorted(first, key=_place)]
    with mpl.rc_context(STYLE):
        height = 0.32 * len(keys) + 1.9
        drawn = Figure(figsize=(9, height))
        axes = drawn.subplots()
        drawn.subplots_adjust(left=0.15, right=0.98, top=1 - 0.6 / height, bottom=1.3 / height)
        for index, (method, found) in enumerate(by_method.items()):
            points = [
                (nr, keys.index(one.known.key) + 0.2 * (index - (len(by_method) - 1) / 2))
                for one in found
                for nr in one.tried
            ]
            axes.scatter(
                [x for x, _ in points],
                [y for _, y in points],
                s=24,
                marker=MARKERS[index],
                color=COLOURS[index],
                alpha=0.8,
                label=f"{method}: {len(points)} of {sum(one.nr_seeds for one in found)}",
            )
        axes.set(
            xscale="log", xlabel="streams tried until the fault was found", xlim=_limits(by_method)
        )
        axes.set_yticks(range(len(keys)), keys)
        axes.set_ylim(-0.6, len(keys) - 0.4)
        axes.invert_yaxis()
        drawn.legend(loc="lower center", ncols=2, fontsize=8, bbox_to_anchor=(0.56, 0.24 / height))
        headline(drawn, _headline(by_method))
        caption(drawn, "One marker for each seed; a search that did not find the fault has none.")
    return drawn


def _limits(by_method: Mapping[str, Sequence[Refound]]) -> tuple[float, float]:
    """From one stream to the most that a search tried, or ten where there were none."""
    tried = [nr for found in by_method.values() for one in found for nr in one.tried]
    return 0.8, 1.25 * max(tried, default=10)


def _place(one: Refound) -> float:
    return sorted(one.tried)[len(one.tried) // 2] if one.tried else float("inf")


def counted(by_method: Mapping[str, Sequence[Refound]]) -> dict[str, tuple[int, int]]:
    """By method that searched for any fault: faults that its searches found, and looked for."""
    return {
        method: (sum(len(one.tried) for one in found), sum(one.nr_seeds for one in found))
        for method, found in by_method.items()
        if found
    }


def _headline(by_method: Mapping[str, Sequence[Refound]]) -> str:
    counts = counted(by_method)
    shares = {method: most / nr for method, (most, nr) in counts.items()}
    best = [method for method, share in shares.items() if share == max(shares.values())]
    least = min(shares, key=lambda method: shares[method])
    most = "{} of {}".format(*counts[best[0]])
    if len(best) == len(shares):
        return f"Every method finds {most} known faults"
    *others, last = best
    names = f"{', '.join(others)} and {last} find" if others else f"{last} finds"
    text = f"{names} {most} known faults, {least} {{}} of {{}}".format(*counts[least])
    return text[0].upper() + text[1:]
