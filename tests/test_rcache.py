"""Does the rcache do what its description says, and cost nothing where it is off?

The C layer over `mainline` is held against lists over the reference of `mainline`: addresses, what
reaches the tree and in which order, and what is held at the end.
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

import iova_variants
from iova_lab import workloads
from iova_lab.checking.reference_model import next_power_of_two
from iova_lab.measuring import rcache_cost
from iova_variants import Claim, CountedReplay, Rcache
from iova_variants._rcache import Kernel
from iova_variants.building import VARIANT_DIR, compile_variant
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops
from tests.support.lab import REAL, REFUSED, Row, alloc, free, random_stream, stream_of
from tests.support.rcache_streams import (
    EVENTS,
    KERNELS,
    LIMIT_48BIT,
    RCACHES,
    SMALL,
    fill_and_free,
    held_against_model,
    report_of,
    run,
    scattered,
    stream_from,
    waves,
    with_idle_time,
)

pytestmark = pytest.mark.sanitize


@given(EVENTS, RCACHES)
def test_agrees_with_the_model(
    events: list[tuple[str, int, int, int, int]], rcache: Rcache
) -> None:
    held_against_model(stream_from(events), rcache)


@pytest.mark.parametrize(("kernel", "counter"), [("pre-6.7", "nr_overflows"), ("6.7", "nr_trims")])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_model_in_waves(kernel: Kernel, counter: str, seed: int) -> None:
    rcache = Rcache(kernel, magazine_size=1 + seed, ns_per_op=10**6, depot_max=2 + seed)
    result = held_against_model(waves(seed, 2000, 1 + seed % 3), rcache)
    assert getattr(result.rcache, counter) > 0


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_the_model_for_long(kernel: Kernel, seed: int) -> None:
    rng = random.Random(seed)
    rcache = Rcache(
        kernel,
        magazine_size=rng.choice([1, 2, 5, 127]),
        ns_per_op=10**6,
        depot_max=rng.choice([1, 2, 32]),
    )
    result = held_against_model(scattered(seed, 1500, rng.choice([1, 2, 5])), rcache)
    assert result.rcache is not None
    assert sum(result.rcache.nr_hits) > 0


@pytest.mark.parametrize("variant", REAL)
@pytest.mark.parametrize("kernel", KERNELS)
def test_no_two_callers_have_one_pfn(variant: str, kernel: Kernel) -> None:
    stream = scattered(7, 3000, 3)
    keep = np.isin(stream.ops["slot"], stream.ops["slot"][stream.ops["op"] == Op.RESERVE])
    stream = OpStream(stream.ops[~keep], granule=stream.granule, start_pfn=stream.start_pfn)
    rcache = Rcache(kernel, magazine_size=3, ns_per_op=10**6)
    result = iova_variants.replay(
        variant, stream, rcache=rcache, pfns=True, judge=True, verify=True, build="counted"
    )
    assert result.rcache is not None
    assert sum(result.rcache.nr_hits) > 100
    breaches = Claim.ABOVE_LIMIT in iova_variants.load(variant).claims
    taken: dict[int, int] = {}  # pfn -> slot
    owned: dict[int, range] = {}
    for row, pfn in zip(map(Row._make, stream.ops.tolist()), result.pfns.tolist(), strict=True):
        if row.op == Op.FREE:
            for page in owned.pop(row.slot, ()):
                del taken[page]
        elif row.op == Op.ALLOC and pfn != REFUSED:
            size = next_power_of_two(row.size) if row.size < 32 else row.size
            pages = range(pfn, pfn + size)
            assert not any(page in taken for page in pages)
            assert pfn % next_power_of_two(size) == 0
            wraps = row.limit_pfn + 1 < size <= 32  # see test_a_limit_below_the_size_wraps
            assert breaches or wraps or pages[-1] <= row.limit_pfn
            taken |= dict.fromkeys(pages, row.slot)
            owned[row.slot] = pages


@pytest.mark.parametrize("kernel", KERNELS)
def test_nothing_is_lost_in_the_caches(kernel: Kernel) -> None:
    """After the last flush, what the tree gave and has not got back is what callers have."""
    stream = scattered(3, 2000, 4)
    assert (stream.ops["op"] != Op.RESERVE).any()
    plain = stream.ops[~np.isin(stream.ops["op"], [Op.RESERVE])]
    plain = plain[~np.isin(plain["slot"], stream.ops["slot"][stream.ops["op"] == Op.RESERVE])]
    stream = OpStream(plain, granule=stream.granule, start_pfn=stream.start_pfn)
    result = run(stream, Rcache(kernel, magazine_size=2))
    allocs = result.tree_ops["op"] == Op.ALLOC
    given_out = result.tree_ops["pfn"][allocs & (result.tree_ops["pfn"] != np.uint64(REFUSED))]
    got_back = result.tree_ops["pfn"][~allocs]
    assert len(given_out) - len(got_back) == result.nr_live


def test_depot_is_bounded_before_6_7() -> None:
    # 32 magazines in the depot, two with the CPU; the next pfn pushes one out.
    room = 127 * (32 + 2)
    assert report_of(fill_and_free(room), Rcache("pre-6.7")).nr_overflows == 0
    report = report_of(fill_and_free(room + 1), Rcache("pre-6.7"))
    assert report.nr_overflows == 1
    assert report.nr_tree_frees == 127
    assert report.held_pfns == room + 1 - 127
    assert report_of(fill_and_free(room + 1), Rcache("6.7", ns_per_op=0)).nr_tree_frees == 0


@pytest.mark.parametrize(
    ("idle_ms", "nr_trims"), [(99, 0), (100, 1), (250, 2), (800, 8), (900, 8), (5000, 8)]
)
def test_depot_is_trimmed_to_the_number_of_cpus(idle_ms: int, nr_trims: int) -> None:
    # Two with the CPU, ten in the depot, of which two may stay with two CPUs.
    stream = fill_and_free(127 * 12, free_cpu=1)
    times = with_idle_time(stream, idle_ms * 10**6)
    report = report_of(stream, Rcache("6.7", t_ns=times))
    assert report.nr_trims == nr_trims
    assert report.held_pfns == 127 * (12 - nr_trims)


@pytest.mark.parametrize(
    ("idle_ms", "nr_held"), [(0, 636), (100, 509), (200, 382), (300, 255), (400, 255)]
)
@pytest.mark.parametrize("kernel", ["6.7", "7.3"])
def test_one_magazine_is_trimmed_per_round(kernel: Kernel, idle_ms: int, nr_held: int) -> None:
    """What a kernel's own text held, run on 1 CPU: 636 pages allocated, freed, and then idle."""
    nr = 636
    ops = new_ops(2 * nr + 2, limit_pfn=LIMIT_48BIT)
    ops["slot"] = [*range(nr + 1), *range(nr), nr]  # one more stays, to be looked up after a while
    ops["op"][nr + 1 :] = Op.FREE
    ops["op"][-1] = Op.FIND
    stream = OpStream(ops)
    times = with_idle_time(stream, idle_ms * 10**6)
    assert report_of(stream, Rcache(kernel, t_ns=times)).held_pfns == nr_held


