"""Which form has a text: the lab's probes, events of iommu or dma, or columns?

A beginning of the text decides: what has records of the probes is read as those, exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from iova_lab.traces.importer import columns as in_columns
from iova_lab.traces.importer import perf_json
from iova_lab.traces.importer.approximate import DMA_NAMES, IOMMU_NAMES, Approximate
from iova_lab.traces.importer.assumed import Assumed
from iova_lab.traces.importer.calls import NAMES
from iova_lab.traces.importer.converted import plain
from iova_lab.traces.importer.source import ImportTextError
from iova_lab.traces.importer.text import Event, Tally, events
from iova_lab.traces.names import AUTO

#: So many lines, or bytes, are looked at.
_WINDOW, _WINDOW_BYTES = 1 << 14, 1 << 22

_PROBE = re.compile(rb"\biova_(?:alloc|free|reserve|init|put)\w*: ").search
_DMA = re.compile(
    rb"\bdma_(?:un)?map_(?:page|phys|sg|resource): |\bdma_(?:alloc|free)(?:_pages)?: "
)
_IOMMU = re.compile(rb"\b(?:un)?map: +IOMMU: iova=|\biommu:(?:un)?map: \{ ")


@dataclass(frozen=True)
class Form:
    """What a text is read as: its events, and what is assumed, None if it is exact."""

    events: Iterator[Event]
    assumed: Assumed | None = None


def form_of(
    lines: Iterator[bytes],
    tally: Tally,
    source: str,
    *,
    assume_limit: str | None = None,
    columns: tuple[str, ...] | None = None,
) -> Form:
    """Look at the beginning of ``lines``, and return what reads all of them.

    Raises `ImportTextError` for options that do not fit the text.
    """
    head = _head(lines)
    if perf_json.is_json(head):
        lines = perf_json.script_lines(chain(head, lines))
        head = _head(lines)
    every = chain(head, lines)
    bits = None if assume_limit in (None, AUTO) else int(str(assume_limit))
    columns = columns or _heading(head)
    if columns is not None:
        in_columns.check(columns)
        assumed = None if "limit" in columns else Assumed(bits, "column")
        _fits(source, assume_limit, exact=assumed is None)
        return Form(in_columns.events(every, columns, tally, assumed, source), assumed)
    is_probed = any(map(_PROBE, head))
    is_dma = not is_probed and any(map(_DMA.search, head))
    if is_probed or not (is_dma or any(map(_IOMMU.search, head))):
        _fits(source, assume_limit, exact=is_probed)
        return Form(events(every, NAMES, tally))
    assumed = Assumed(bits, "device" if is_dma else "address")
    names = DMA_NAMES if is_dma else IOMMU_NAMES
    found = events(map(plain, every), names, tally)
    return Form(Approximate(assumed, tally.drops).events(found), assumed)


def _head(lines: Iterator[bytes]) -> list[bytes]:
    head, nr_bytes = [], 0
    for line in islice(lines, _WINDOW):
        head.append(line)
        nr_bytes += len(line)
        if nr_bytes > _WINDOW_BYTES:
            break
    return head


def _heading(head: Iterable[bytes]) -> tuple[str, ...] | None:
    first = next((one for one in head if one.strip() and one.lstrip()[:1] != b"#"), b"")
    return in_columns.heading(first) if len(first) < 400 else None


def _fits(source: str, assume_limit: str | None, *, exact: bool) -> None:
    if exact and assume_limit is not None:
        raise ImportTextError(f"{source} has the limits of its requests: leave --assume-limit out")
