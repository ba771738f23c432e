"""Streams and replays that tests of the rcache share."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

import iova_variants
from iova_variants import CountedReplay, Rcache, RcacheReport
from iova_variants._rcache import Kernel
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops
from tests.support import rcache_model
from tests.support.lab import Row, alloc, free, random_stream, reserve, stream_of
from tests.support.lineage import REFERENCES
from tests.support.rcache_model import Answers

KERNELS: list[Kernel] = ["pre-6.7", "6.7", "7.3"]
LIMIT_48BIT = 2**36 - 1
#: Sizes of the kernel's slabs from here on.
SLABS = tuple(1 << power for power in range(8, 22))


def on_cpu(row: Row, cpu: int) -> Row:
    """The same op, elsewhere."""
    return row._replace(cpu=cpu)


def run(stream: OpStream, rcache: Rcache, *, variant: str = "mainline") -> CountedReplay:
    """Replay with all that these tests look at, and verify after every op."""
    return iova_variants.replay(
        variant, stream, rcache=rcache, pfns=True, tree_ops=True, verify=True, build="counted"
    )


def held_against_model(stream: OpStream, rcache: Rcache) -> CountedReplay:
    """Replay, and compare everything with the lists."""
    expected = rcache_model.answers(REFERENCES["mainline"], stream, rcache)
    result = run(stream, rcache)
    assert result.rcache is not None
    assert result.pfns.tolist() == expected.pfns.tolist()
    assert result.tree_ops.tolist() == expected.requests
    held_to(result.rcache, expected, rcache)
    return result


def held_to(report: RcacheReport, expected: Answers, rcache: Rcache) -> None:
    """Compare what the caches hold, their memory and their locks, for a stream all measured."""
    assert list(report.nr_held) == expected.held
    assert report.held_pfns == sum(nr << order for order, nr in enumerate(expected.held))
    assert report.nr_flush_locks == expected.nr_flush_locks
    each = magazine_bytes(rcache.magazine_size)
    assert report.magazine_bytes == each * expected.memory.nr_magazines
    assert report.peak_magazine_bytes == each * expected.memory.peak_magazines


def magazine_bytes(size: int) -> int:
    """Of one magazine in the kernel's slab: a word, and one for each pfn, rounded up."""
    words = 8 * (size + 1)
    return next(cls for cls in (8, 16, 32, 64, 96, 128, 192, *SLABS) if cls >= words)


#: 32 pfns below 4 GiB: requests fail, caches are flushed, a limit can lie below what is cached.
SMALL = {"granule": 2**27, "start_pfn": 1}
LIMITS = [31, 31, 31, 40, 15, 7, 100, 3, 30, 28, 24]

EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["alloc", "alloc", "alloc", "free", "free", "reserve", "find"]),
        st.integers(0, 2),  # cpu
        st.sampled_from([1, 1, 2, 3, 4, 5, 7, 8, 16, 31, 32, 33]),
        st.sampled_from(LIMITS),
        st.integers(0, 1 << 16),  # which of the live ones; which domain
    ),
    max_size=120,
)

RCACHES = st.builds(
    Rcache,
    kernel=st.sampled_from(KERNELS),
    magazine_size=st.integers(1, 4),
    nr_cpus=st.sampled_from([0, 4]),
    nr_possible=st.sampled_from([0, 6]),
    flush=st.sampled_from([True, True, False]),
    ns_per_op=st.sampled_from([0, 1000, 10**7, 3 * 10**8]),
    flush_depots=st.booleans(),
    depot_max=st.integers(1, 3),
)


def stream_from(events: list[tuple[str, int, int, int, int]]) -> OpStream:
    """Let each event act on what is live at its place in the stream."""
    rows: list[Row] = []
    live: list[Row] = []
    for kind, cpu, size, limit_pfn, which in events:
        slot, dom = len(rows), which % 2
        if kind == "alloc":
            rows.append(on_cpu(alloc(slot, size, limit_pfn, dom=dom), cpu))
            live.append(rows[-1])
        elif kind == "reserve":
            rows.append(reserve(slot, limit_pfn, limit_pfn + 1, dom=dom))
            live.append(rows[-1])
        elif live:
            victim = live[which % len(live)]
            op = Op.FREE if kind == "free" else Op.FIND
            rows.append(Row(slot=victim.slot, dom=victim.dom, cpu=cpu, op=op))
            if kind == "free":
                live.remove(victim)
    return stream_of(rows, nr_slots=len(rows), nr_domains=2, **SMALL)


def scattered(seed: int, nr_ops: int, nr_cpus: int) -> OpStream:
    """A long random history whose ops run on CPUs drawn at random."""
    stream = random_stream(seed, nr_ops)
    rng = np.random.default_rng(seed)
    stream.ops["cpu"] = rng.integers(nr_cpus, size=nr_ops)
    return stream


def waves(seed: int, nr_ops: int, nr_cpus: int) -> OpStream:
    """Many allocs, then many frees, and so on, in two domains with room for all of them."""
    rng = random.Random(seed)
    rows: list[Row] = []
    live: list[Row] = []
    while len(rows) < nr_ops:
        if rng.random() < (0.9 if len(rows) // 200 % 2 else 0.3) and live:
            victim = live.pop(rng.randrange(len(live)))
            rows.append(free(victim.slot, dom=victim.dom))
        else:
            limit_pfn = rng.choice([2**20 - 1, 2**20 - 1, 2**24, LIMIT_48BIT])
            size = rng.choice([1, 1, 1, 2, 3, 16, 32, 40])
            rows.append(alloc(len(rows), size, limit_pfn, dom=rng.randrange(2)))
            live.append(rows[-1])
        rows[-1] = on_cpu(rows[-1], rng.randrange(nr_cpus))
    return stream_of(rows, nr_domains=2)


def fill_and_free(nr: int, *, size: int = 1, free_cpu: int = 0, cpu: int = 0) -> OpStream:
    """Return ``nr`` allocs on one CPU, then their frees on another."""
    ops = new_ops(2 * nr, limit_pfn=LIMIT_48BIT, size=size)
    ops["slot"] = np.tile(np.arange(nr), 2)
    ops["op"][nr:] = Op.FREE
    ops["cpu"] = np.repeat([cpu, free_cpu], nr)
    return OpStream(ops)


def report_of(stream: OpStream, rcache: Rcache) -> iova_variants.RcacheReport:
    """Return what the rcache over `mainline` did."""
    report = iova_variants.replay("mainline", stream, rcache=rcache).rcache
    assert report is not None
    return report


def with_idle_time(stream: OpStream, idle_ns: int) -> npt.NDArray[np.uint64]:
    """Times at which all ops but the last come at once, and the last after ``idle_ns``."""
    times = np.zeros(len(stream.ops), np.uint64)
    times[-1] = idle_ns
    return times


def with_some_past(stream: OpStream, seed: int) -> OpStream:
    """Let about half of all ops go past the rcache, and each free where it may."""
    rng = np.random.default_rng(seed)
    ops = stream.ops.copy()
    past_only: set[int] = set()
    for op in ops:
        past = bool(rng.integers(2))
        slot, size = int(op["slot"]), int(op["size"])
        if op["op"] == Op.ALLOC:
            aligned = bool(rng.integers(2))
            past_only.discard(slot)
            if past and not (size > 32 or size == 1 or (aligned and size.bit_count() == 1)):
                past_only.add(slot)
            op["flags"] = OpFlag.SIZE_ALIGNED * aligned
        op["flags"] |= OpFlag.PAST_RCACHE * (past or (op["op"] == Op.FREE and slot in past_only))
    return replace(stream, ops=ops)