def refused_with_full_depots(rcache: Rcache) -> CountedReplay:
    """Thirty cached pages in magazines of one; then sixteen pages at once are asked for."""
    rows = [alloc(slot, 1, 31) for slot in range(30)] + [free(slot) for slot in range(30)]
    return run(stream_of([*rows, alloc(30, 16, 31)], **SMALL), rcache)


def test_before_5_11_a_flush_leaves_the_depots_alone() -> None:
    """Of 30 ranges two are with the CPU and 28 in the depot: the tree gets two back, or all."""
    flushed = refused_with_full_depots(Rcache("pre-6.7", magazine_size=1))
    assert (flushed.nr_failures, flushed.rcache and flushed.rcache.held_pfns) == (0, 0)
    left = refused_with_full_depots(Rcache("pre-6.7", magazine_size=1, flush_depots=False))
    assert (left.nr_failures, left.rcache and left.rcache.held_pfns) == (1, 28)


def test_a_bounded_depot_is_emptied_oldest_first() -> None:
    """They were freed from 31 down; the CPU's two magazines hold the first and the last."""
    orders = {}
    for kernel in KERNELS:
        result = refused_with_full_depots(Rcache(kernel, magazine_size=1, ns_per_op=0))
        frees = result.tree_ops["op"] == Op.FREE
        orders[kernel] = result.tree_ops["pfn"][frees & (result.tree_ops["index"] == 60)].tolist()
    from_depot = [*range(30, 2, -1)]
    assert orders["pre-6.7"][-28:] == from_depot
    assert orders["6.7"][-28:] == from_depot[::-1]


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_limit_below_the_size_wraps(kernel: Kernel) -> None:
    """As in kernels: limit 20 leaves no room for 32 pfns, and any cached range is handed out."""
    rows = [alloc(0, 32, LIMIT_48BIT), free(0), alloc(1, 32, 20)]
    result = run(stream_of(rows), Rcache(kernel))
    assert result.pfns[2] == result.pfns[0] == LIMIT_48BIT - 31
    nothing_cached = run(stream_of([alloc(0, 32, 20)]), Rcache(kernel))
    assert nothing_cached.nr_failures == 1


