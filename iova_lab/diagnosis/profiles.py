"""Shares of CPU time by part of the kernel, from any kind of profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from iova_lab.diagnosis.functions import ALLOC, FREE, INVALIDATION, IOVA, LOCK, class_of, plain
from iova_lab.diagnosis.readers import BaseReader
from iova_lab.diagnosis.seen import Place, Seen

#: From this share on, in per cent, a profile points to a part of the kernel.
GOOD, SMALL = 3.0, 1.0
#: A part with less than this of the largest part is only beside it.
MINOR = 0.25
#: Of the interval in which the true share of a part lies (Wilson's).
_CONFIDENCE = 0.95
_PARTS = (ALLOC, FREE, INVALIDATION)
_SIGN = {ALLOC: "cpu_in_alloc", FREE: "cpu_in_free", INVALIDATION: "cpu_in_invalidation"}
_WORDS = {
    ALLOC: "the allocation of ranges",
    FREE: "the free of ranges",
    INVALIDATION: "the invalidation",
}


def _decides(share: float, nr_samples: float) -> bool:
    """Are the samples enough to say on which side of `GOOD` the true ``share`` in per cent is?

    A stall of the host puts samples that belong together wherever a virtual CPU happens to be: two
    of 37 in the allocator are 5.4 %, and say nothing.
    """
    from scipy import stats  # most texts have no profile

    total = max(1, round(nr_samples))
    test = stats.binomtest(min(total, round(share / 100 * total)), total)
    found = test.proportion_ci(_CONFIDENCE, method="wilson")
    return bool(found.low * 100 >= GOOD if share >= GOOD else found.high * 100 < GOOD)


@dataclass
class Shares:
    """Per cent of all samples by part; ``most`` has the line that shows most of each."""

    of: dict[str, float] = field(default_factory=lambda: dict.fromkeys((*_PARTS, LOCK), 0.0))
    most: dict[str, tuple[float, str, Place]] = field(default_factory=dict)
    nr_rows: int = 0
    #: Of all rows together; None where the text does not say.
    nr_samples: float | None = None
    first: Place | None = None
    hottest: tuple[float, str] = (0.0, "")

    def add(self, name: str, share: float, place: Place) -> None:
        """One function of a flat profile, with its own share."""
        self.nr_rows += 1
        self.first = self.first or place
        self.hottest = max(self.hottest, (share, plain(name)))
        part = class_of(name)
        if part in self.of:
            self.of[part] += share
            self._keep(part, name, share, place)

    def at_least(self, part: str, name: str, share: float, place: Place) -> None:
        """A share that has its callees in it."""
        self.of[part] = max(self.of[part], share)
        self._keep(part, name, share, place)

    def _keep(self, part: str, name: str, share: float, place: Place) -> None:
        if share > self.most.get(part, (0.0, "", place))[0]:
            self.most[part] = share, plain(name), place


def note(seen: Seen, shares: Shares, kind: str) -> None:
    """Note what a profile says."""
    if shares.first is None:
        return
    seen.recognised(kind)
    largest = max(shares.of[part] for part in _PARTS)
    if shares.nr_samples is not None and not _decides(largest, shares.nr_samples):
        _note_few(seen, kind, largest, shares.nr_samples, shares.first)
        return
    said = False
    for part in _PARTS:
        share = shares.of[part]
        if share < GOOD or share < MINOR * largest:
            continue
        _, name, place = shares.most[part]
        text = f"{kind}: {share:.1f} % of the samples are in {_WORDS[part]} (most: {name})"
        seen.add(_SIGN[part], text, [place], {"per_cent": round(share, 2)})
        said = True
    total = sum(shares.of[part] for part in IOVA if part in shares.of)
    lock = shares.of[LOCK]
    if said:
        return
    if total >= SMALL:
        place = shares.most[ALLOC if ALLOC in shares.most else FREE][2]
        text = f"{kind}: {total:.1f} % of the samples are in the allocator"
        seen.add("cpu_a_little", text, [place])
        return
    share, name = shares.hottest
    text = f"{kind}: {total:.2f} % of the samples are in the allocator"
    text += f"; the function with most of them is {name}, {share:.1f} %"
    if lock >= GOOD:
        text += f"; {lock:.1f} % wait for locks, and the callers are not shown"
    seen.add("cpu_unclear" if lock >= GOOD else "cpu_elsewhere", text, [shares.first])


def _note_few(seen: Seen, kind: str, share: float, nr_samples: float, place: Place) -> None:
    text = f"{kind}: {share:.1f} % of {nr_samples:,.0f} samples are in one part of the allocator "
    text += f"or in the invalidation: too few samples to tell whether it takes {GOOD:.0f} %"
    seen.add("cpu_few_samples", text, [place])


@dataclass
class Samples:
    """Samples with stacks, counted by part."""

    total: float = 0.0
    of: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_PARTS, 0.0))
    waiting: float = 0.0
    example: dict[str, Place] = field(default_factory=dict)
    first: Place | None = None

    def add(self, stack: list[str], weight: float, place: Place) -> None:
        """One stack, the innermost function first."""
        self.total += weight
        self.first = self.first or place
        # The part that the innermost function of a known part is of.
        part = next((part for part in map(class_of, stack) if part in _PARTS), "")
        if part in self.of:
            self.of[part] += weight
            self.example.setdefault(part, place)
            if class_of(stack[0]) == LOCK:
                self.waiting += weight


def note_samples(seen: Seen, samples: Samples, kind: str) -> None:
    """Note what counted samples say."""
    if not samples.total or samples.first is None:
        return
    seen.recognised(kind)
    largest = 100 * max(samples.of.values()) / samples.total
    if not _decides(largest, samples.total):
        _note_few(seen, kind, largest, samples.total, samples.first)
        return
    allocator = 0.0
    for part, count in samples.of.items():
        share = 100 * count / samples.total
        allocator += share if part in IOVA else 0
        if share >= GOOD and share >= MINOR * largest:
            text = f"{kind}: {share:.1f} % of {samples.total:,.0f} samples are in {_WORDS[part]}"
            if samples.waiting:
                text += f"; {100 * samples.waiting / samples.total:.1f} % wait for its lock"
            seen.add(_SIGN[part], text, [samples.example[part]], {"per_cent": round(share, 2)})
    if allocator < SMALL and samples.of[INVALIDATION] * 100 < GOOD * samples.total:
        text = f"{kind}: {allocator:.2f} % of {samples.total:,.0f} samples are in the allocator"
        seen.add("cpu_elsewhere", text, [samples.first])
    elif SMALL <= allocator < GOOD:
        text = f"{kind}: {allocator:.1f} % of {samples.total:,.0f} samples are in the allocator"
        seen.add("cpu_a_little", text, [samples.first])


@dataclass(eq=False)
class StackReader(BaseReader):
    """Of samples whose stacks have a function a line, the innermost first."""

    #: Functions of a stack that are kept.
    MOST: ClassVar[int] = 128

    _samples: Samples = field(init=False, default_factory=Samples)
    _stack: list[str] = field(init=False, default_factory=list)
    _at: tuple[bytes, int] | None = field(init=False, default=None)

    @property
    def has_begun(self) -> bool:
        """Is this inside a sample?"""
        return self._at is not None

    def begin(self, line: bytes, number: int) -> None:
        """The first line of a sample."""
        self.finish()
        self._at = line, number

    def called(self, name: bytes, line: bytes, number: int) -> None:
        """One function more; a line about IOVAs stands for the sample."""
        if len(self._stack) < self.MOST:
            self._stack.append(name.decode())
            if b"iova" in line:
                self._at = line, number

    def finish(self) -> None:
        """Count the sample that has begun, if any."""
        if self._at and self._stack:
            self._samples.add(self._stack, 1, self.place(*self._at))
        self._at, self._stack = None, []

    def end(self) -> None:
        """Note the profile."""
        self.finish()
        note_samples(self.seen, self._samples, self.KIND)
