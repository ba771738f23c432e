"""Do the workloads of 7.3's DMA layer show what they are named after?

By exact counts, as in test_workloads_more.py, beside a stream that lacks the effect.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

import iova_variants
from iova_lab import workloads
from iova_lab.workloads import (
    _nvme,
    large_blocks,
    mixed_routes,
    nvme_gappy,
    nvme_iova_7_3,
    single_queue,
    unaligned_128k,
)
from iova_variants import CountedReplay, RcacheReport
from iova_variants.making import NR_MEASURED
from iova_variants.opstream import Op, OpFlag, OpStream
from tests.support.lab import REFUSED

SMALL = 10_000
NR_PAIRS = NR_MEASURED // 2
KERNELS = ["pre-6.7", "6.7", "7.3"]
MAGAZINE = 127


def window(stream: OpStream) -> npt.NDArray[np.void]:
    """Return the measured ops."""
    return stream.ops[stream.nr_ageing :]


def with_window(stream: OpStream, ops: npt.NDArray[np.void]) -> OpStream:
    """Return the same ageing, then these ops."""
    whole = np.concatenate([stream.ops[: stream.nr_ageing], ops])
    return replace(stream, ops=whole, nr_slots=-1)


def cached(stream: OpStream, kernel: str) -> RcacheReport:
    """What the rcache of a kernel did in the window."""
    report = iova_variants.replay("mainline", stream, rcache=kernel).rcache
    assert report is not None
    return report


def counted(variant: str, workload: str, nr_live: int = SMALL) -> CountedReplay:
    """One replay with the nodes of each op."""
    return iova_variants.replay(variant, workloads.generate(workload, nr_live), op_visits=True)


def growth(variant: str, workload: str) -> float:
    """How many times more nodes are visited at ten times as many live ranges."""
    few, many = (
        sum(counted(variant, workload, nr_live).visits.values()) for nr_live in (SMALL, 10 * SMALL)
    )
    return many / few


def runs_of(op: Op, ops: npt.NDArray[np.void]) -> list[int]:
    """How many of ``op`` follow each other, each time that some do."""
    same = np.concatenate([[0], (ops["op"] == op).astype(int), [0]])
    begins, ends = np.flatnonzero(np.diff(same)).reshape(-1, 2).T
    lengths: list[int] = (ends - begins).tolist()
    return lengths


def nr_live_after(stream: OpStream) -> npt.NDArray[np.int64]:
    """Live ranges after each op, if nothing is refused."""
    return np.cumsum(np.where(stream.ops["op"] == Op.FREE, -1, 1))


@pytest.mark.slow
def test_a_request_is_freed_on_the_cpu_that_made_it() -> None:
    for name in ("nvme_iova_7_3", "nvme_gappy", "unaligned_128k"):
        ops = workloads.generate(name, SMALL).ops
        cpus = {slot: set(ops["cpu"][ops["slot"] == slot].tolist()) for slot in set(ops["slot"])}
        assert all(len(one) == 1 for one in cpus.values())
        assert set().union(*cpus.values()) == set(range(_nvme.NR_CPUS))


# ---- nvme_iova_7_3 ----


def in_bursts(stream: OpStream) -> OpStream:
    """Return the same requests, freed 256 at a time, by the CPU that flushes a queue."""
    frees, allocs = window(stream).copy().reshape(-1, 2).T
    now: dict[int, int] = {}  # where a request of a queue is, by the slot that it has at once
    for index, slot in enumerate(frees["slot"].tolist()):
        frees["slot"][index] = now.get(slot, slot)
        now[slot] = allocs["slot"][index] = stream.nr_slots + index
    frees["cpu"] = 0
    begins = range(0, len(frees), large_blocks.NR_BATCH)
    bursts = [slice(begin, begin + large_blocks.NR_BATCH) for begin in begins]
    return with_window(stream, np.concatenate([x[one] for one in bursts for x in (allocs, frees)]))


def test_nvme_iova_7_3_frees_one_by_one_where_large_blocks_frees_in_bursts() -> None:
    streams = [workloads.generate(name, SMALL) for name in ("nvme_iova_7_3", "large_blocks")]
    assert [max(runs_of(Op.FREE, window(one))) for one in streams] == [1, large_blocks.NR_BATCH]
    least = [int(nr_live_after(one)[one.nr_ageing :].min()) for one in streams]
    assert least == [SMALL - 1, SMALL - large_blocks.NR_BATCH]


def test_nvme_iova_7_3_has_one_range_per_request_that_every_rcache_takes() -> None:
    stream = workloads.generate("nvme_iova_7_3", SMALL)
    report = cached(stream, "6.7")
    assert min(report.nr_allocs[:-1]) > 0
    assert sum(report.nr_allocs[:-1]) == sum(report.nr_frees[:-1]) == NR_PAIRS
    assert max(nvme_iova_7_3.SIZES) == 32


@pytest.mark.parametrize("kernel", KERNELS)
def test_nvme_iova_7_3_frees_where_the_next_request_comes(kernel: str) -> None:
    at_once = workloads.generate("nvme_iova_7_3", SMALL)
    late = in_bursts(at_once)
    assert max(runs_of(Op.FREE, window(late))) == large_blocks.NR_BATCH
    hits = [sum(cached(stream, kernel).nr_hits) for stream in (at_once, late)]
    assert hits[0] > NR_PAIRS // 2 > 4 * hits[1]


# ---- nvme_gappy ----


def test_nvme_gappy_comes_and_goes_in_bursts_of_single_pages() -> None:
    ops = window(workloads.generate("nvme_gappy", SMALL))
    nr_requests = NR_PAIRS // nvme_gappy.NR_SEGMENTS
    for op in (Op.FREE, Op.ALLOC):
        assert runs_of(op, ops) == [nvme_gappy.NR_SEGMENTS] * nr_requests
    assert set(ops["size"].tolist()) == {1}
    for one in ops.reshape(-1, nvme_gappy.NR_SEGMENTS):
        assert len(set(one["cpu"].tolist())) == 1


def test_nvme_gappy_asks_24_times_where_a_request_without_gaps_asks_once() -> None:
    gappy, whole = (
        cached(workloads.generate(name, SMALL), "6.7") for name in ("nvme_gappy", "nvme_iova_7_3")
    )
    assert (gappy.hit_rates[0], gappy.tree_ops_per_request) == (1, 0)
    assert sum(gappy.nr_allocs) == sum(whole.nr_allocs) == NR_PAIRS


def test_nvme_gappy_searches_once_per_request() -> None:
    op_visits = counted("mainline", "nvme_gappy").op_visits
    allocs = op_visits.reshape(-1, 2, nvme_gappy.NR_SEGMENTS)[:, 1]
    first, others = allocs[:, 0], allocs[:, 1:]
    assert first.max() > 0.5 * SMALL
    assert others.max() < 0.01 * SMALL


# ---- unaligned_128k ----


def aligned(stream: OpStream) -> OpStream:
    """Return the same requests of 128 KiB, which begin with a page: 32 pfns."""
    ops = stream.ops.copy()
    ops["size"] = 32
    return replace(stream, ops=ops)


@pytest.mark.parametrize("kernel", KERNELS)
def test_unaligned_128k_misses_the_rcache_every_time(kernel: str) -> None:
    stream = workloads.generate("unaligned_128k", SMALL)
    missed, hit = cached(stream, kernel), cached(aligned(stream), kernel)
    assert (missed.nr_allocs[-1], missed.nr_frees[-1]) == (NR_PAIRS, NR_PAIRS)
    assert missed.tree_ops_per_request == 1
    assert (hit.nr_allocs[-2], hit.hit_rates[-1], hit.tree_ops_per_request) == (NR_PAIRS, 1, 0)


@pytest.mark.parametrize("nr_live", [20, 1_000, SMALL])
def test_unaligned_128k_takes_the_room_of_64_pages(nr_live: int) -> None:
    span = counted("no_cache", "unaligned_128k", nr_live).span
    assert span == nr_live * unaligned_128k.ROOM - (unaligned_128k.ROOM - unaligned_128k.BLOCK)


@pytest.mark.slow
def test_unaligned_128k_is_a_search_over_a_good_part_of_the_space() -> None:
    assert growth("mainline", "unaligned_128k") == pytest.approx(10, rel=0.1)
    assert growth("augmented", "unaligned_128k") < 1.5


# ---- single_queue ----


@pytest.mark.parametrize("nr_live", [2, 100, 1_000, SMALL, 100_000])
def test_single_queue_frees_32768_ranges_in_a_row(nr_live: int) -> None:
    stream = workloads.generate("single_queue", nr_live)
    nr_batch = min(NR_PAIRS, nr_live // 2)
    assert max(runs_of(Op.FREE, stream.ops)) == single_queue.NR_WAITING
    assert runs_of(Op.FREE, window(stream))[0] == nr_batch
    live = nr_live_after(stream)
    assert live.max() == single_queue.NR_WAITING + nr_live - nr_batch
    assert live[stream.nr_ageing :].max() == nr_live


def test_single_queue_is_flushed_by_one_cpu() -> None:
    ops = workloads.generate("single_queue", SMALL).ops
    is_free = ops["op"] == Op.FREE
    assert set(ops["cpu"][is_free].tolist()) == {single_queue.FLUSHING_CPU}
    assert set(ops["cpu"][~is_free].tolist()) == set(range(single_queue.NR_CPUS))


@pytest.mark.parametrize("variant", ["mainline", "augmented"])
def test_single_queue_takes_a_node_for_all_that_waits(variant: str) -> None:
    found = counted(variant, "single_queue", 100)
    assert found.nr_live == 100
    assert found.peak_bytes > single_queue.NR_WAITING * found.node_bytes


def test_single_queue_fills_the_depot_of_one_cpu() -> None:
    """Before v6.7 it holds 32 magazines, and what comes after is freed into the tree."""
    stream = workloads.generate("single_queue", SMALL)
    before = cached(stream, "pre-6.7")
    assert before.nr_tree_frees == MAGAZINE * before.nr_overflows > 0
    assert before.peak_held_pfns <= (2 + 32 + 1) * MAGAZINE
    for kernel in ("6.7", "7.3"):
        since = cached(stream, kernel)
        assert (since.nr_overflows, since.nr_tree_frees) == (0, 0)
        assert since.peak_held_pfns == single_queue.NR_WAITING
        assert since.hit_rates[0] == 1


def test_single_queue_costs_no_more_with_more_in_use() -> None:
    for variant in ("mainline", "augmented", "maple"):
        assert growth(variant, "single_queue") < 1.5


# ---- mixed_routes: 24 small freed, large, freed, 24 small ----

NR_CYCLES = NR_MEASURED // mixed_routes.NR_OPS
COMPLETE = ["mainline", "no_cache", "candidate", "augmented"]


@pytest.mark.parametrize("variant", COMPLETE)
def test_mixed_routes_has_room_for_all_without_an_rcache(variant: str) -> None:
    assert counted(variant, "mixed_routes", 1_000).nr_failures == 0


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("variant", COMPLETE)
def test_mixed_routes_refuses_every_large_buffer_behind_an_rcache(
    variant: str, kernel: str
) -> None:
    stream = workloads.generate("mixed_routes", 1_000)
    found = iova_variants.replay(variant, stream, rcache=kernel, pfns=True)
    ops, pfns = window(stream), found.pfns[stream.nr_ageing :]
    is_large = (ops["op"] == Op.ALLOC) & (ops["flags"] & OpFlag.PAST_RCACHE > 0)
    assert is_large.sum() == NR_CYCLES
    assert set(ops["size"][is_large].tolist()) == {mixed_routes.LARGE}
    assert set(pfns[is_large].tolist()) == {REFUSED}
    assert found.nr_failures == NR_CYCLES
    assert found.rcache is not None
    assert found.rcache.peak_held_pfns == mixed_routes.LARGE
    assert (found.rcache.nr_flushes, found.rcache.held_pfns) == (0, 0)


@pytest.mark.parametrize("kernel", KERNELS)
def test_mixed_routes_loses_nothing_where_both_go_through_the_rcache(kernel: str) -> None:
    """The fast API empties the caches and tries again; alloc_iova() does not."""
    stream = workloads.generate("mixed_routes", 1_000)
    ops = stream.ops.copy()
    ops["flags"] &= ~np.uint8(OpFlag.PAST_RCACHE)
    assert cached(replace(stream, ops=ops), kernel).nr_flushes == NR_CYCLES
