"""What does the rcache do?  Lists of pfns over one of the references, word by word.

Written from the description in docs/decisions/0009-rcache.md, not from the C.  `Caches.requests`
has what reached the tree, as `CountedReplay.tree_ops` has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iova_lab.checking.reference_model import next_power_of_two
from iova_variants import Rcache
from iova_variants.opstream import Op, OpFlag, OpStream
from tests.support.lab import REFUSED, Row
from tests.support.lineage import Reference

NR_ORDERS = 6
MAX_SIZE = 32

Request = tuple[int, int, int, int, int, int, int]


@dataclass
class Memory:
    """Requests for memory, one of which is refused, and the magazines that were allocated."""

    refused: int = 0
    nr_requests: int = 0
    nr_magazines: int = 0
    peak_magazines: int = 0

    def get(self) -> bool:
        """Count one; is there memory?"""
        self.nr_requests += 1
        return self.nr_requests != self.refused

    def new_magazine(self) -> list[int] | None:
        """An empty one, or nothing."""
        if not self.get():
            return None
        self.nr_magazines += 1
        self.peak_magazines = max(self.peak_magazines, self.nr_magazines)
        return []


@dataclass
class CpuCache:
    """One CPU's two magazines of one order, the newest pfn last; a lazy one may lack them."""

    loaded: list[int] | None = None
    previous: list[int] | None = None

    def turn(self) -> None:
        """Loaded becomes previous, previous loaded."""
        self.loaded, self.previous = self.previous, self.loaded

    def magazines(self) -> list[list[int]]:
        """Those that it has."""
        return [one for one in (self.loaded, self.previous) if one is not None]


class Caches:
    """The fast API of one domain."""

    def __init__(
        self, tree: Reference, rcache: Rcache, nr_cpus: int, dom: int, memory: Memory
    ) -> None:
        self.tree, self.rcache, self.nr_cpus, self.dom = tree, rcache, nr_cpus, dom
        self.memory = memory
        nr_possible = rcache.nr_possible or nr_cpus
        self.cpus = [[CpuCache() for _ in range(nr_possible)] for _ in range(NR_ORDERS)]
        self.depots: list[list[list[int]]] = [[] for _ in range(NR_ORDERS)]
        self.requests: list[Request] = []
        self.index = 0
        self.nr_flush_locks = 0
        if rcache.kernel != "7.3":
            for cache in (cache for cpus in self.cpus for cache in cpus):
                cache.loaded, cache.previous = memory.new_magazine(), memory.new_magazine()

    def held(self) -> list[int]:
        """How many ranges each order's caches hold."""
        return [
            sum(len(one) for cache in cpus for one in cache.magazines()) + sum(map(len, depot))
            for cpus, depot in zip(self.cpus, self.depots, strict=True)
        ]

    def tree_alloc(self, size: int, limit_pfn: int, aligned: bool = True) -> int | None:
        """alloc_iova(); the fast API always asks it for an aligned range."""
        pfn = self.tree.alloc(size, limit_pfn, aligned) if self.memory.get() else None
        answer = REFUSED if pfn is None else pfn
        flags = OpFlag.SIZE_ALIGNED * aligned
        self.requests.append((self.index, limit_pfn, answer, size, self.dom, Op.ALLOC, flags))
        return pfn

    def tree_free(self, pfns: list[int]) -> None:
        """Free ranges into the tree, the oldest in the caches first."""
        for pfn in pfns:
            self.tree.free(pfn)
            self.requests.append((self.index, 0, pfn, 0, self.dom, Op.FREE, 0))

    def get(self, cpu: int, order: int, highest: int) -> int | None:
        """Find one in the loaded magazine that begins at or below ``highest``."""
        cache = self.cpus[order][cpu]
        if not cache.loaded and cache.previous:
            cache.turn()
        if not cache.loaded and self.depots[order]:
            self.memory.nr_magazines -= cache.loaded is not None  # the empty one goes
            cache.loaded = self.depots[order].pop()
        loaded = cache.loaded or []
        low_enough = [at for at, pfn in enumerate(loaded) if pfn <= highest]
        if not low_enough:
            return None
        newest = loaded.pop()
        if low_enough[-1] == len(loaded):
            return newest
        pfn, loaded[low_enough[-1]] = loaded[low_enough[-1]], newest
        return pfn

    def put(self, cpu: int, order: int, pfn: int) -> bool:
        """Put one into the loaded magazine; make room if there is none, and memory for it."""
        cache, full = self.cpus[order][cpu], self.rcache.magazine_size
        if cache.loaded is None:
            cache.loaded = self.memory.new_magazine()
            if cache.loaded is None:
                return False
        if len(cache.loaded) == full and cache.previous is not None and len(cache.previous) < full:
            cache.turn()
        overflow: list[int] = []
        assert cache.loaded is not None
        if len(cache.loaded) == full:
            empty = self.memory.new_magazine()
            if empty is None:
                return False
            overflow = self.push(order, cache)
            cache.loaded = empty
        cache.loaded.append(pfn)
        self.memory.nr_magazines -= bool(overflow)
        self.tree_free(overflow)
        return True

    def push(self, order: int, cache: CpuCache) -> list[int]:
        """The full loaded magazine goes; returns what a full depot does not take."""
        assert cache.loaded is not None
        bounded = self.rcache.kernel == "pre-6.7"
        if cache.previous is None:
            cache.previous = cache.loaded
        elif bounded and len(self.depots[order]) == self.rcache.depot_max:
            return cache.loaded
        else:
            self.depots[order].append(cache.loaded)
        return []

    def tick(self) -> None:
        """One round: the newest magazine of every depot with more of them than there are CPUs."""
        for depot in self.depots:
            if len(depot) > self.nr_cpus:
                self.memory.nr_magazines -= 1
                self.tree_free(depot.pop())

    def flush(self, depots: bool = True) -> None:
        """Empty the CPUs' magazines one CPU after the other, then the depots."""
        for cpu in range(self.nr_cpus):
            for cpus in self.cpus:
                for magazine in cpus[cpu].magazines():
                    self.nr_flush_locks += 1
                    self.tree_free(magazine)
                    magazine.clear()
        oldest_first = self.rcache.kernel == "pre-6.7"
        for depot in self.depots if depots else ():
            while depot:
                self.nr_flush_locks += 1
                self.memory.nr_magazines -= 1
                self.tree_free(depot.pop(0 if oldest_first else -1))

    def alloc(self, cpu: int, size: int, limit_pfn: int) -> int | None:
        """alloc_iova_fast()"""
        if size < MAX_SIZE:
            size = next_power_of_two(size)
        if size <= MAX_SIZE:
            highest = (limit_pfn - size + 1) % 2**64  # unsigned: a small limit is a large one
            pfn = self.get(cpu, size.bit_length() - 1, highest)
            if pfn is not None:
                return pfn
        pfn = self.tree_alloc(size, limit_pfn)
        if pfn is None and self.rcache.flush:
            self.flush(self.rcache.flush_depots)
            pfn = self.tree_alloc(size, limit_pfn)
        return pfn

    def free(self, cpu: int, pfn: int, size: int | None) -> None:
        """free_iova_fast(); ``size`` None: not from the fast API, so free_iova()."""
        if size is None or size > MAX_SIZE or not self.put(cpu, (size - 1).bit_length(), pfn):
            self.tree_free([pfn])


