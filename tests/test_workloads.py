"""Is every workload what its docstring says, and does it show what it was made to show?"""

from __future__ import annotations

import json
import re
from math import log2

import numpy as np
import pytest

import iova_variants
from iova_lab import workloads
from iova_lab.workloads import SizeError, random_replace
from iova_variants import Claim, CountedReplay, Domain
from iova_variants.opstream import Op
from tests.support import pin
from tests.support.lab import LINEAGE, ON_RANGE_TREE, own_members, source_of

GENERATED = [name for name in workloads.names() if not name.startswith("trace_")]
#: Those that begin where they were last: their searches, not their updates, cost nothing.
CACHED = [
    name
    for name in LINEAGE
    if name in ON_RANGE_TREE and any("rb_node *" in member for member in own_members(name))
]
LIMIT_24BIT, LIMIT_32BIT, LIMIT_64BIT = 2**12 - 1, 2**20 - 1, 2**52 - 1
MIB = 256


@pytest.mark.parametrize("name", workloads.names())
def test_docstring_says_what_is_imitated_and_cites_it(name: str) -> None:
    workload = workloads.get(name)
    assert workload.summary.endswith((".", "?"))
    assert len(workload.doc) > len(workload.summary) + 100
    cited = r"\b20[0-2]\d\b|\b[0-9a-f]{12}\b|FAST'15|drivers/iommu/|docs/traces\.md"
    assert re.search(cited, workload.doc), "no mail, paper, commit or source file is named"


@pytest.mark.parametrize("name", workloads.names())
def test_streams_are_possible_at_every_size(name: str) -> None:
    workload = workloads.get(name)
    sizes = {workload.min_nr_live, workload.min_nr_live + 1, 100, 1234, 100_000}
    for nr_live in sizes | {min(workload.max_nr_live, 10**6)}:
        if workload.why_not(nr_live) is None:
            stream = workloads.generate(name, nr_live, seed=3)
            iova_variants.check(stream)
            assert name not in GENERATED or stream.nr_measured == 1200


@pytest.mark.parametrize("nr_live", [20, 100, 1000, 10_000])
@pytest.mark.parametrize("name", workloads.names())
def test_the_size_is_the_number_of_live_ranges(name: str, nr_live: int) -> None:
    """When the window begins and when it ends; in the middle of a start-up, which frees nothing."""
    workload = workloads.get(name)
    nr_live = min(max(nr_live, workload.min_nr_live), workload.max_nr_live)
    stream = workloads.generate(name, nr_live)
    pfns = iova_variants.replay("no_cache", stream, pfns=True).pfns
    changes = np.where(stream.ops["op"] == Op.FREE, -1, 1) * (pfns != 2**64 - 1)
    before = changes[: stream.nr_ageing].sum() / stream.nr_domains
    after = changes.sum() / stream.nr_domains
    if (stream.ops["op"] == Op.FREE).any():
        assert (before, after) == (nr_live, nr_live)
    else:
        assert name.startswith("startup")
        assert (before + after) / 2 == nr_live
        assert nr_live - before <= nr_live / 10


@pytest.mark.parametrize("name", ["trace_6_1", "trace_6_12", "trace_7_3"])
def test_a_recorded_window_is_a_load_with_frees(name: str) -> None:
    """As many frees as allocs, block sizes as docs/traces.md has them, and no size but its own."""
    stream = workloads.generate(name, 100)
    window = stream.ops[stream.nr_ageing :]
    assert (window["op"] == Op.FREE).sum() == (window["op"] == Op.ALLOC).sum() == len(window) / 2
    sizes = {"trace_6_1": {4, 16}, "trace_6_12": {4, 16}, "trace_7_3": {1}}[name]
    assert set(window["size"][window["op"] == Op.ALLOC].tolist()) == sizes
    nr_measured = {"trace_6_1": 12_270, "trace_6_12": 12_204, "trace_7_3": 12_388}[name]
    assert stream.nr_measured == nr_measured
    live = 100 + np.cumsum(np.where(window["op"] == Op.FREE, -1, 1))
    assert np.median(live) == {"trace_6_1": 75, "trace_6_12": 87, "trace_7_3": 86}[name]
    with pytest.raises(SizeError, match=f"{name} has 100..100 live ranges, so not 1000"):
        workloads.generate(name, 1000)


@pytest.mark.parametrize("name", GENERATED)
def test_a_size_without_meaning_is_refused(name: str) -> None:
    workload = workloads.get(name)
    for nr_live in (0, -1, workload.min_nr_live - 1, workload.max_nr_live + 1):
        with pytest.raises(SizeError, match=f"{name} has .* live ranges, so not {nr_live}"):
            workloads.generate(name, nr_live)


def test_an_unknown_workload_is_told_with_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"no workload named 'rnig'; there are: .*ring.*\.npz"):
        workloads.generate("rnig", 100)


@pytest.mark.parametrize("name", workloads.names())
def test_streams_are_the_same_bytes_everywhere(name: str) -> None:
    pinned = json.loads(pin.STREAMS.read_text(encoding="utf-8"))
    made = pin.streams(name)
    assert made
    assert made == {cell: digest for cell, digest in pinned.items() if cell.split()[0] == name}


