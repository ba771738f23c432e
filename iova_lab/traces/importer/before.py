"""What was live or reserved before an approximate recording began?

Two things tell: a range that is freed and was not seen allocated; and pages that no request got
although they lie above others that one got, for the allocator takes the highest that fit.  Nobody
needs those pages again, so they are reserved for good, and no answer contradicts that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from iova_lab.traces.file import RESERVE
from iova_lab.traces.importer.assumed import SHIFT
from iova_lab.traces.importer.calls import Row

#: A place: number of the domain, and lowest pfn.
Place = tuple[int, int]
_32BIT = 1 << (32 - SHIFT)
_LARGEST = (1 << 32) - 1
#: alloc_iova_fast() rounds sizes below this one up to a power of two.
_ROUNDED = 32


def rows_before(freed: Mapping[Place, Row], seen: Mapping[Place, int]) -> list[Row]:
    """Reserved ranges for the beginning: those that are freed later, and pages that none got.

    ``seen`` has the largest size of the ranges that were seen allocated, by their place.
    """
    sizes = {**seen, **{place: row.size for place, row in freed.items()}}
    places = sorted((dom, pfn, pfn + _taken(size)) for (dom, pfn), size in sizes.items())
    found = list(freed.values())
    for dom, ranges in groupby(places, lambda one: one[0]):
        ends = [(pfn, end) for _, pfn, end in ranges]
        low = [one for one in ends if one[0] < _32BIT]
        high = [one for one in ends if one[0] >= _32BIT]
        highest = max((end - 1 for _, end in high), default=0)
        for part, top in ((low, _32BIT), (high, 1 << highest.bit_length())):
            found += (Row(0, pfn, 0, size, dom, 0, RESERVE, 0) for pfn, size in _holes(part, top))
    return found


def _taken(size: int) -> int:
    """Pages that the fast API takes for a request: small ones are rounded up."""
    return 1 << (size - 1).bit_length() if size < _ROUNDED else size


def _holes(ranges: list[tuple[int, int]], top: int) -> Iterator[tuple[int, int]]:
    """First pfn and size of what no range covers, from the lowest range up to ``top``."""
    if not ranges:
        return
    covered = ranges[0][0]
    for pfn, end in [*ranges, (top, top)]:
        while pfn > covered:
            size = min(pfn - covered, _LARGEST)
            yield covered, size
            covered += size
        covered = max(covered, end)