def test_the_clock_is_the_same_by_rate_and_by_times() -> None:
    stream = fill_and_free(1000)
    by_rate = Rcache("6.7", ns_per_op=7 * 10**6).ticks(stream)
    times = np.arange(2000, dtype=np.uint64) * np.uint64(7 * 10**6)
    assert by_rate.tolist() == Rcache("6.7", t_ns=times).ticks(stream).tolist()
    assert by_rate[0] == 15  # the first op at or after 100 ms


@pytest.mark.parametrize(
    ("size", "asked"),
    [(1, 1), (2, 2), (3, 4), (5, 8), (17, 32), (31, 32), (32, 32), (33, 33), (63, 63), (64, 64)],
)
def test_sizes_below_32_are_rounded_and_up_to_32_are_cached(size: int, asked: int) -> None:
    result = run(fill_and_free(1, size=size), Rcache("6.7"))
    assert result.tree_ops["size"][0] == asked
    last = result.tree_ops[-1]
    assert last["op"] == Op.FREE
    assert (last["index"] == 2) == (asked <= 32)  # at the last flush, or at the free itself


def test_a_cached_range_must_end_at_or_below_the_limit() -> None:
    """Four are cached, at 12, 8, 4 and 16, the last in the newest."""
    fill = [alloc(0, 4, 15), alloc(1, 4, 11), alloc(2, 4, 7), alloc(3, 4, 19)]
    rows = [*fill, *(free(slot) for slot in range(4)), alloc(4, 4, 14), alloc(5, 4, 12)]
    result = run(stream_of([*rows, alloc(6, 4, 18), alloc(7, 4, 6)], **SMALL), Rcache("6.7"))
    assert result.pfns[8:].tolist() == [4, 8, 12, REFUSED]
    assert result.rcache is not None
    assert result.rcache.nr_hits[2] == 3


def test_a_flush_turns_held_back_pfns_into_a_range() -> None:
    """All 32-bit space lies in caches of order 0; a request for two pfns gets some of it."""
    fill = [alloc(slot, 1, 30) for slot in range(30)] + [free(slot) for slot in range(30)]
    stream = stream_of([*fill, alloc(30, 2, 30)], **SMALL)
    with_flush = run(stream, Rcache("6.7"))
    assert with_flush.rcache is not None
    assert (with_flush.nr_failures, with_flush.rcache.nr_flushes) == (0, 1)
    without = run(stream, Rcache("6.7", flush=False))
    assert without.rcache is not None
    assert (without.nr_failures, without.rcache.held_pfns) == (1, 30)


def test_refusals_are_judged_with_cached_ranges_live() -> None:
    fill = [alloc(slot, 1, 30) for slot in range(30)] + [free(slot) for slot in range(30)]
    stream = stream_of([*fill, alloc(30, 2, 30)], **SMALL)
    rcache = Rcache("6.7", flush=False)
    judged = iova_variants.replay("mainline", stream, rcache=rcache, judge=True)
    assert (judged.nr_failures, judged.nr_spurious) == (1, 0)


def test_packed_ranges_are_freed_where_they_belong() -> None:
    """One the fast API could have handed out goes to the caches, any other to the tree."""
    ops = new_ops(6, limit_pfn=LIMIT_48BIT)
    ops["size"][:3] = [1, 3, 8]  # the last is not aligned
    ops["slot"] = [0, 1, 2] * 2
    ops["flags"][:3] = OpFlag.PACKED
    ops["op"][3:] = Op.FREE
    result = run(OpStream(ops, nr_ageing=3), Rcache("6.7"))
    assert result.rcache is not None
    assert result.rcache.nr_frees == (1, 0, 0, 0, 0, 0, 2)
    assert result.rcache.nr_tree_frees == 2


