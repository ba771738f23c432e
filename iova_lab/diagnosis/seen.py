"""What was seen in the files: observations with the lines that they come from, and the machine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from iova_lab.diagnosis.release import Release

#: Every sign that a reader can see, and a pathology can name.
SIGNS = {
    "stall_in_alloc": "a stall whose stack is in the allocation of a range",
    "stall_in_free": "a stall whose stack is in the free of a range",
    "stall_in_invalidation": "a stall whose stack is in the invalidation of the IOMMU's caches",
    "stall_elsewhere": "a stall whose stack has no function of the allocator on top",
    "stack_in_alloc": "a stack with the allocation of a range, without the report around it",
    "stack_in_free": "a stack with the free of a range, without the report around it",
    "endless_search": "a stall in the allocation of more than two minutes on one CPU",
    "magazine_flush": "a stack that frees a magazine into the tree",
    "direct_alloc_iova": "a stack in which a driver calls alloc_iova() itself",
    "dma_api": "a stack that goes through the DMA API",
    "memory_in_alloc_iova": "a stack with the memory allocator on top of alloc_iova()",
    "uaf_cached_node": "freed memory that is read where the cached node is kept",
    "null_in_free": "a null pointer in the free of a range or in the caches",
    "bug_in_magazine": "an address in a magazine that is not in the tree",
    "fault_in_allocator": "an oops or a KASAN report in the allocator, of no known kind",
    "fault_elsewhere": "an oops or a KASAN report outside the allocator",
    "leak_in_alloc": "a kmemleak report of a node of the tree",
    "leak_of_magazine": "a kmemleak report of a magazine",
    "leak_elsewhere": "a kmemleak report outside the allocator",
    "cpu_in_alloc": "a profile with a good share in the allocation",
    "cpu_in_free": "a profile with a good share in the free",
    "cpu_in_invalidation": "a profile with a good share in the invalidation",
    "cpu_elsewhere": "a profile with less than 1 % in the allocator",
    "cpu_a_little": "a profile with 1 to 3 % in the allocator",
    "cpu_unclear": "a profile that shows no callers of the locks that are waited for",
    "cpu_few_samples": "a profile of too few samples to tell",
    "lock_contended": "the lock of the tree is waited for in 1 % of its acquisitions or more",
    "lock_busy": "the lock of the tree is taken often, and held shortly on average",
    "lock_long_hold": "a hold of the lock of the tree of a millisecond or more",
    "lock_quiet": "the lock of the tree is hardly waited for",
    "many_live_ranges": "100,000 ranges or more in the tree",
    "few_live_ranges": "fewer than 10,000 ranges in the tree",
    "many_magazines": "16 MiB of magazines or more",
    "latency_tail": "calls that take a millisecond or more, beside fast ones",
    "latency_flat": "a histogram of the allocator without a tail",
    "slow_calls": "calls of the allocator that take 100 us or more",
    "fast_calls": "calls of the allocator, all faster than 100 us",
    "unnamed_histogram": "a histogram that names no function of the allocator",
    "map_slow": "a benchmark with mappings of 10 us or more",
    "map_fast": "a benchmark with mappings below 10 us",
    "throughput_drop": "throughput that fell by 10 % or more between two runs",
    "throughput": "throughput of a run",
    "full_32bit": "the kernel left the 32-bit space of a device",
    "map_fails": "requests that the allocator refused",
    "driver_map_fails": "drivers that could not map memory for their devices",
    "swiotlb_full": "the bounce buffer is full",
    "io_page_fault": "the IOMMU rejected an access",
    "completion_timeout": "the IOMMU did not complete a command in time",
    "strict": "unmaps invalidate at once",
    "lazy": "unmaps are collected in a flush queue",
    "passthrough": "devices use physical addresses",
    "forcedac": "iommu.forcedac=1",
    "iommu": "the kernel's messages of its IOMMU",
    "large_requests": "requests of more than 32 pages",
    "small_requests": "requests of at most 32 pages",
    "short_limit": "limits below 32 bits",
    "odd_limit": "limits of 33 to 56 bits",
    "trace_full_32bit": "a trace with a domain whose 32-bit space is full",
    "trace": "a trace of requests",
    "machine": "the machine and its kernel",
}

#: So many observations of one sign are kept; the others are counted.
MOST_OF_A_SIGN = 4
#: The share of its throughput that a run keeps, and has still fallen.
DROP = 0.9


@dataclass(frozen=True)
class Place:
    """A line of a file, 0 for none; ``quote`` is its text as it can be printed."""

    file: str
    line: int
    quote: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass
class Observation:
    """One thing that was seen: its sign, a sentence with the numbers, and where."""

    sign: str
    text: str
    places: list[Place]
    numbers: dict[str, float | int | str] = field(default_factory=dict)
    times: int = 1


@dataclass
class Machine:
    """What the files say of the machine; None where they don't."""

    release: Release | None = None
    cpus: int | None = None
    cpus_at_least: int = 0
    live_ranges: int | None = None

    @property
    def likely_cpus(self) -> int | None:
        """CPUs, or the fewest that there can be."""
        return self.cpus or self.cpus_at_least or None


