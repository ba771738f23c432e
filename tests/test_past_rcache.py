"""Does an op that goes past the rcache do what alloc_iova() and free_iova() do in a kernel?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import iova_variants
from iova_lab import workloads
from iova_lab.checking.rcache_callers import check_callers
from iova_variants import Claim, Rcache, VariantError
from iova_variants._rcache import Kernel
from iova_variants.opstream import OpFlag
from tests.support.lab import REAL, REFUSED, Row, alloc, free, random_stream, stream_of
from tests.support.rcache_streams import (
    EVENTS,
    KERNELS,
    RCACHES,
    SMALL,
    held_against_model,
    report_of,
    run,
    scattered,
    stream_from,
    waves,
    with_some_past,
)

pytestmark = pytest.mark.sanitize

PAST, ALIGNED, PACKED = OpFlag.PAST_RCACHE, OpFlag.SIZE_ALIGNED, OpFlag.PACKED


def past(row: Row) -> Row:
    """The same call at the tree."""
    return row._replace(flags=row.flags | PAST)


@given(EVENTS, RCACHES, st.integers(0, 1 << 16))
def test_agrees_with_the_model(
    events: list[tuple[str, int, int, int, int]], rcache: Rcache, seed: int
) -> None:
    held_against_model(with_some_past(stream_from(events), seed), rcache)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_the_model_for_long(kernel: Kernel, seed: int) -> None:
    rcache = Rcache(kernel, magazine_size=1 + seed, ns_per_op=10**6, depot_max=2 + seed)
    for stream in (waves(seed, 1500, 2), scattered(seed, 1500, 3)):
        held_against_model(with_some_past(stream, seed), rcache)


@pytest.mark.parametrize("variant", REAL)
@pytest.mark.parametrize("kernel", KERNELS)
def test_every_variant_under_the_judge(variant: str, kernel: Kernel) -> None:
    """The judge holds what reaches the tree; `check_callers` what callers get."""
    stream = with_some_past(waves(5, 2500, 3), 5)
    result = iova_variants.replay(
        variant,
        stream,
        rcache=Rcache(kernel, magazine_size=3, ns_per_op=10**6),
        pfns=True,
        judge=True,
        verify=True,
        build="counted",
    )
    assert result.rcache is not None
    assert sum(result.rcache.nr_hits) > 100
    if Claim.ABOVE_LIMIT not in iova_variants.load(variant).claims:
        check_callers(stream, result.pfns)


@pytest.mark.parametrize("variant", REAL)
def test_without_an_rcache_it_changes_nothing(variant: str) -> None:
    stream = random_stream(11, 800)
    if Claim.ENDLESS in iova_variants.load(variant).claims:
        stream = waves(11, 800, 1)
    flagged = stream.ops.copy()
    flagged["flags"] |= np.uint8(PAST)
    plain, other = (
        iova_variants.replay(variant, replace(stream, ops=ops), pfns=True, judge=True, verify=True)
        for ops in (stream.ops, flagged)
    )
    assert plain.pfns.tolist() == other.pfns.tolist()
    assert plain.visits == other.visits


@pytest.mark.parametrize("workload", ["near_empty", "lost_space", "large_blocks", "trace_6_12"])
@pytest.mark.parametrize("kernel", KERNELS)
def test_if_all_go_past_it_an_rcache_changes_nothing(workload: str, kernel: Kernel) -> None:
    stream = workloads.generate(workload, 100)
    ops = stream.ops.copy()
    ops["flags"] |= np.uint8(PAST)
    tree, all_past = (
        iova_variants.replay("mainline", stream, pfns=True, build="counted"),
        iova_variants.replay(
            "mainline", replace(stream, ops=ops), pfns=True, build="counted", rcache=kernel
        ),
    )
    np.testing.assert_array_equal(tree.pfns, all_past.pfns)
    assert tree.visits == all_past.visits
    assert all_past.rcache is not None
    assert all_past.rcache.tree_ops_per_request == 1
    assert sum(all_past.rcache.nr_allocs[:-1]) + sum(all_past.rcache.nr_frees[:-1]) == 0


def test_sizes_are_not_rounded_and_alignment_is_as_asked() -> None:
    rows = [past(alloc(0, 3, 30)), past(alloc(1, 3, 30, flags=ALIGNED)), alloc(2, 3, 30)]
    result = run(stream_of(rows, **SMALL), Rcache("6.7"))
    assert result.pfns.tolist() == [28, 24, 20]
    asked = [result.tree_ops[name].tolist()[:3] for name in ("size", "flags")]
    assert asked == [[3, 3, 4], [0, ALIGNED, ALIGNED]]


def test_what_is_refused_past_the_rcache_flushes_nothing() -> None:
    fill = [alloc(slot, 1, 30) for slot in range(30)] + [free(slot) for slot in range(30)]
    stream = stream_of([*fill, past(alloc(30, 2, 30)), alloc(31, 2, 30)], **SMALL)
    result = run(stream, Rcache("6.7"))
    assert result.pfns[60] == REFUSED
    assert result.pfns[61] != REFUSED
    assert result.rcache is not None
    assert (result.nr_failures, result.rcache.nr_flushes) == (1, 1)


@pytest.mark.parametrize("variant", ["mainline", "candidate"])
def test_each_way_there_and_back(variant: str) -> None:
    """`candidate` is given the size of what it frees, so it must be what the tree has."""
    ways = {
        "past and past": (past(alloc(0, 3, 100)), past(free(0)), 0),
        "through and past": (alloc(0, 3, 100), past(free(0)), 0),
        "past and through": (past(alloc(0, 4, 100, flags=ALIGNED)), free(0), 4),
        "past and through, one pfn": (past(alloc(0, 1, 100)), free(0), 1),
        "past and through, too large": (past(alloc(0, 33, 100)), free(0), 0),
        "through and through": (alloc(0, 3, 100), free(0), 4),
    }
    for name, (there, back, held_pfns) in ways.items():
        # A neighbour on each side, which a free of another size would take along.
        rows = [alloc(1, 1, 100), there, alloc(2, 1, 100), back, past(alloc(3, 4, 100))]
        stream = stream_of(rows)
        result = iova_variants.replay(
            variant, stream, rcache="6.7", judge=True, verify=True, build="counted"
        )
        assert result.rcache is not None
        assert result.rcache.held_pfns == held_pfns, name
        assert (result.nr_live, result.nr_not_highest) == (3, 0), name


def test_a_packed_range_goes_back_as_its_free_is_made() -> None:
    rows = [alloc(slot, 4, 99, flags=PACKED | flags) for slot, flags in enumerate([0, PAST, 0])]
    rows += [free(0), free(1), past(free(2))]
    report = report_of(stream_of(rows, nr_ageing=3), Rcache("6.7"))
    assert (report.held_pfns, report.nr_tree_frees) == (8, 1)


def test_held_pfns_are_lost_to_those_who_go_past() -> None:
    """Both routes share a domain of 30 pfns: what one of them parks, the other can't have."""
    rows = [alloc(slot, 1, 30) for slot in range(30)] + [free(slot) for slot in range(30)]
    rows += [past(alloc(30 + slot, 1, 30)) for slot in range(30)]
    assert run(stream_of(rows, **SMALL), Rcache("6.7")).nr_failures == 30
    through = [row if index < 60 else row._replace(flags=0) for index, row in enumerate(rows)]
    assert run(stream_of(through, **SMALL), Rcache("6.7")).nr_failures == 0


def test_callers_are_held_to_what_they_asked_for() -> None:
    odd = stream_of([past(alloc(0, 4, 100))])
    check_callers(odd, np.array([5], np.uint64))
    for row in (past(alloc(0, 4, 100, flags=ALIGNED)), alloc(0, 4, 100)):
        with pytest.raises(VariantError, match="is not aligned"):
            check_callers(stream_of([row]), np.array([5], np.uint64))
    with pytest.raises(VariantError, match="ends above its limit"):
        check_callers(stream_of([past(alloc(0, 32, 20))]), np.array([64], np.uint64))
