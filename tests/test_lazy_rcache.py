"""Do the lazy magazines of 7.3 return 6.7's addresses, and what do they cost in memory?

Held against lists (tests/support/rcache_model.py) and against the lab's 6.7.  The kernel's own text
is in tests/test_own_rcache.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError
from iova_lab.traces import trace
from iova_lab.traces.fast_agreement import rcache_for
from iova_variants import CountedReplay, Rcache, RcacheReport
from iova_variants._rcache import Kernel
from iova_variants.opstream import OpStream
from tests.support import rcache_model
from tests.support.lab import REAL, alloc, free, stream_of
from tests.support.lineage import REFERENCES
from tests.support.rcache_streams import (
    EVENTS,
    LIMIT_48BIT,
    RCACHES,
    SMALL,
    fill_and_free,
    held_to,
    on_cpu,
    report_of,
    run,
    stream_from,
    waves,
    with_some_past,
)

pytestmark = pytest.mark.sanitize

#: One magazine of 127 pfns, in the kernel's slab and in the lab's.
KIB = 1024
#: Each with other magazines.
KINDS: tuple[Kernel, ...] = ("pre-6.7", "6.7", "7.3")


def report(result: CountedReplay) -> RcacheReport:
    assert result.rcache is not None
    return result.rcache


def both(variant: str, stream: OpStream, rcache: Rcache) -> list[CountedReplay]:
    """Replay through 6.7's magazines and through 7.3's."""
    kernels: tuple[Kernel, Kernel] = ("6.7", "7.3")
    return [
        iova_variants.replay(
            variant,
            stream,
            rcache=replace(rcache, kernel=kernel),
            pfns=True,
            tree_ops=True,
            build="counted",
        )
        for kernel in kernels
    ]


def same_but_for_memory(eager: CountedReplay, lazy: CountedReplay) -> None:
    """Addresses, what reaches the tree, nodes, and what the caches did."""
    np.testing.assert_array_equal(eager.pfns, lazy.pfns)
    np.testing.assert_array_equal(eager.tree_ops, lazy.tree_ops)
    assert eager.visits == lazy.visits
    own = ("nr_flush_locks", "magazine_bytes", "peak_magazine_bytes")
    kept = {name: getattr(report(eager), name) for name in own}
    assert replace(report(lazy), **kept) == report(eager)
    assert all(getattr(report(lazy), name) <= kept[name] for name in own)


# ---- the same addresses ----


@pytest.mark.slow
@pytest.mark.parametrize("workload", workloads.names())
def test_every_workload_gets_the_addresses_of_6_7(workload: str) -> None:
    found = workloads.get(workload)
    nr_live = min(max(300, found.min_nr_live), found.max_nr_live)
    same_but_for_memory(*both("mainline", workloads.generate(workload, nr_live), Rcache("6.7")))


@given(EVENTS, RCACHES, st.integers(0, 1 << 16))
def test_any_stream_gets_the_addresses_of_6_7(
    events: list[tuple[str, int, int, int, int]], rcache: Rcache, seed: int
) -> None:
    for stream in (stream_from(events), with_some_past(stream_from(events), seed)):
        same_but_for_memory(*both("mainline", stream, rcache))


@pytest.mark.parametrize("variant", REAL)
def test_every_variant_gets_the_addresses_of_6_7(variant: str) -> None:
    rcache = Rcache("6.7", magazine_size=3, ns_per_op=10**6)
    same_but_for_memory(*both(variant, waves(2, 2000, 3), rcache))


# ---- memory, where it is given ----


def bytes_of(kernel: Kernel, nr_frees: int, *, nr_allocs: int = 0, nr_possible: int = 0) -> int:
    """Bytes of the magazines of one CPU and size after so many frees, and then allocs."""
    fill = [alloc(slot, 1, LIMIT_48BIT) for slot in range(nr_frees)]
    frees = [free(slot) for slot in range(nr_frees)]
    again = [alloc(nr_frees + slot, 1, LIMIT_48BIT) for slot in range(nr_allocs)]
    stream = stream_of([alloc(10**5, 1, LIMIT_48BIT), *fill, *frees, *again])
    return report_of(stream, Rcache(kernel, nr_possible=nr_possible)).magazine_bytes


@pytest.mark.parametrize(
    ("nr_frees", "nr_allocs", "nr_magazines"),
    [
        (0, 0, 0),  # a CPU that only allocates
        (0, 500, 0),
        (1, 0, 1),
        (127, 0, 1),
        (128, 0, 2),
        (254, 0, 2),
        (255, 0, 3),  # the first that goes to the depot
        (255, 255, 2),  # from the depot in the place of an empty one
        (128, 500, 2),  # empty ones stay
    ],
)
def test_a_magazine_comes_when_a_free_needs_it(
    nr_frees: int, nr_allocs: int, nr_magazines: int
) -> None:
    assert bytes_of("7.3", nr_frees, nr_allocs=nr_allocs) == nr_magazines * KIB
    depot = max(nr_magazines - 2, 0)
    assert bytes_of("6.7", nr_frees, nr_allocs=nr_allocs) == (12 + depot) * KIB


def test_magazines_belong_to_the_cpu_the_size_and_the_domain_of_the_free() -> None:
    rows = [alloc(slot, 1 << slot % 2, LIMIT_48BIT, dom=slot // 4) for slot in range(8)]
    rows += [on_cpu(free(slot, dom=slot // 4), slot // 2 % 2) for slot in range(8)]
    stream = stream_of(rows, nr_domains=2)
    assert report_of(stream, Rcache("7.3")).magazine_bytes == 8 * KIB
    on_one = stream_of([row._replace(cpu=0) for row in rows], nr_domains=2)
    assert report_of(on_one, Rcache("7.3", nr_cpus=2)).magazine_bytes == 4 * KIB
    assert report_of(stream, Rcache("6.7")).magazine_bytes == 2 * 2 * 12 * KIB


@pytest.mark.parametrize("nr_possible", [0, 1, 8, 1024])
def test_before_7_3_each_possible_cpu_costs_12_kib_a_domain(nr_possible: int) -> None:
    kernels: tuple[Kernel, ...] = ("pre-6.7", "6.7")
    for kernel in kernels:
        expected = max(nr_possible, 1) * 12 * KIB
        assert bytes_of(kernel, 100, nr_possible=nr_possible) == expected
    assert bytes_of("7.3", 100, nr_possible=nr_possible) == KIB
    assert bytes_of("7.3", 0, nr_possible=nr_possible) == 0


def test_a_magazine_of_128_pfns_takes_a_slab_of_2_kib() -> None:
    """Which is why they became 127 in v6.0."""
    stream = fill_and_free(1)
    assert report_of(stream, Rcache("pre-6.7", magazine_size=128)).magazine_bytes == 24 * KIB


def test_possible_cpus_that_are_offline_change_memory_alone() -> None:
    stream = waves(6, 1500, 2)
    for kernel in KINDS:
        rcache = Rcache(kernel, magazine_size=2, nr_cpus=2, ns_per_op=10**6)
        few, many = run(stream, rcache), run(stream, replace(rcache, nr_possible=9))
        np.testing.assert_array_equal(few.tree_ops, many.tree_ops)
        added = 0 if kernel == "7.3" else 2 * 7 * 12 * 32  # magazines of two pfns: 32 bytes
        assert report(many).magazine_bytes == report(few).magazine_bytes + added
        assert report(many).nr_flush_locks == report(few).nr_flush_locks


def test_the_window_begins_with_the_magazines_of_the_ageing() -> None:
    stream = fill_and_free(300)
    aged = report_of(replace(stream, nr_ageing=500), Rcache("7.3"))
    assert (aged.magazine_bytes, aged.peak_magazine_bytes) == (3 * KIB, 3 * KIB)
    assert report_of(stream, Rcache("7.3")).peak_magazine_bytes == 3 * KIB


# ---- flushes ----


def flushed(kernel: Kernel, nr_cpus: int) -> RcacheReport:
    """Fill 30 pfns, free them on CPU 0, and ask for two at once: that takes a flush."""
    rows = [alloc(slot, 1, 30) for slot in range(30)] + [free(slot) for slot in range(30)]
    stream = stream_of([*rows, alloc(30, 2, 30)], **SMALL)
    found = report_of(stream, Rcache(kernel, nr_cpus=nr_cpus))
    assert found.nr_flushes == 1
    return found


@pytest.mark.parametrize("nr_cpus", [1, 2, 16])
def test_a_flush_takes_the_lock_of_the_tree_once_per_magazine(nr_cpus: int) -> None:
    assert flushed("6.7", nr_cpus).nr_flush_locks == 12 * nr_cpus
    assert flushed("7.3", nr_cpus).nr_flush_locks == 1


# ---- memory that is refused ----


def churn() -> OpStream:
    """Two CPUs, two sizes, a full space: magazines, depots and flushes of both kinds of memory."""
    stream = waves(9, 500, 2)
    ops = stream.ops.copy()
    ops["limit_pfn"] = np.where(ops["limit_pfn"] > 0, 60, 0)
    ops["size"] = np.minimum(ops["size"], 2)
    return replace(stream, ops=ops, granule=2**26)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", ["6.7", "7.3"])
@pytest.mark.parametrize("magazine_size", [1, 4])
def test_each_request_that_is_refused_does_what_the_lists_do(
    kernel: Kernel, magazine_size: int
) -> None:
    """Of the variant's node, and of a magazine, wherever it comes."""
    stream, rcache = churn(), Rcache(kernel, magazine_size=magazine_size, ns_per_op=10**6)
    nr_requests = run(stream, rcache).nr_memory_requests
    plain = rcache_model.answers(REFERENCES["mainline"], stream, rcache)
    assert plain.memory.nr_requests == nr_requests
    assert plain.nr_flush_locks > 0
    nr_others = 0
    for number in range(1, nr_requests + 1):
        expected = rcache_model.answers(REFERENCES["mainline"], stream, rcache, refused=number)
        result = iova_variants.replay(
            "mainline",
            stream,
            rcache=rcache,
            pfns=True,
            tree_ops=True,
            verify=True,
            judge=True,
            build="counted",
            fail_alloc_at=number,
        )
        assert result.pfns.tolist() == expected.pfns.tolist()
        assert result.tree_ops.tolist() == expected.requests
        held_to(report(result), expected, rcache)
        nr_others += expected.requests != plain.requests
    assert nr_others > nr_requests / 2


