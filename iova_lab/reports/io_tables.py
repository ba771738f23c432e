"""Tables of the page on real I/O that are not of one setting: sums of all boots, and lockups."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from iova_lab.basics.reading import Row
from iova_lab.kernel.io_loads import NAMES
from iova_lab.measuring import rows

#: A call of the IOVA or DMA layer in a stack of the kernel's, not one that may be stale.
_CALL = re.compile(r"\] {2,}(\w*(?:iova|dma_map|dma_unmap)\w*)\+")


def figure(number: float, digits: int) -> str:
    """A number of a table; "-" for none."""
    return "-" if np.isnan(number) else f"{number:,.{digits}f}"


def ratio(one: float) -> str:
    """A ratio of a table: two digits after the point, or two that count."""
    if np.isnan(one):
        return "-"
    return f"{one:.2f}" if one > 0.1 else f"{one:.2g}"


def errors(boots: Iterable[Row]) -> list[dict[str, str]]:
    """What went wrong; the loads of one boot share an error, which is shown once."""
    found = {
        (row["allocator"], row["release"], words): None
        for row in boots
        for words in row.get("errors", [])
    }
    return [dict(zip(("allocator", "release", "words"), one, strict=True)) for one in found]


def verified(results: Path) -> pd.DataFrame:
    """Gigabytes that were read and compared, by kernel, allocator and load, in all boots."""
    frame = pd.DataFrame(rows.verified(results))
    if frame.empty:
        return frame
    frame["GB"] = frame["bytes"] / 1e9
    keys = ["release", "allocator"]
    wide = frame.pivot_table(index=keys, columns="load", values="GB", aggfunc="sum")
    sums = frame.groupby(keys)[["GB", "corrupt"]].sum()
    table = pd.DataFrame(
        {
            "kernel": [rows.short_release(release) for release, _ in wide.index],
            "allocator": [allocator for _, allocator in wide.index],
        }
    )
    for name in [load for load in NAMES if load in wide]:
        table[f"{name}, GB"] = [figure(one, 2) for one in wide[name]]
    table["all, GB"] = [f"{one:.2f}" for one in sums["GB"]]
    table["words wrong"] = [f"{one:,}" for one in sums["corrupt"]]
    return table


def lockups(results: Path) -> list[dict[str, str]]:
    """What the watchdog reported where dma_map_page() was called in a full space."""
    return [
        {
            "kernel": rows.short_release(row["release"]),
            "allocator": row["allocator"],
            "pages": f"{row['nr_pages']:,}",
            "longest": "-" if row["longest_us"] is None else f"{row['longest_us'] / 1000:,.1f}",
            "words": stuck(row["words"]),
        }
        for row in rows.dma_lockups(results)
    ]


def stuck(words: Sequence[str]) -> str:
    """The watchdog's line without its time stamp, and the functions of the DMA layer below it."""
    if not words:
        return "none"
    line = words[0].partition("watchdog: BUG: ")[2]
    calls = [match[1] for one in words if (match := _CALL.search(one))]
    return f"`{line}`; `{' < '.join(dict.fromkeys(calls))}`"