@dataclass
class Seen:
    """All observations of all files, with bounded memory.

    ``kinds`` counts what was recognised by kind; ``releases`` has every kernel that a line names.
    """

    machine: Machine = field(default_factory=Machine)
    observations: list[Observation] = field(default_factory=list)
    kinds: dict[str, int] = field(default_factory=dict)
    releases: dict[str, Place] = field(default_factory=dict)
    runs: dict[str, list[tuple[float, Place]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    nr_lines: int = 0

    def add(
        self,
        sign: str,
        text: str,
        places: Iterable[Place],
        numbers: Mapping[str, float | int | str] | None = None,
    ) -> None:
        """Note one observation; the same text again is counted."""
        of_sign = [one for one in self.observations if one.sign == sign]
        same = next((one for one in of_sign if one.text == text), None)
        if same is None and len(of_sign) >= MOST_OF_A_SIGN:
            same = of_sign[-1]
        if same is not None:
            same.times += 1
            return
        self.observations.append(Observation(sign, text, list(places), dict(numbers or {})))

    @property
    def nr_recognised(self) -> int:
        """Texts of all kinds."""
        return sum(self.kinds.values())

    def recognised(self, kind: str) -> None:
        """Count one text of this kind."""
        self.kinds[kind] = self.kinds.get(kind, 0) + 1

    def named(self, release: Release | None, place: Place) -> None:
        """A line names the kernel's release; the first one counts."""
        if release is None:
            return
        if len(self.releases) < MOST_OF_A_SIGN:
            self.releases.setdefault(str(release), place)
        if self.machine.release is None:
            self.machine.release = release

    def cpu(self, number: int) -> None:
        """A line names a CPU by its number."""
        if number < 1 << 16:
            self.machine.cpus_at_least = max(self.machine.cpus_at_least, number + 1)

    def compare_runs(self) -> None:
        """Note the first and the last run of each benchmark, over all files."""
        for what, runs in self.runs.items():
            (first, before), (last, after) = runs[0], runs[-1]
            unit = "bit/s" if what == "iperf" else "IOPS"
            if len(runs) < 2 or not first:
                self.add("throughput", f"{what}: {first:,.6g} {unit}", [before])
                continue
            change = f"{first:,.6g} {unit} in the first run, {last:,.6g} in the last"
            sign = "throughput_drop" if last / first <= DROP else "throughput"
            text = f"{what}: {change}, {last / first - 1:+.0%}"
            self.add(sign, text, [before, after], {"ratio": round(last / first, 3)})

    def signs(self) -> dict[str, Observation]:
        """The first observation of each sign."""
        found: dict[str, Observation] = {}
        for one in self.observations:
            found.setdefault(one.sign, one)
        return found