@pytest.mark.parametrize("kernel", ["6.7", "7.3"])
def test_a_free_without_memory_goes_to_the_tree(kernel: Kernel) -> None:
    """The only alloc took the first request; a lazy CPU needs the second for its first free."""
    stream = stream_of([alloc(0, 1, 100), free(0), alloc(1, 1, 100), free(1)])
    result = iova_variants.replay(
        "mainline", stream, rcache=kernel, tree_ops=True, fail_alloc_at=2, build="counted"
    )
    frees = [
        int(index) for index in result.tree_ops["index"][result.tree_ops["op"] == 1] if index < 4
    ]
    assert frees == ([1] if kernel == "7.3" else [])
    assert report(result).held_pfns == 1  # the second free has memory
    assert result.nr_memory_requests == (4 if kernel == "7.3" else 1)


# ---- what is chosen, and mistakes ----


@pytest.mark.slow
@pytest.mark.parametrize(
    ("release", "kernel"),
    [
        ("6.6.1", "pre-6.7"),
        ("6.12.9", "6.7"),
        ("7.2.13", "6.7"),
        ("7.3-rc7", "7.3"),
        ("8.0", "7.3"),
    ],
)
def test_a_trace_is_replayed_through_its_kernels_rcache(release: str, kernel: str) -> None:
    recorded = trace.read_fast_trace("iova_lab/traces/debian-6.12.npz").trace
    assert rcache_for(replace(recorded, kernel=release)).kernel == kernel


def test_fewer_possible_cpus_than_online_is_one_line() -> None:
    with pytest.raises(InvalidValueError, match="nr_possible 2 is below the number of CPUs online"):
        report_of(fill_and_free(1, free_cpu=2), Rcache("7.3", nr_possible=2))
    with pytest.raises(InvalidValueError, match="nr_possible -1 is negative"):
        Rcache("7.3", nr_possible=-1)
