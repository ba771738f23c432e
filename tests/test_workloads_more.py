"""Does each workload ask what it says, and is the effect that it is named after really there?

All by exact counts: nodes visited, refusals, addresses.  How a count grows is told by its ratio
between `SMALL` and ten times as many live ranges.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import iova_variants
from iova_lab import workloads
from iova_lab.workloads import (
    aligned_holes,
    cross_cpu,
    high_limit,
    large_blocks,
    memory_pressure,
    ring_two_sizes,
    sac_first,
    short_mask,
)
from iova_variants import CountedReplay
from iova_variants.making import NR_MEASURED, replace_in_batches, spread
from iova_variants.opstream import Op, OpStream
from tests.support.lab import LINEAGE, REAL, REFUSED

SMALL = 10_000
WORKLOADS = (
    "ageing aligned_holes cross_cpu high_limit large_blocks memory_pressure misaligned_gaps "
    "mixed_routes nvme_gappy nvme_iova_7_3 ring_two_sizes sac_first sac_first_6_6 short_mask "
    "single_queue unaligned_128k"
).split()
BELOW_4_GIB = [
    "memory_pressure",
    "mixed_routes",
    "sac_first",
    "sac_first_6_6",
    "short_mask",
    "single_queue",
]


def run(variant: str, workload: str, nr_live: int = SMALL, **watch: Any) -> CountedReplay:
    """One counted replay."""
    stream = workloads.generate(workload, nr_live)
    result: CountedReplay = iova_variants.replay(variant, stream, build="counted", **watch)
    return result


def visits(variant: str, workload: str, cycle: int, nr_live: int = SMALL) -> npt.NDArray[np.uint32]:
    """Nodes visited by each op of the window, one row per cycle of ``cycle`` ops."""
    op_visits = run(variant, workload, nr_live, op_visits=True).op_visits
    return op_visits.reshape(-1, cycle)


def nodes(variant: str, workload: str, nr_live: int) -> int:
    """Nodes visited in the window."""
    counts = run(variant, workload, nr_live).visits
    return sum(counts.values())


def growth(variant: str, workload: str) -> float:
    """How many times more nodes are visited at ten times as many live ranges."""
    return nodes(variant, workload, 10 * SMALL) / nodes(variant, workload, SMALL)


def judged(variant: str, workload: str, nr_live: int = SMALL) -> tuple[int, int]:
    """Refusals in the window, and how many of them were needless."""
    result = run(variant, workload, nr_live, judge=True)
    return result.nr_failures, result.nr_spurious


def answers(variant: str, stream: OpStream) -> npt.NDArray[np.uint64]:
    """Address of every op of the stream."""
    return iova_variants.replay(variant, stream, pfns=True).pfns


# ---- the rules that all workloads keep ----


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("nr_live", ["least", 1_000, SMALL])
def test_window_lies_at_nr_live(name: str, nr_live: str | int) -> None:
    nr_live = workloads.get(name).min_nr_live if nr_live == "least" else int(nr_live)
    stream = workloads.generate(name, nr_live)
    assert stream.nr_measured == NR_MEASURED

    answered = answers("no_cache", stream) != REFUSED
    step = np.where(stream.ops["op"] == Op.FREE, -1, 1) * answered
    live = np.cumsum(step)[stream.nr_ageing - 1 :] / stream.nr_domains
    assert live[0] == nr_live
    assert live.max() <= nr_live + 1
    assert live.min() >= nr_live // 2 - 1


@pytest.mark.parametrize("name", WORKLOADS)
@pytest.mark.parametrize("variant", REAL)
def test_every_variant_survives_it(variant: str, name: str) -> None:
    stream = workloads.generate(name, 50, 7)
    short = len(stream.ops) < 10_000  # cross_cpu, with 10,000 ageing ops, is not
    iova_variants.replay(variant, stream, judge=True, verify=short)


@pytest.mark.parametrize("name", BELOW_4_GIB)
def test_most_live_ranges_just_fit(name: str) -> None:
    most = workloads.get(name).max_nr_live
    iova_variants.check(workloads.generate(name, most))
    with pytest.raises(workloads.SizeError, match=str(most)):
        workloads.generate(name, most + 1)


@pytest.mark.parametrize("seed", [0, 1, 2**31])
def test_spread_repeats_nothing_within_a_round(seed: int) -> None:
    for high, count in [(10, 10), (11, 10), (1000, 7), (2**31, 600)]:
        rounds = spread(high, count, seed, nr_rounds=3).reshape(3, count)
        assert all(len(set(one)) == count for one in rounds.tolist())
        assert rounds.max() < high


def test_batches_go_before_they_come() -> None:
    ops = workloads.generate("near_empty", 4).ops[:14].copy()
    ops["op"] = Op.ALLOC
    replace_in_batches(ops, np.arange(7), 3)
    assert ops["slot"].tolist() == [0, 1, 2, 0, 1, 2, 3, 4, 5, 3, 4, 5, 6, 6]
    assert ops["op"].tolist() == [1, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0]


# ---- sac_first: free, alloc; free, refused, alloc; free, refused, alloc ----


def test_sac_first_walks_all_that_is_low_once_per_reset() -> None:
    after_reset, other = visits("mainline", "sac_first", 8)[:, [3, 6]].T
    assert after_reset.min() >= sac_first.nr_low_of(SMALL)
    assert not other.any()


def test_sac_first_attempts_fail_because_they_must() -> None:
    nr_cycles = NR_MEASURED // 8
    for variant in ["no_cache", "mainline"]:
        assert judged(variant, "sac_first") == (2 * nr_cycles, 0)


@pytest.mark.parametrize("variant", ["max32", "retry"])
def test_sac_first_before_5_18_refuses_the_page_that_went(variant: str) -> None:
    assert judged(variant, "sac_first")[1] > 0


def test_sac_first_6_6_takes_the_low_side_out_of_the_cost() -> None:
    assert growth("mainline", "sac_first") == pytest.approx(10, rel=0.1)
    assert growth("mainline", "sac_first_6_6") < 1.2
    assert judged("mainline", "sac_first_6_6") == (0, 0)


def test_sac_first_both_policies_fill_alike() -> None:
    before = workloads.generate("sac_first", SMALL)
    since = workloads.generate("sac_first_6_6", SMALL)
    assert (before.nr_ageing, before.start_pfn) == (since.nr_ageing, since.start_pfn)
    assert (before.ops == since.ops)[: before.nr_ageing].all()


# ---- short_mask: free, alloc, refused, -, 32 bits, free ----

POISONED = ["anchor", "max32", "retry", "mainline", "single_cached", "augmented", "maple"]


@pytest.mark.parametrize("variant", POISONED)
def test_short_mask_refuses_every_32bit_request_needlessly(variant: str) -> None:
    nr_cycles = NR_MEASURED // 6
    assert judged(variant, "short_mask") == (2 * nr_cycles, nr_cycles)


def test_short_mask_has_room_for_32_bits_and_none_for_24() -> None:
    assert judged("no_cache", "short_mask") == (NR_MEASURED // 6, 0)
    stream = workloads.generate("short_mask", SMALL)
    assert np.count_nonzero(stream.ops["limit_pfn"] == 2**12 - 1) == (
        short_mask.NR_24BIT + 2 * NR_MEASURED // 6
    )


# ---- aligned_holes ----


def nr_reused(variant: str) -> int:
    """Blocks of the window that went into a hole, not below the filled space."""
    stream = workloads.generate("aligned_holes", SMALL)
    pfns = answers(variant, stream)
    lowest_filled = pfns[2 * (SMALL - aligned_holes.NR_MOVING) - 1]
    allocs = (stream.ops["op"] == Op.ALLOC)[stream.nr_ageing :]
    return int(np.count_nonzero(pfns[stream.nr_ageing :][allocs] > lowest_filled))


@pytest.mark.parametrize("variant", [name for name in LINEAGE if name != "maple"])
def test_aligned_holes_are_all_used_again(variant: str) -> None:
    assert nr_reused(variant) == NR_MEASURED // 2


def test_aligned_holes_are_lost_to_maple() -> None:
    assert nr_reused("maple") <= 1


# ---- misaligned_gaps: free, alloc, alloc aligned, free ----


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["mainline", "augmented"])
def test_misaligned_gaps_are_all_looked_at(variant: str) -> None:
    assert visits(variant, "misaligned_gaps", 4)[:, 2].min() >= 0.99 * SMALL
    assert growth(variant, "misaligned_gaps") == pytest.approx(10, rel=0.01)


def test_misaligned_gaps_cost_alignable_nothing() -> None:
    assert growth("alignable", "misaligned_gaps") < 1.5


# ---- high_limit: free, alloc, free 40-bit, alloc 40-bit ----


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["mainline", "augmented"])
def test_high_limit_steps_over_all_that_is_above(variant: str) -> None:
    nr_above = SMALL - high_limit.NR_TOP - high_limit.NR_BELOW
    assert visits(variant, "high_limit", 4)[:, 3].min() >= nr_above
    assert growth(variant, "high_limit") == pytest.approx(10, rel=0.01)


def test_high_limit_is_cheap_for_who_descends_to_the_limit() -> None:
    assert growth("single_cached", "high_limit") < 1.5


# ---- large_blocks ----


def test_large_blocks_fill_their_holes_in_one_walk_over_everything() -> None:
    batches = visits("mainline", "large_blocks", NR_MEASURED)[0, : 4 * large_blocks.NR_BATCH]
    allocs = batches.reshape(2, 2, large_blocks.NR_BATCH)[:, 1]
    assert allocs.sum(axis=1).min() >= 0.9 * SMALL
    assert allocs.max() < 0.1 * SMALL


@pytest.mark.parametrize("kernel", ["pre-6.7", "6.7"])
def test_large_blocks_all_reach_the_tree(kernel: str) -> None:
    ring, blocks = (
        run("mainline", name, rcache=kernel).rcache for name in ("ring", "large_blocks")
    )
    assert ring is not None
    assert blocks is not None
    assert (ring.tree_ops_per_request, blocks.tree_ops_per_request) == (0, 1)


# ---- cross_cpu ----


def test_cross_cpu_maps_everywhere_and_frees_on_two() -> None:
    stream = workloads.generate("cross_cpu", SMALL)
    frees = stream.ops["op"] == Op.FREE
    assert set(stream.ops["cpu"][frees].tolist()) == set(range(cross_cpu.NR_FREEING_CPUS))
    assert set(stream.ops["cpu"][~frees].tolist()) == set(range(cross_cpu.NR_CPUS))


def test_cross_cpu_overflows_the_bounded_depot_only() -> None:
    before, since = (
        run("mainline", "cross_cpu", rcache=name).rcache for name in ("pre-6.7", "6.7")
    )
    assert before is not None
    assert since is not None
    assert before.nr_overflows > 0
    assert before.nr_tree_frees == 127 * before.nr_overflows
    assert (since.nr_overflows, since.nr_tree_frees) == (0, 0)


def test_cross_cpu_is_cheap_without_an_rcache() -> None:
    assert growth("mainline", "cross_cpu") < 1.5


# ---- ageing ----


@pytest.mark.parametrize("nr_live", [100, 1_000, SMALL])
def test_ageing_leaves_holes_that_serve_no_one(nr_live: int) -> None:
    stream = workloads.generate("ageing", nr_live)
    pfns, dom = answers("no_cache", stream), stream.ops["dom"]
    lowest = [
        pfns[: stream.nr_ageing][dom[: stream.nr_ageing] == d].min() for d in range(dom.max() + 1)
    ]
    window = slice(stream.nr_ageing + 1, None, 2)
    assert (pfns[window] < np.array(lowest)[dom[window]]).all()


def test_ageing_sizes_double_phase_by_phase() -> None:
    stream = workloads.generate("ageing", SMALL)
    came = stream.ops["size"][stream.nr_ageing + 1 :: 2]
    went = stream.ops["size"][stream.ops["slot"][stream.nr_ageing :: 2]]  # slots count as filled
    assert (came == 2 * went).all()
    assert sorted(set(came.tolist())) == [2, 4, 8, 16, 32]
    assert (np.diff(came.astype(int)) >= 0).all()


def test_ageing_walks_from_the_holes_to_the_bottom() -> None:
    assert growth("mainline", "ageing") == pytest.approx(10, rel=0.1)


def test_ageing_grows_the_cached_total_by_all_that_went() -> None:
    rcache = run("mainline", "ageing", rcache="pre-6.7").rcache
    assert rcache is not None
    nr_each = NR_MEASURED // 2 // 5
    assert rcache.nr_held == (*[nr_each] * 5, 0)
    assert rcache.held_pfns == nr_each * (1 + 2 + 4 + 8 + 16)
    assert sum(rcache.nr_hits) == 0


# ---- ring_two_sizes: free, alloc small, free, alloc large ----


@pytest.mark.slow
def test_ring_two_sizes_walks_the_long_lived_part_once_per_packet() -> None:
    small, large = visits("mainline", "ring_two_sizes", 4)[:, [1, 3]].T
    assert large.min() >= SMALL - 2 * ring_two_sizes.NR_PACKETS
    assert small.max() < 100
    assert growth("mainline", "ring_two_sizes") == pytest.approx(10, rel=0.02)


@pytest.mark.parametrize("workload", ["ageing", "ring_two_sizes"])
@pytest.mark.parametrize("variant", ["alignable", "augmented", "maple"])
def test_walks_from_hole_to_bottom_are_spared_who_keeps_gaps(variant: str, workload: str) -> None:
    assert growth(variant, workload) < 1.5


# ---- memory_pressure ----


def test_memory_pressure_refuses_though_enough_pages_are_free() -> None:
    stream = workloads.generate("memory_pressure", SMALL)
    pfns = answers("no_cache", stream)
    sizes = stream.ops["size"].astype(int)
    held = np.zeros(stream.nr_slots, int)
    used, spare = 0, []
    for op, slot, size, pfn in zip(stream.ops["op"], stream.ops["slot"], sizes, pfns, strict=True):
        if op == Op.FREE:
            used, held[slot] = used - held[slot], 0
        elif pfn == REFUSED:
            spare.append(2**20 - stream.start_pfn - used - size)
        else:
            used, held[slot] = used + size, size
    assert len(spare) > 0
    assert min(spare) > 0
    assert judged("no_cache", "memory_pressure") == (len(spare), 0)


def test_memory_pressure_makes_each_refusal_a_full_walk() -> None:
    stream = workloads.generate("memory_pressure", SMALL)
    result = run("mainline", "memory_pressure", op_visits=True, pfns=True)
    refused = (result.pfns == REFUSED)[stream.nr_ageing :] & (
        stream.ops["op"][stream.nr_ageing :] == Op.ALLOC
    )
    walked = result.op_visits[refused]
    assert len(walked) > 0
    assert np.median(walked) >= 0.98 * SMALL


@pytest.mark.parametrize("variant", ["max32", "retry", "maple"])
def test_memory_pressure_is_refused_needlessly(variant: str) -> None:
    assert judged(variant, "memory_pressure")[1] > 0


def test_memory_pressure_has_few_holes_at_every_size() -> None:
    for nr_live in (16, 1_000, 100_000):
        stream = workloads.generate("memory_pressure", nr_live)
        nr_holes = np.count_nonzero(stream.ops["op"][: stream.nr_ageing] == Op.FREE)
        assert 1 <= nr_holes <= memory_pressure.NR_HOLES
