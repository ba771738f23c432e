"""What would each allocator that walks from range to range answer?  Plain Python over a list.

Each class is the description of one variant and no more: the start of the search, the walk, and
what an insertion and a deletion do to the cached nodes.  Written from the descriptions, not from
the C files, so that the two can be held against each other.
"""

from __future__ import annotations

from iova_lab.checking.reference_model import Range, ReferenceModel, next_power_of_two

M32, M64 = 2**32 - 1, 2**64 - 1


class NeverReturnsError(Exception):
    """The variant would search for ever, with its lock held."""


class Reference(ReferenceModel):
    """What they share: neighbours, and hooks around insertion and deletion.

    ``nr_steps`` counts the gaps that searches have looked at, None where a search also descends
    a tree, whose shape is not described, or does not look at all gaps on its way.
    """

    nr_steps: int | None = 0

    def step(self) -> None:
        """A search looks at one more gap."""
        if self.nr_steps is not None:
            self.nr_steps += 1

    def before(self, range_: Range) -> Range | None:
        """The next lower range."""
        index = self.ranges.index(range_)
        return self.ranges[index - 1] if index else None

    def after(self, range_: Range) -> Range | None:
        """The next higher range."""
        index = self.ranges.index(range_) + 1
        return self.ranges[index] if index < len(self.ranges) else None

    def remove(self, range_: Range) -> None:
        """Deletion, after the variant has looked to its cached nodes."""
        self.deleted(range_)
        super().remove(range_)

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        """What the variant answers, and all it does besides."""
        raise NotImplementedError

    def deleted(self, freed: Range) -> None:
        """Delete update; ``freed`` is still in the list."""


class Legacy(Reference):
    """A walk from the highest range down, with padding for alignment."""

    def start(self, asked: int) -> Range | None:
        """The cached node that a request below ``asked`` starts at."""
        return None

    def inserted(self, asked: int, new: Range) -> None:
        """Insert update."""

    def pad(self, limit: int, size: int, size_aligned: bool) -> int:
        """Pfns left over above a range that is aligned below ``limit``."""
        return (limit - size) & (next_power_of_two(size) - 1) if size_aligned else 0

    def search(self, size: int, limit: int, size_aligned: bool) -> int | None:
        """First gap above a range that holds size and padding; else what is below all."""
        cached = self.start(limit)
        if cached:
            curr, limit = self.before(cached), cached.lo
        else:
            curr = self.ranges[-1] if self.ranges else None
        while curr:
            self.step()
            if limit > curr.lo:
                if limit > curr.hi:
                    pad = self.pad(limit, size, size_aligned)
                    if curr.hi + size + pad < limit:
                        break
                limit = curr.lo
            curr = self.before(curr)
        if curr is None:
            self.step()
            pad = self.pad(limit, size, size_aligned)
            if self.start_pfn + size + pad > limit:
                return None
        return limit - (size + pad)

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        lo = self.search(size, limit_pfn + 1, size_aligned)
        if lo is not None:
            self.inserted(limit_pfn + 1, self.add(lo, lo + size - 1))
        return lo


class NoCache(Legacy):
    """The same, and nothing below start_pfn even where a range is reserved there."""

    def search(self, size: int, limit: int, size_aligned: bool) -> int | None:
        lo = super().search(size, limit, size_aligned)
        return lo if lo is not None and lo >= self.start_pfn else None


class Cached32(Legacy):
    """One cached node, for requests of at most 32 bits."""

    cached32: Range | None = None

    def pad(self, limit: int, size: int, size_aligned: bool) -> int:
        size, limit = size & M32, limit & M32
        return super().pad(limit, size, size_aligned) if size else 0

    def start(self, asked: int) -> Range | None:
        return self.cached32 if asked <= self.d32 else None

    def inserted(self, asked: int, new: Range) -> None:
        if asked == self.d32:
            self.cached32 = new

    def deleted(self, freed: Range) -> None:
        if self.cached32 and freed.lo >= self.cached32.lo:
            higher = self.after(freed)
            self.cached32 = higher if higher and higher.lo < self.d32 else None


class Cached64(Cached32):
    """A second cached node, for everything above."""

    cached64: Range | None = None

    def start(self, asked: int) -> Range | None:
        return self.cached32 if asked <= self.d32 else self.cached64

    def inserted(self, asked: int, new: Range) -> None:
        if asked == self.d32:
            self.cached32 = new
        elif asked > self.d32:
            self.cached64 = new

    def deleted(self, freed: Range) -> None:
        higher = self.after(freed)
        if freed.lo > self.d32:
            if self.cached64 and freed.lo >= self.cached64.lo:
                self.cached64 = higher
            return
        if self.cached64 is freed:
            self.cached64 = None
        if self.cached32 and freed.lo >= self.cached32.lo:
            self.cached32 = higher if higher and higher.lo <= self.d32 else None


