"""What is the right answer?  Brute force over a sorted list of ranges, nothing else.

`ReferenceModel` has what every variant must agree on: which ranges are live, what find, free and
reserve do, and where the highest fit of a request lies.  No tree, no cache, no cleverness: written
from the contract's words, not from the C.  `SizedModel` is that of a variant that is given the size
of what is freed (`Claim.FREE_NEEDS_SIZE`), `MergingModel` of one that merges (`Claim.MERGES`).
"""

from __future__ import annotations

from dataclasses import dataclass

from iova_variants import Claim


@dataclass(eq=False)
class Range:
    """One live range, both ends inclusive; compared by identity, because it may grow."""

    lo: int
    hi: int
    reserved: bool = False


def next_power_of_two(size: int) -> int:
    """Return the least power of two that is not below ``size``."""
    return 1 << (size - 1).bit_length()


class ReferenceModel:
    """The live ranges of one domain, lowest first."""

    frees_reserved = True

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
        if found := self.lookup(pfn):
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


class MergingModel(ReferenceModel):
    """The same where a reserve merges all that it overlaps (`Claim.MERGES`)."""

    def reserve(self, lo: int, hi: int) -> None:
        """Cover [``lo``, ``hi``] and all that it overlaps with one range."""
        met = [range_ for range_ in self.ranges if range_.lo <= hi and lo <= range_.hi]
        self.ranges = [range_ for range_ in self.ranges if range_ not in met]
        self.add(min([lo, *(range_.lo for range_ in met)]), max([hi, *(r.hi for r in met)]))


class SizedModel(ReferenceModel):
    """The same where nobody but their owners remembers ranges."""

    frees_reserved = False

    def find(self, pfn: int) -> tuple[int, int] | None:
        """Bounds of all that is in use around ``pfn``; below the start nothing is."""
        lowest = highest = self.lookup(pfn)
        if lowest is None or highest is None or pfn < self.start_pfn:
            return None
        while below := self.lookup(lowest.lo - 1):
            lowest = below
        while above := self.lookup(highest.hi + 1):
            highest = above
        return max(lowest.lo, self.start_pfn), highest.hi

    def free(self, pfn: int) -> None:
        """The range that was given at ``pfn`` goes; what was reserved stays."""
        for range_ in self.ranges:
            if range_.lo == pfn and not range_.reserved:
                self.remove(range_)
                return

    def reserve(self, lo: int, hi: int) -> None:
        """Take what is free of [``lo``, ``hi``]: nothing grows."""
        for range_ in list(self.ranges):
            if range_.hi < lo or hi < range_.lo:
                continue
            if lo < range_.lo:
                self.add(lo, range_.lo - 1).reserved = True
            lo = range_.hi + 1
        if lo <= hi:
            self.add(lo, hi).reserved = True


def reference_model(claims: Claim, granule: int = 4096, start_pfn: int = 1) -> ReferenceModel:
    """Return the model that a variant with these claims is held to, of a new domain."""
    kind = ReferenceModel
    if Claim.FREE_NEEDS_SIZE in claims:
        kind = SizedModel
    elif Claim.MERGES in claims:
        kind = MergingModel
    model = kind(granule, start_pfn)
    if Claim.LOW_RANGE in claims and start_pfn:
        model.add(0, start_pfn - 1)
    return model
