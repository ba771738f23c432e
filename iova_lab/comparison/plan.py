"""What is compared with what, on which requests, and how long may it take?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError
from iova_lab.measuring.cells import COMMON_CASE
from iova_variants.opstream import OpStream

#: What a driver holds most of the time.
FEW = 100

#: Where a workload is looked at if nobody says, and where `try` counts: a linear walk shows.
NR_LIVE = 10_000

#: Nodes that one replay may visit, about a second of walking; `compare` makes hundreds of replays.
MAX_VISITS = 200_000_000

BUDGET_S = 180.0

#: A trial replay that is not back by then hangs.
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Cell:
    """One workload (a name, or the path of a trace) at one number of live ranges."""

    workload: str
    nr_live: int = FEW

    @property
    def name(self) -> str:
        """For tables and files: ``random_replace@10000``."""
        return f"{Path(self.workload).stem if self.is_trace else self.workload}@{self.nr_live}"

    @property
    def is_trace(self) -> bool:
        return self.workload.endswith(".npz")

    @property
    def is_common(self) -> bool:
        """Does it belong to the common case, as a user's trace does?"""
        return self.is_trace or self.workload in COMMON_CASE

    def stream(self, seed: int = 0) -> OpStream:
        """Make its op stream.  Raises as `workloads.generate` does."""
        return workloads.generate(self.workload, self.nr_live, seed)


#: The common case, then one cell for each complaint that the list has heard.
DEFAULT_CELLS = (
    Cell("near_empty", 100),
    Cell("trace_6_12", 100),
    Cell("trace_6_1", 100),
    Cell("ring", NR_LIVE),
    Cell("startup", NR_LIVE),
    Cell("random_replace", NR_LIVE),
    Cell("full_32bit", NR_LIVE),
    Cell("ring_two_sizes", NR_LIVE),
    Cell("aligned_holes", NR_LIVE),
    Cell("high_limit", NR_LIVE),
)


def common_first(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """The cells of the common case, and then the others, each in the order given."""
    return tuple(sorted(cells, key=lambda cell: not cell.is_common))


@dataclass(frozen=True)
class Plan:
    """A comparison to be made: ``base`` against every candidate, on every cell.

    Variants are names or paths of .c files; the same one may stand there twice.  ``budget_s`` is
    what the whole may take, but every cell gets its fewest processes whatever that takes.
    """

    base: str
    candidates: tuple[str, ...]
    cells: tuple[Cell, ...] = DEFAULT_CELLS
    budget_s: float = BUDGET_S
    rcache: str = "off"
    max_visits: int = MAX_VISITS
    timeout_s: float = TIMEOUT_S
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.candidates:
            raise InvalidValueError("nothing to compare with: name at least one candidate")
        if not self.cells:
            raise InvalidValueError("no workload to compare on: name at least one")
        if self.budget_s <= 0:
            raise InvalidValueError(f"a budget of {self.budget_s:g} s leaves no time to measure")
        twice = [name for name, count in Counter(c.name for c in self.cells).items() if count > 1]
        if twice:
            raise InvalidValueError(f"{twice[0]} stands there twice: name each workload once")

    @property
    def variants(self) -> tuple[str, ...]:
        """The base, then the candidates, as they were given."""
        return (self.base, *self.candidates)

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each variant, no two the same: ``mainline``, ``mainline#2``."""
        seen: Counter[str] = Counter()
        labels = []
        for variant in self.variants:
            name = iova_variants.short_name(variant)
            seen[name] += 1
            labels.append(name if seen[name] == 1 else f"{name}#{seen[name]}")
        return tuple(labels)

    @property
    def nr_ratios(self) -> int:
        """How many ratios this asks for: so many chances for noise to look like a finding."""
        return len(self.cells) * len(self.candidates)

    def check(self) -> None:
        """Raise one line for what no measuring can mend, before anything is measured.

        `LookupError` for an unknown variant or workload, `BuildError` where one does not compile,
        `ValueError` for a size that a workload does not have.
        """
        rcaches = (*iova_variants.RCACHES, iova_variants.OWN)
        if self.rcache not in rcaches:
            known = ", ".join(rcaches)
            raise InvalidValueError(f"no rcache named {self.rcache!r}; there are: {known}")
        for variant in self.variants:
            iova_variants.load(variant)
            iova_variants.load(variant, build="counted")
        for cell in self.cells:
            if reason := workloads.get(cell.workload).why_not(cell.nr_live):
                raise workloads.SizeError(reason)


def cell_at(workload: str, nr_live: int | None = None) -> Cell:
    """A cell of a workload, at ``nr_live`` or, if None, where `DEFAULT_CELLS` or `NR_LIVE` has it.

    Raises `NotFoundError` for an unknown workload, `SizeError` for a size that it does not have.
    """
    found = workloads.get(workload)
    if workload.endswith(".npz") and found.recorded is not None:
        return Cell(workload, found.recorded().nr_live)
    if nr_live is None:
        default = [cell.nr_live for cell in DEFAULT_CELLS if cell.workload == workload]
        return within(workload, default[0] if default else NR_LIVE)
    if reason := found.why_not(nr_live):
        raise workloads.SizeError(reason)
    return Cell(workload, nr_live)


def within(workload: str, nr_live: int) -> Cell:
    """A cell of a workload as near to ``nr_live`` as it goes."""
    found = workloads.get(workload)
    return Cell(workload, max(found.min_nr_live, min(nr_live, found.max_nr_live)))