@dataclass
class Answers:
    """What a replay with an rcache should have come to."""

    pfns: npt.NDArray[np.uint64]
    requests: list[Request]
    held: list[int]
    nr_flush_locks: int
    memory: Memory


def _step(caches: Caches, row: Row, slots: dict[int, tuple[int | None, int | None]]) -> int | None:
    """One op; ``slots`` has pfn and size as the caller knows them."""
    past = bool(row.flags & OpFlag.PAST_RCACHE)
    if row.op == Op.ALLOC and past:
        aligned = bool(row.flags & OpFlag.SIZE_ALIGNED)
        slots[row.slot] = caches.tree_alloc(row.size, row.limit_pfn, aligned), row.size
    elif row.op == Op.ALLOC:
        slots[row.slot] = caches.alloc(row.cpu, row.size, row.limit_pfn), row.size
    elif row.op == Op.RESERVE:
        slots[row.slot] = row.limit_pfn - row.size + 1, None
        caches.tree.reserve(row.limit_pfn - row.size + 1, row.limit_pfn)
    pfn, size = slots[row.slot]
    if pfn is None:
        return None
    if row.op == Op.FREE:
        caches.free(row.cpu, pfn, None if past else size)
    if row.op == Op.FIND and caches.tree.find(pfn) is None:
        return None
    return pfn


def _domains(
    reference: type[Reference], stream: OpStream, rcache: Rcache, memory: Memory
) -> Iterator[Caches]:
    for dom in range(stream.nr_domains):
        tree = reference(stream.granule, stream.start_pfn)
        yield Caches(tree, rcache, rcache.cpus_for(stream), dom, memory)


def answers(
    reference: type[Reference], stream: OpStream, rcache: Rcache, *, refused: int = 0
) -> Answers:
    """Run ``stream`` through the model; no op of it may be packed.

    ``refused`` is the number of the request for memory that is refused, where none is reserved.
    """
    memory = Memory()
    domains = list(_domains(reference, stream, rcache, memory))
    memory.nr_requests, memory.refused = 0, refused  # creating the domains is not counted
    memory.peak_magazines = memory.nr_magazines
    requests: list[Request] = []
    for caches in domains:
        caches.requests = requests
    ticks = rcache.ticks(stream).tolist()
    slots: dict[int, tuple[int | None, int | None]] = {}
    pfns = []
    for index, row in enumerate(map(Row._make, stream.ops.tolist())):
        for caches in domains:
            caches.index = index
        while ticks and ticks[0] <= index:
            ticks.pop(0)
            for caches in domains:
                caches.tick()
        pfn = _step(domains[row.dom], row, slots)
        pfns.append(REFUSED if pfn is None else pfn)
    found = Answers(
        np.array(pfns, np.uint64),
        requests,
        np.sum([caches.held() for caches in domains], axis=0).tolist(),
        sum(caches.nr_flush_locks for caches in domains),
        Memory(**vars(memory)),
    )
    for caches in domains:
        caches.index = len(stream.ops)
        caches.flush()
    return found
