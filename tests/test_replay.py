"""Does one C call give back what really happened?  Totals against what Python works out itself."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError
from iova_lab.checking.reference_model import reference_model
from iova_variants import Claim, CountedReplay, Watched
from iova_variants.opstream import Op, OpStream, new_ops
from tests.support.lab import (
    ON_RANGE_TREE,
    REAL,
    REFUSED,
    Row,
    alloc,
    find,
    free,
    random_stream,
    reserve,
    sizeof_range,
    stream_of,
)

SLAB_BYTES, CACHE_LINE = 4096, 64


def usable(nr_live: int) -> list[str]:
    return [name for name in workloads.names() if workloads.get(name).why_not(nr_live) is None]


CELLS = [(name, nr_live) for nr_live in (100, 1000) for name in usable(nr_live)]


def full(variant: str, stream: OpStream, **options: Any) -> CountedReplay:
    """One counted replay with its addresses."""
    options |= {"build": "counted", "pfns": True}
    result: CountedReplay = iova_variants.replay(variant, stream, **options)
    return result


def same(one: object, other: object) -> bool:
    assert isinstance(one, np.ndarray)
    assert isinstance(other, np.ndarray)
    return np.array_equal(one, other)


@pytest.mark.slow
@pytest.mark.parametrize(("workload", "nr_live"), CELLS)
@pytest.mark.parametrize("variant", iova_variants.names())
def test_builds_and_watches_change_no_answer(variant: str, workload: str, nr_live: int) -> None:
    stream = workloads.generate(workload, nr_live)
    timed = iova_variants.replay(variant, stream, build="timed", pfns=True)
    counted = full(variant, stream, op_visits=True)
    watched = full(variant, stream, op_visits=True, op_ns=True, judge=True)
    assert (timed.build, counted.build) == ("timed", "counted")
    assert same(timed.pfns, counted.pfns)
    assert same(timed.pfns, watched.pfns)
    assert same(counted.op_visits, watched.op_visits)
    assert counted.visits == watched.visits
    assert sum(counted.visits.values()) == counted.op_visits.sum()
    assert counted.worst_visits == counted.op_visits.max()
    for field in ("nr_failures", "nr_live", "nr_live_pfns", "span", "bytes", "peak_bytes"):
        assert getattr(timed, field) == getattr(watched, field)


@pytest.mark.parametrize("variant", REAL)
def test_unwatched_counts_are_those_of_the_watched_run(variant: str) -> None:
    """The loop that is measured and the loop that watches do the same."""
    stream = workloads.generate("random_replace", 500)
    plain = iova_variants.replay(variant, stream, build="counted")
    watched = iova_variants.replay(variant, stream, op_visits=True, op_ns=True)
    assert plain.visits == watched.visits
    assert (plain.watched, plain.judged) == (Watched(), None)
    assert plain.nr_failures == watched.nr_failures


def test_what_was_not_asked_for_names_the_argument() -> None:
    plain = iova_variants.replay("mainline", random_stream(5, 20), build="counted")
    for field, argument in (
        *((name, name) for name in ("pfns", "op_ns", "op_visits", "tree_ops")),
        ("worst_visits", "op_visits"),
        *((name, "judge") for name in ("nr_spurious", "nr_not_highest", "nr_above_limit")),
        ("nr_leaked", "judge"),
    ):
        with pytest.raises(InvalidValueError, match=rf"replay\(\.\.\., {argument}=True\)"):
            getattr(plain, field)


def test_a_build_that_counts_returns_counts() -> None:
    stream = random_stream(5, 20)
    for build in ("counted", "traced"):
        assert isinstance(iova_variants.replay("mainline", stream, build=build), CountedReplay)
    for options in ({"op_visits": True}, {"judge": True}, {"max_visits": 10**6}):
        assert isinstance(iova_variants.replay("mainline", stream, **options), CountedReplay)


@pytest.mark.skipif("IOVA_LAB_BUILD" in os.environ, reason="there is no timed build then")
def test_the_timed_build_is_judged_and_counts_nothing() -> None:
    timed = iova_variants.load("mainline", build="timed")
    stream = random_stream(5, 20)
    result = iova_variants.replay(timed, stream, judge=True)
    assert not isinstance(result, CountedReplay)
    assert (result.nr_spurious, hasattr(result, "visits")) == (0, False)
    with pytest.raises(InvalidValueError, match="the timed build counts no nodes"):
        iova_variants.replay(timed, stream, build="counted")


def test_the_former_name_of_a_result_is_deprecated() -> None:
    with pytest.warns(DeprecationWarning, match="use TimedReplay or CountedReplay"):
        former = iova_variants.ReplayResult
    assert former is iova_variants.TimedReplay
    assert issubclass(CountedReplay, former)


@pytest.mark.parametrize("variant", REAL)
def test_visits_are_identical_from_run_to_run(variant: str) -> None:
    stream = random_stream(5, 2000)
    runs = [iova_variants.replay(variant, stream, op_visits=True) for _ in range(3)]
    assert runs[0].visits == runs[1].visits == runs[2].visits
    assert same(runs[0].op_visits, runs[2].op_visits)


def expected_totals(stream: OpStream, result: CountedReplay) -> dict[str, int]:
    """Live ranges and span from the answers, for streams without overlapping reserves."""
    live: dict[int, tuple[int, int, int]] = {}
    for row, pfn in zip(map(Row._make, stream.ops.tolist()), result.pfns.tolist(), strict=True):
        if row.op in (Op.ALLOC, Op.RESERVE) and pfn != REFUSED:
            live[row.slot] = (row.dom, pfn, row.size)
        elif row.op == Op.FREE:
            live.pop(row.slot, None)
    span = 0
    for dom in {dom for dom, _, _ in live.values()}:
        ends = [(pfn, pfn + size) for d, pfn, size in live.values() if d == dom]
        span += max(high for _, high in ends) - min(low for low, _ in ends)
    failures = (result.pfns == REFUSED) & np.isin(stream.ops["op"], [Op.ALLOC, Op.RESERVE])
    return {
        "nr_live": len(live),
        "nr_live_pfns": sum(size for _, _, size in live.values()),
        "span": span,
        "nr_failures": int(failures[stream.nr_ageing :].sum()),
    }


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("variant", REAL)
def test_totals_are_those_of_the_answers(variant: str, seed: int) -> None:
    stream = random_stream(300 + seed, 1500, reserves=0)
    result = full(variant, stream)
    totals = expected_totals(stream, result)
    assert {name: getattr(result, name) for name in totals} == totals


@pytest.mark.slow
@pytest.mark.parametrize(("workload", "nr_live"), [c for c in CELLS if c[1] == 1000])
@pytest.mark.parametrize("variant", REAL)
def test_totals_of_workloads(variant: str, workload: str, nr_live: int) -> None:
    stream = workloads.generate(workload, nr_live)
    result = full(variant, stream)
    totals = expected_totals(stream, result)
    assert {name: getattr(result, name) for name in totals} == totals


@pytest.mark.parametrize("variant", ON_RANGE_TREE)
def test_bytes_are_domains_and_whole_slabs(variant: str) -> None:
    node_bytes = sizeof_range(variant)
    object_bytes = -(-node_bytes // CACHE_LINE) * CACHE_LINE
    per_slab = SLAB_BYTES // object_bytes
    low_range = Claim.LOW_RANGE in iova_variants.load(variant).claims
    for nr_live in (1, per_slab - 1, per_slab, per_slab + 1, 10 * per_slab):
        ops = new_ops(nr_live, limit_pfn=2**52 - 1)
        ops["slot"] = np.arange(nr_live)
        result = iova_variants.replay(variant, OpStream(ops))
        assert result.node_bytes == node_bytes
        slabs = -(-(nr_live + low_range) // per_slab) * SLAB_BYTES
        assert result.bytes == result.peak_bytes
        assert result.bytes == slabs + iova_variants.load(variant).domain_size


def test_peak_bytes_outlive_a_free() -> None:
    rows = [alloc(slot, 1, 10**6) for slot in range(1000)] + [free(slot) for slot in range(1000)]
    result = iova_variants.replay("mainline", stream_of(rows))
    assert result.nr_live == 0
    assert result.peak_bytes >= 1000 * CACHE_LINE


@pytest.mark.parametrize("variant", REAL)
def test_domains_do_not_know_of_each_other(variant: str) -> None:
    """Several histories woven into one stream answer as each does alone."""
    parts = [random_stream(400, 500)]
    granule, start_pfn = parts[0].granule, parts[0].start_pfn
    woven: list[Row] = []
    for index in range(500):
        row = Row._make(parts[0].ops[index].item())
        woven += [row._replace(dom=dom, slot=row.slot * 5 + dom) for dom in range(5)]
    stream = stream_of(woven, granule=granule, start_pfn=start_pfn, nr_domains=5)
    alone, together = full(variant, parts[0]), full(variant, stream)
    for dom in range(5):
        assert same(alone.pfns, together.pfns[dom::5])
    assert together.span == 5 * alone.span
    assert together.nr_live == 5 * alone.nr_live


@pytest.mark.parametrize("variant", iova_variants.names())
def test_refused_slots_are_freed_and_found_without_harm(variant: str) -> None:
    rows = [alloc(0, 1, 1), alloc(1, 1, 1), find(1), free(1), free(0), alloc(0, 1, 100)]
    result = full(variant, stream_of(rows), verify=True)
    if variant in REAL:
        assert result.pfns.tolist() == [1, REFUSED, REFUSED, REFUSED, 1, 100]
        assert (result.nr_failures, result.nr_live) == (1, 1)


def test_find_and_reserve_answer_in_pfns() -> None:
    rows = [reserve(0, 5, 9), find(0), alloc(1, 2, 100), find(1), free(0), free(1)]
    result = full("mainline", stream_of(rows))
    assert result.pfns.tolist() == [5, 5, 99, 99, 5, 99]


def test_ageing_is_not_in_the_totals() -> None:
    rows = [alloc(slot, 1, 3) for slot in range(5)]
    result = full("mainline", stream_of(rows, nr_ageing=4), op_visits=True)
    assert (result.nr_failures, result.nr_ops, len(result.op_visits)) == (1, 1, 1)


def test_times_are_there_and_hold_the_clock() -> None:
    result = iova_variants.replay("mainline", workloads.generate("ring", 100), op_ns=True)
    assert len(result.op_ns) == result.nr_ops == 1200
    assert result.op_ns.min() >= result.clock_ns
    assert result.ns >= result.op_ns.sum()
    assert result.ns_per_op == result.ns / 1200


@pytest.mark.parametrize("variant", iova_variants.names())
def test_a_child_process_answers_the_same(variant: str) -> None:
    stream = random_stream(9, 3000, reserves=0)
    here, there = full(variant, stream, judge=True), full(variant, stream, judge=True, timeout=60)
    assert same(here.pfns, there.pfns)
    for field in ("visits", "nr_failures", "nr_spurious", "nr_live", "span", "bytes"):
        assert getattr(here, field) == getattr(there, field)


def brute_force(variant: str, stream: OpStream, refused: set[int]) -> list[int]:
    """Answers of whoever takes the highest fit, but for the requests that it has ``refused``."""
    claims = iova_variants.load(variant).claims
    model, expected = reference_model(claims, stream.granule, stream.start_pfn), list[int]()
    for index, row in enumerate(map(Row._make, stream.ops.tolist())):
        if row.op == Op.ALLOC:
            pfn = model.highest_fit(row.size, row.limit_pfn, bool(row.flags))
            pfn = REFUSED if pfn is None or index in refused else pfn
            if pfn != REFUSED:
                model.add(pfn, pfn + row.size - 1)
        elif row.op == Op.RESERVE:
            pfn = row.limit_pfn - row.size + 1
            model.reserve(pfn, row.limit_pfn)
        else:
            pfn = expected[row.slot]  # there, a slot is the index of the op that fills it
            reserved = stream.ops["op"][row.slot] == Op.RESERVE
            if row.op == Op.FREE and pfn != REFUSED:
                if model.frees_reserved or not reserved:
                    model.free(pfn)
            elif row.op == Op.FIND and pfn != REFUSED and model.find(pfn) is None:
                pfn = REFUSED
        expected.append(pfn)
    return expected


@pytest.mark.parametrize(
    "variant", [name for name in REAL if Claim.EXACT in iova_variants.load(name).claims]
)
def test_exact_variants_agree_with_brute_force(variant: str) -> None:
    """Whoever claims to be complete too has nothing of its own to say: not even what it refuses."""
    complete = Claim.COMPLETE in iova_variants.load(variant).claims
    nr_refused = 0
    for seed in range(3):
        stream = random_stream(500 + seed, 700)
        result = full(variant, stream)
        refused = (result.pfns == REFUSED) & (stream.ops["op"] == Op.ALLOC)
        nr_refused += int(np.count_nonzero(refused))
        may_refuse = () if complete else np.flatnonzero(refused).tolist()
        assert result.pfns.tolist() == brute_force(variant, stream, set(may_refuse))
    assert nr_refused


def test_some_variant_is_complete_and_exact() -> None:
    claims = [iova_variants.load(name).claims for name in REAL]
    assert any(Claim.COMPLETE in claim and Claim.EXACT in claim for claim in claims)


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(LookupError, match="no variant named 'mapel'"):
        iova_variants.replay("mapel", random_stream(0, 10))