class Anchor(Reference):
    """An anchor above everything; two cached nodes, by where the last range went."""

    def __init__(self, granule: int = 4096, start_pfn: int = 1) -> None:
        super().__init__(granule, start_pfn)
        self.anchor = self.cached = self.cached32 = self.add(M64, M64)

    def live(self) -> list[tuple[int, int]]:
        return super().live()[:-1]

    def higher(self, range_: Range) -> Range:
        """The next higher range; the anchor has none, and never goes."""
        higher = self.after(range_)
        assert higher
        return higher

    def walk(self, curr: Range, limit: int, size: int, aligned: bool, stop: int = 0) -> int | None:
        """One pass down from ``curr`` to the first gap that fits, or below ``stop``."""
        mask = M64 & -next_power_of_two(size) if aligned else M64
        lower: Range | None = curr
        while lower:
            self.step()
            limit = min(limit, lower.lo)
            new = (limit - size) & M64 & mask
            lower = self.before(lower)
            if new < stop or (lower and new > lower.hi):
                break
        return new if limit >= size and new >= stop else None

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        limit = limit_pfn + 1
        start = self.cached32 if limit <= self.d32 else self.cached
        lo = self.walk(start, limit, size, size_aligned)
        if lo is None or lo < self.start_pfn:
            return None
        self.inserted(self.add(lo, lo + size - 1))
        return lo

    def inserted(self, new: Range) -> None:
        """Insert update: by position."""
        if new.hi < self.d32:
            self.cached32 = new
        else:
            self.cached = new

    def deleted(self, freed: Range) -> None:
        below = freed.hi < self.d32 and freed.lo >= self.cached32.lo
        if below or freed is self.cached32:
            self.cached32 = self.higher(freed)
        if freed.lo >= self.cached.lo:
            self.cached = self.higher(freed)


class Max32(Anchor):
    """`Anchor`, and the size that failed last, until a deletion moves the 32-bit cached node."""

    def __init__(self, granule: int = 4096, start_pfn: int = 1) -> None:
        super().__init__(granule, start_pfn)
        self.max32 = self.d32

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        if limit_pfn + 1 <= self.d32 and size >= self.max32:
            return None
        lo = super().alloc(size, limit_pfn, size_aligned)
        if lo is None:
            self.max32 = size
        return lo

    def deleted(self, freed: Range) -> None:
        cached32 = self.cached32
        super().deleted(freed)
        if self.cached32 is not cached32:
            self.max32 = self.d32


class Mainline(Anchor):
    """`Anchor`, a second pass, and the memory of the 32-bit size that failed last."""

    nr_steps = None

    def __init__(self, granule: int = 4096, start_pfn: int = 1) -> None:
        super().__init__(granule, start_pfn)
        self.max32 = self.d32

    def start(self, limit: int) -> Range:
        """Where the first pass starts."""
        return self.cached32 if limit <= self.d32 else self.cached

    def second_start(self, limit: int) -> Range:
        """Where the second pass starts."""
        return self.anchor if limit > self.d32 else self.first_above(limit)

    def first_above(self, limit: int) -> Range:
        """The lowest range at or above the exclusive bound."""
        return next(range_ for range_ in self.ranges if range_.lo >= limit)

    def alloc(self, size: int, limit_pfn: int, size_aligned: bool = False) -> int | None:
        limit = limit_pfn + 1
        if limit <= self.d32 and size >= self.max32:
            return None
        lo = self.passes(limit, size, size_aligned)
        if lo is None:
            self.max32 = size
            return None
        self.inserted(self.add(lo, lo + size - 1))
        return lo

    def passes(self, limit: int, size: int, aligned: bool) -> int | None:
        """What one or two passes find; the second looks above the start of the first only."""
        start = self.start(limit)
        lo = self.walk(start, limit, size, aligned, self.start_pfn)
        if lo is None and start.hi < limit:
            lo = self.walk(self.second_start(limit), limit, size, aligned, start.hi + 1)
        return lo

    def deleted(self, freed: Range) -> None:
        super().deleted(freed)
        if freed.lo < self.d32:
            self.max32 = self.d32


class Retry(Mainline):
    """`Mainline`, but the size that failed is forgotten as in `Max32`; and CVE-2023-52910.

    What lies right above the first pass's start is computed in 64 bits before it is used.
    """

    def passes(self, limit: int, size: int, aligned: bool) -> int | None:
        start = self.start(limit)
        lo = self.walk(start, limit, size, aligned, self.start_pfn)
        above = (start.hi + 1) & M64
        if lo is None and above < limit:
            lo = self.walk(self.second_start(limit), limit, size, aligned, above)
            if lo is None and above == self.start_pfn:
                raise NeverReturnsError
        return lo

    def deleted(self, freed: Range) -> None:
        cached32 = self.cached32
        Anchor.deleted(self, freed)
        if self.cached32 is not cached32:
            self.max32 = self.d32


class SingleCached(Mainline):
    """One cached node for all requests; one that lies above the limit is no use to a request."""

    def start(self, limit: int) -> Range:
        return self.cached if self.cached.lo <= limit else self.first_above(limit)

    def second_start(self, limit: int) -> Range:
        return self.first_above(limit)

    def inserted(self, new: Range) -> None:
        self.cached = new

    def deleted(self, freed: Range) -> None:
        if freed.lo >= self.cached.lo:
            self.cached = self.higher(freed)
        if freed.lo < self.d32:
            self.max32 = self.d32