def test_statistics_are_of_the_window_only() -> None:
    stream = fill_and_free(100)
    aged = OpStream(stream.ops, nr_ageing=150)
    report = report_of(aged, Rcache("6.7"))
    assert sum(report.nr_allocs) == 0
    assert report.nr_frees[0] == 50
    assert report.held_pfns == report.peak_held_pfns == 100


def test_watched_and_measured_loops_agree() -> None:
    stream = waves(11, 4000, 3)
    rcache = Rcache("6.7", magazine_size=2, ns_per_op=10**7)
    measured = iova_variants.replay("mainline", stream, rcache=rcache)
    watched = run(stream, rcache)
    assert measured.rcache == watched.rcache
    assert measured.rcache is not None
    assert measured.rcache.nr_trims > 0
    assert measured.nr_failures == watched.nr_failures


@pytest.mark.parametrize("nr_live", [1000, 10_000])
def test_cross_cpu_overflows_the_depot_before_6_7(nr_live: int) -> None:
    stream = workloads.generate("cross_cpu", nr_live)
    bounded = report_of(stream, Rcache("pre-6.7"))
    assert bounded.nr_overflows > 0
    assert bounded.nr_tree_frees == 127 * bounded.nr_overflows
    assert bounded.tree_ops_per_request > 0.3
    # The window is over before the timer fires.
    unbounded = report_of(stream, Rcache("6.7"))
    assert unbounded.tree_ops_per_request == 0
    assert unbounded.held_pfns > bounded.held_pfns
    # A slower disk gives it time to.
    assert report_of(stream, Rcache("6.7", ns_per_op=10**6)).nr_trims > 0


@pytest.mark.slow
@pytest.mark.skipif("IOVA_LAB_BUILD" in os.environ, reason="a sanitizer's time means nothing")
def test_a_hit_costs_at_most_20_ns_over_null() -> None:
    least = rcache_cost.least_ns([("null", "off"), ("null", "6.7"), ("mainline", "6.7")])
    assert least["null", "6.7"] - least["null", "off"] <= 20
    assert least["mainline", "6.7"] - least["null", "off"] <= 20


def test_off_is_as_without() -> None:
    stream = random_stream(5, 500)
    off = iova_variants.replay("mainline", stream, rcache="off", pfns=True)
    without = iova_variants.replay("mainline", stream, pfns=True)
    assert off.rcache is None
    assert off.pfns.tolist() == without.pfns.tolist()


def test_the_loop_of_off_knows_nothing_of_the_rcache() -> None:
    path = compile_variant(VARIANT_DIR / "null.c", "timed")
    code = disassembly(path, "measured_loop")
    assert "call" in code
    assert "rcache" not in code
    assert "rcache_alloc" in disassembly(path, "cached_loop")


def disassembly(path: Path, function: str) -> str:
    """Return one function's machine code as text."""
    command = ["objdump", "-d", f"--disassemble={function}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split(f"<{function}>:", 1)[1]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Rcache("6.8"), "no rcache named '6.8'; there are: off, pre-6.7, 6.7, 7.3"),  # type: ignore[arg-type]
        (lambda: Rcache("6.7", magazine_size=0), "magazine_size 0 is not within"),
        (lambda: Rcache("6.7", depot_max=0), "depot_max 0 is not positive"),
        (lambda: Rcache("6.7", ns_per_op=-1), "ns_per_op -1 is negative"),
        (
            lambda: report_of(fill_and_free(1, free_cpu=3), Rcache("6.7", nr_cpus=3)),
            "an op of the stream runs on cpu 3 of 3",
        ),
        (
            lambda: report_of(fill_and_free(1), Rcache("6.7", t_ns=np.zeros(1, np.uint64))),
            "t_ns has 1 times for 2 ops",
        ),
        (
            lambda: iova_variants.replay("mainline", fill_and_free(1), tree_ops=True),
            "tree_ops needs one",
        ),
        (
            lambda: iova_variants.replay("mainline", fill_and_free(1), rcache="on"),
            "no rcache named 'on'",
        ),
    ],
)
def test_a_mistake_gets_one_line(make: object, text: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=text.replace("'", ".")) as caught:
        make()
    assert "\n" not in str(caught.value)
