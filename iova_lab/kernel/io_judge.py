"""Does any answer in a recorded boot overlap a range that was live?

Of the calls as they were recorded, with interrupts off and on one CPU: none is missing and none is
out of order, so an overlap is the allocator's, and not the recording's.
"""

from __future__ import annotations

from bisect import bisect_right, insort

from iova_lab.traces.file import ALLOC, ALLOC_FAST, FREE, FREE_FAST, RESERVE, Rows

_NAMES = {ALLOC_FAST: "alloc_iova_fast()", ALLOC: "the tree"}


class _Live:
    """The live ranges of one domain at one level: lowest pfns in order, and their highest."""

    def __init__(self) -> None:
        self.lows: list[int] = []
        self.highs: dict[int, int] = {}

    def overlap(self, low: int, high: int) -> tuple[int, int] | None:
        """A live range that has a pfn of this one."""
        at = bisect_right(self.lows, high) - 1
        if at < 0 or self.highs[self.lows[at]] < low:
            return None
        return self.lows[at], self.highs[self.lows[at]]

    def add(self, low: int, high: int) -> None:
        insort(self.lows, low)
        self.highs[low] = high

    def remove(self, low: int) -> bool:
        if self.highs.pop(low, None) is None:
            return False
        self.lows.pop(bisect_right(self.lows, low) - 1)
        return True


def overlaps(rows: Rows) -> list[str]:
    """The first overlap of each level, and the first free of what was not live, one line each."""
    found: dict[str, str] = {}
    live: dict[tuple[int, bool], _Live] = {}
    reserved: dict[int, _Live] = {}
    fields = (rows[name].tolist() for name in ("op", "dom", "pfn", "size"))
    for index, (op, dom, pfn, size) in enumerate(zip(*fields, strict=True)):
        if op == RESERVE:
            reserved.setdefault(dom, _Live()).add(pfn, pfn + size - 1)
            continue
        here = live.setdefault((dom, op in (ALLOC_FAST, FREE_FAST)), _Live())
        if op in (FREE, FREE_FAST):
            if not here.remove(pfn):
                found.setdefault(
                    f"free {op}", f"call {index}: pfn {pfn:#x} of domain {dom} was freed, not live"
                )
        elif pfn:
            last = pfn + size - 1
            other = here.overlap(pfn, last) or reserved.get(dom, _Live()).overlap(pfn, last)
            if other is None:
                here.add(pfn, last)
                continue
            low, high = other
            found.setdefault(
                _NAMES[op],
                f"call {index}: {_NAMES[op]} returned pfns {pfn:#x} to {last:#x} of domain {dom}, "
                f"where {low:#x} to {high:#x} was in use",
            )
    return list(found.values())
