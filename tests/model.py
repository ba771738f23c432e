"""What is the right answer?  Brute force over a sorted list of ranges, nothing else.

`Books` knows what every variant must agree on: which ranges are live, what find, free and reserve
do, and where the highest fit of a request lies.  No tree, no cache, no cleverness: written from
the contract's words, not from the C.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(eq=False)
class Range:
    """One live range, both ends inclusive; compared by identity, because it may grow."""

    lo: int
    hi: int


def next_power_of_two(size: int) -> int:
    """Return the least power of two that is not below ``size``."""
    return 1 << (size - 1).bit_length()


class Books:
    """The live ranges of one domain, lowest first."""

    def __init__(self, granule: int = 4096, start_pfn: int = 1) -> None:
        self.d32 = 2**32 // granule
        self.start_pfn = start_pfn
        self.ranges: list[Range] = []

    def live(self) -> list[tuple[int, int]]:
        """Bounds of all live ranges, lowest first."""
        return [(range_.lo, range_.hi) for range_ in self.ranges]

    def lookup(self, pfn: int) -> Range | None:
        """Return the live range that contains ``pfn``."""
        return next((range_ for range_ in self.ranges if range_.lo <= pfn <= range_.hi), None)

    def overlaps(self, lo: int, hi: int) -> bool:
        """Does any live range overlap [``lo``, ``hi``]?"""
        return any(range_.lo <= hi and lo <= range_.hi for range_ in self.ranges)

    def highest_fit(self, size: int, limit_pfn: int, size_aligned: bool) -> int | None:
        """Where the highest range that this request could get begins."""
        align = next_power_of_two(size) if size_aligned else 1
        tops = [limit_pfn] + [range_.lo - 1 for range_ in self.ranges if range_.lo <= limit_pfn]
        fits = [(top - size + 1) // align * align for top in tops]
        return max(
            (
                fit
                for fit in fits
                if fit >= self.start_pfn and not self.overlaps(fit, fit + size - 1)
            ),
            default=None,
        )

    def add(self, lo: int, hi: int) -> Range:
        """A new live range."""
        new = Range(lo, hi)
        self.ranges.append(new)
        self.ranges.sort(key=lambda range_: range_.lo)
        return new

    def remove(self, range_: Range) -> None:
        """A range is live no more."""
        self.ranges.remove(range_)

    def find(self, pfn: int) -> tuple[int, int] | None:
        """Bounds of the live range that contains ``pfn``."""
        found = self.lookup(pfn)
        return (found.lo, found.hi) if found else None

    def free(self, pfn: int) -> None:
        """The range that contains ``pfn`` goes; nothing happens if none does."""
        found = self.lookup(pfn)
        if found:
            self.remove(found)

    def reserve(self, lo: int, hi: int) -> None:
        """Cover [``lo``, ``hi``]: what is in the way grows downwards, the rest is new."""
        for range_ in list(self.ranges):
            if range_.hi < lo or hi < range_.lo:
                continue
            range_.lo = min(range_.lo, lo)
            if hi <= range_.hi:
                return
            lo = range_.hi + 1
        self.add(lo, hi)