@pytest.mark.slow
def test_answers_and_visits_are_the_same_everywhere() -> None:
    assert pin.answers() == json.loads(pin.ANSWERS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", GENERATED)
def test_seeds_differ_where_there_is_chance(name: str) -> None:
    one, other = (workloads.generate(name, 50, seed).digest() for seed in (0, 1))
    seedless = "has no effect" in (workloads.get(name).make.__doc__ or "")
    seedless |= "no randomness" in (workloads.get(name).make.__doc__ or "")
    if name == "startup_32bit":  # says: as startup
        seedless = True
    assert (one == other) == seedless


# ---- named effects ----


def counted(variant: str, workload: str, nr_live: int) -> CountedReplay:
    return iova_variants.replay(variant, workloads.generate(workload, nr_live), op_visits=True)


def per_op(variant: str, workload: str, nr_live: int) -> float:
    visits = counted(variant, workload, nr_live).visits
    return sum(visits.values()) / 1200


@pytest.mark.parametrize("variant", ["best_fit", "cached32", "no_cache"])
def test_startup_is_linear_without_a_cached_node_for_64_bits(variant: str) -> None:
    assert per_op(variant, "startup", 2000) / per_op(variant, "startup", 200) == pytest.approx(
        10, rel=0.02
    )


@pytest.mark.parametrize("variant", sorted(set(CACHED) - {"alignable", "cached32"}))
def test_startup_is_flat_with_one(variant: str) -> None:
    assert per_op(variant, "startup", 2000) == per_op(variant, "startup", 200) == 2


@pytest.mark.parametrize("variant", sorted(set(CACHED) - {"alignable"}))
def test_startup_32bit_is_flat_for_every_cache(variant: str) -> None:
    assert per_op(variant, "startup_32bit", 2000) == per_op(variant, "startup_32bit", 200) == 2


@pytest.mark.parametrize("variant", ["alignable", "augmented", "maple"])
def test_startup_32bit_costs_who_keeps_gaps_a_way_down(variant: str) -> None:
    most = 1.6  # log2(2000) / log2(200), and some for trees that are out of balance
    growth = per_op(variant, "startup_32bit", 2000) / per_op(variant, "startup_32bit", 200)
    assert 1.3 < growth < most


@pytest.mark.parametrize("variant", sorted(set(CACHED) - {"alignable", "cached32"}))
def test_a_ring_costs_one_step_and_a_look_up(variant: str) -> None:
    visits = counted(variant, "ring", 2000).visits
    assert visits["search"] == 600
    assert per_op(variant, "ring", 2000) < 1 + log2(2000)


def test_random_replace_costs_mainline_a_sixth_of_the_live_ranges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Bimodal: half of the calls find the freed page at the first step, the others walk."""
    nr_live, nr_pairs = 500, 20_000
    monkeypatch.setattr(random_replace, "NR_MEASURED", 2 * nr_pairs)
    stream = random_replace.generate(nr_live, seed=1)
    result = iova_variants.replay("mainline", stream, op_visits=True)
    assert result.visits["search"] / nr_pairs == pytest.approx(nr_live / 6, rel=0.1)
    allocs = result.op_visits[stream.ops["op"][stream.nr_ageing :] == Op.ALLOC]
    one_step = np.mean(allocs <= 1 + log2(nr_live))  # one gap, and the way down to insert
    assert one_step == pytest.approx(0.5, abs=0.05)


#: A free forgets the size that failed only where it moves the cached node.
LOSE_RESETS = ["max32", "retry"]


@pytest.mark.parametrize(
    ("workload", "variant"),
    [
        *(("full_32bit", name) for name in LINEAGE if name not in LOSE_RESETS),
        *(("checkerboard", name) for name in LINEAGE if name != "best_fit"),
    ],
)
def test_one_op_in_three_is_refused_and_rightly_so(workload: str, variant: str) -> None:
    result = iova_variants.replay(
        variant, workloads.generate(workload, 1000), judge=True, pfns=True
    )
    assert (result.nr_failures, result.nr_spurious) == (400, 0)
    assert (result.pfns[-1200:][2::3] == 2**64 - 1).all()


@pytest.mark.parametrize("variant", LOSE_RESETS)
def test_full_32bit_before_5_18_refuses_the_page_that_went(variant: str) -> None:
    result = iova_variants.replay(variant, workloads.generate("full_32bit", 1000), judge=True)
    assert result.nr_spurious > 400


def test_checkerboard_has_room_for_best_fit_once() -> None:
    """The page beside a hole goes; the next page goes to another hole, and the pair comes here."""
    result = iova_variants.replay("best_fit", workloads.generate("checkerboard", 1000), judge=True)
    assert (result.nr_failures, result.nr_spurious) == (399, 0)


@pytest.mark.parametrize("variant", ["no_cache", "mainline", "single_cached"])
@pytest.mark.parametrize("workload", ["full_32bit", "checkerboard"])
def test_every_refusal_walks_over_all_live_ranges(variant: str, workload: str) -> None:
    op_visits = counted(variant, workload, 1000).op_visits
    refusals = op_visits[2::3]
    assert 1000 <= refusals.min() <= refusals.max() <= 1000 + 3 * log2(1000)


@pytest.mark.parametrize("variant", ["anchor", "cached32", "cached64", "max32"])
def test_lost_space_is_lost_twice_a_cycle(variant: str) -> None:
    stream = workloads.generate("lost_space", 100)
    result = iova_variants.replay(variant, stream, judge=True, pfns=True)
    assert (result.nr_failures, result.nr_spurious) == (150, 150)
    refused = np.flatnonzero(result.pfns[100:116] == 2**64 - 1)
    assert refused.tolist() == [5, 9, 12, 15]  # 2 MiB and its free, the last page and its free


@pytest.mark.parametrize("variant", ["retry", "mainline", "single_cached", "no_cache"])
def test_lost_space_is_found_by_the_second_pass(variant: str) -> None:
    result = iova_variants.replay(variant, workloads.generate("lost_space", 100), judge=True)
    assert result.nr_failures == 0


# ---- the same, in the smallest form, as told on the list ----

ONE_PASS = ["anchor", "cached32", "cached64", "max32"]


@pytest.mark.parametrize("variant", LINEAGE)
def test_a_page_half_of_the_space_and_a_page(variant: str) -> None:
    """4K, 2G, 4K in all of 4 GiB: Robin Murphy's case of 2020."""
    with Domain(variant, start_pfn=0) as domain:
        got = [domain.alloc(size, LIMIT_32BIT, size_aligned=True) for size in (1, 2**19, 1)]
    assert got == [0xFFFFF, 0, None if variant in ONE_PASS else 0xFFFFE]


@pytest.mark.parametrize("variant", LINEAGE)
def test_500_12_499_free_12_then_13_and_2(variant: str) -> None:
    """Mebibytes in one gibibyte: the case for the second pass."""
    with Domain(variant, start_pfn=2**20 - 1024 * MIB) as domain:
        pfns = [domain.alloc(size * MIB, LIMIT_32BIT) for size in (500, 12, 499)]
        assert None not in pfns
        domain.free(pfns[1] or 0)
        assert domain.alloc(13 * MIB, LIMIT_32BIT) == 2**20 - 1024 * MIB
        last = domain.alloc(2 * MIB, LIMIT_32BIT)
    assert last == (None if variant in ONE_PASS else (pfns[1] or 0) + 10 * MIB)


@pytest.mark.parametrize("variant", LINEAGE)
def test_declared_breach_a_range_above_its_limit(variant: str) -> None:
    """A page below 4 GiB, then a page below 16 MiB."""
    with Domain(variant) as domain:
        assert domain.alloc(1, LIMIT_32BIT) == LIMIT_32BIT
        breaches = Claim.ABOVE_LIMIT in domain.variant.claims
        assert domain.alloc(1, LIMIT_24BIT) == (LIMIT_32BIT - 1 if breaches else LIMIT_24BIT)


def test_cached64_breaks_the_64_bit_limits_too() -> None:
    with Domain("cached64") as domain:
        domain.alloc(1, LIMIT_64BIT)
        assert domain.alloc(1, 2**21 - 1) == LIMIT_64BIT - 1


@pytest.mark.parametrize("variant", LINEAGE)
def test_declared_breach_a_range_below_start_pfn(variant: str) -> None:
    with Domain(variant, start_pfn=10) as domain:
        domain.reserve(0, 3)
        assert domain.alloc(5, 14) == 10
        breaches = variant in ("cached32", "cached64")
        assert not breaches or Claim.BELOW_START in domain.variant.claims
        assert domain.alloc(2, 14) == (8 if breaches else None)


@pytest.mark.parametrize("variant", LINEAGE)
def test_short_mask_poisons_what_remembers_failures(variant: str) -> None:
    """A failed 24-bit request refuses a 32-bit one of its size, though nearly all is free.

    `anchor` remembers no failure; it refuses because its cached node now lies below all free space.
    `alignable` remembers no failure below a limit under 4 GiB.
    """
    remembers = "max32_alloc_size" in source_of(variant) and variant != "alignable"
    poisoned = variant == "anchor" or remembers
    with Domain(variant) as domain:
        assert domain.alloc(LIMIT_24BIT, LIMIT_24BIT) == 1
        assert domain.alloc(1, LIMIT_24BIT) is None
        assert domain.alloc(1, LIMIT_32BIT) == (None if poisoned else LIMIT_32BIT)
        domain.free(1)
        assert domain.alloc(1, LIMIT_32BIT) is not None


def test_mainline_never_gives_out_all_of_the_32_bit_space_at_once() -> None:
    """Its memory of failures begins at that size, so the request is refused unseen."""
    with Domain("mainline", start_pfn=0) as domain:
        assert domain.alloc(2**20, LIMIT_32BIT) is None
        assert domain.alloc(2**20 - 1, LIMIT_32BIT) == 1
