"""What would each allocator that looks for a gap answer?  Plain Python over a list.

As lineage_walks.py: each class is the description of one variant and no more.  What the C keeps in
a tree to save visits is not here: a gap is found by looking at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from iova_lab.checking.reference_model import MergingModel, Range, next_power_of_two
from tests.support.lineage_walks import M64, Anchor, Reference

#: Gaps from the top that `Alignable` looks at before it searches.
WALK_BOUND = 32


class Gaps(Anchor):
    """What is told in gaps: a request goes to the aligned top of one."""

    nr_steps = None

    def gaps(self, start: Range, limit: int) -> Iterator[tuple[int, int]]:
        """First pfn and exclusive end of each gap from the one below ``start`` down."""
        curr: Range | None = start
        while curr:
            lower = self.before(curr)
            yield max(lower.hi + 1 if lower else 0, self.start_pfn), min(curr.lo, limit)
            curr = lower

    def top(self, gap: tuple[int, int], size: int, size_aligned: bool) -> int | None:
        """Where a range at the aligned top of the gap begins, if it fits."""
        align = next_power_of_two(size) if size_aligned else 1
        lo = (gap[1] - size) // align * align
        return lo if lo >= gap[0] else None

    def first(self, gaps: Iterator[tuple[int, int]], size: int, size_aligned: bool) -> int | None:
        """The first of the gaps that fits."""
        tops = (self.top(gap, size, size_aligned) for gap in gaps)
        return next((lo for lo in tops if lo is not None), None)

    def take(self, lo: int | None, size: int) -> int | None:
        """Insert the range at ``lo``, if there is one."""
        if lo is not None:
            self.inserted(self.add(lo, lo + size - 1))
        return lo


class BestFit(Gaps):
    """The smallest gap that fits, the highest of these."""

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        gaps = self.gaps(self.anchor, limit_pfn + 1)
        fits = [gap for gap in gaps if self.top(gap, size, size_aligned) is not None]
        smallest = min(fits, key=lambda gap: gap[1] - gap[0], default=None)
        return self.take(smallest and self.top(smallest, size, size_aligned), size)


class Alignable(Gaps):
    """The gap at the cached node, a few from the top, then those that measure the size aligned."""

    def __init__(self, granule: int = 4096, start_pfn: int = 1) -> None:
        super().__init__(granule, start_pfn)
        self.max32 = self.d32
        if start_pfn:
            self.reserve(0, start_pfn - 1)
        self.start_pfn = 0

    def near(self, limit: int) -> Iterator[tuple[int, int]]:
        """The gaps that are looked at whatever they measure."""
        if limit <= self.d32:
            return islice(self.gaps(self.cached32, limit), 1)
        top = islice(self.gaps(self.anchor, limit), WALK_BOUND)
        return chain(islice(self.gaps(self.cached, limit), 1), top)

    def measured(self, size: int, limit: int) -> Iterator[tuple[int, int]]:
        """The gaps in which the size fits aligned, unless the limit cuts them."""
        whole = self.gaps(self.anchor, M64)
        for gap, cut in zip(whole, self.gaps(self.anchor, limit), strict=True):
            if self.top(gap, size, size_aligned=True) is not None:
                yield cut

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        limit = limit_pfn + 1
        if limit <= self.d32 and size >= self.max32:
            return None
        gaps = chain(self.near(limit), self.measured(size, limit))
        lo = self.first(gaps, size, size_aligned)
        if lo is None and limit >= self.d32:
            self.max32 = size
        return self.take(lo, size)

    def deleted(self, freed: Range) -> None:
        super().deleted(freed)
        if freed.lo < self.d32:
            self.max32 = self.d32


class Augmented(Gaps):
    """All gaps, from the top; a 32-bit size that failed is remembered until any 32-bit free."""

    def __init__(self, granule: int = 4096, start_pfn: int = 1) -> None:
        super().__init__(granule, start_pfn)
        self.max32 = self.d32

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        limit = limit_pfn + 1
        if limit <= self.d32 and size >= self.max32:
            return None
        lo = self.first(self.gaps(self.anchor, limit), size, size_aligned)
        if lo is None and limit <= self.d32:
            self.max32 = size
        return self.take(lo, size)

    def deleted(self, freed: Range) -> None:
        if freed.lo < self.d32:
            self.max32 = self.d32


class Maple(MergingModel, Reference):
    """The highest gap of size + align - 1, and the memory of the 32-bit size that failed last.

    A reserve merges, and resets nothing.
    """

    nr_steps = None

    def __init__(self, granule: int = 4096, start_pfn: int = 1) -> None:
        super().__init__(granule, start_pfn)
        self.max32 = self.d32

    def gaps(self, limit: int) -> list[tuple[int, int]]:
        """First pfn and exclusive end of every gap below ``limit``, highest first."""
        lows = [self.start_pfn] + [max(range_.hi + 1, self.start_pfn) for range_ in self.ranges]
        highs = [min(range_.lo, limit) for range_ in self.ranges] + [limit]
        return list(zip(lows, highs, strict=True))[::-1]

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        limit = limit_pfn + 1
        if limit <= self.d32 and size >= self.max32:
            return None
        align = next_power_of_two(size) if size_aligned else 1
        for low, high in self.gaps(limit):
            if high - low >= size + align - 1:
                lo = (high - size) // align * align
                self.add(lo, lo + size - 1)
                return lo
        if limit <= self.d32:
            self.max32 = size
        return None

    def deleted(self, freed: Range) -> None:
        if freed.lo < self.d32:
            self.max32 = self.d32
