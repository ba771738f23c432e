"""Does the judge count what brute force counts?  Its treap against a list, on random histories."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import iova_variants
from iova_lab.checking.reference_model import reference_model
from iova_variants import Claim
from iova_variants.opstream import Op, OpFlag, OpStream
from tests.support.lab import (
    REAL,
    REFUSED,
    Row,
    alloc,
    as_far_as_it_returns,
    find,
    free,
    random_stream,
    reserve,
    stream_of,
)


class Counts(NamedTuple):
    """What the judge counts, in the window."""

    nr_failures: int
    nr_spurious: int
    nr_not_highest: int
    nr_above_limit: int


def brute_force(
    variant: str, stream: OpStream, pfns: np.ndarray[tuple[int], np.dtype[np.uint64]]
) -> Counts:
    """Judge these answers with nothing but the reference model."""
    model = reference_model(iova_variants.load(variant).claims, stream.granule, stream.start_pfn)
    reserved = set[int]()
    counts = np.zeros(4, int)
    for index, (row, pfn) in enumerate(
        zip(map(Row._make, stream.ops.tolist()), pfns.tolist(), strict=True)
    ):
        if row.op == Op.ALLOC:
            best = model.highest_fit(row.size, row.limit_pfn, bool(row.flags & OpFlag.SIZE_ALIGNED))
            refused = pfn == REFUSED
            above = not refused and pfn + row.size - 1 > row.limit_pfn
            verdict = (refused, refused and best is not None, not refused and pfn != best, above)
            counts += np.array(verdict) * (index >= stream.nr_ageing)
            if not refused:
                model.add(pfn, pfn + row.size - 1)
        elif row.op == Op.RESERVE:
            model.reserve(pfn, row.limit_pfn)
            reserved.add(row.slot)
        elif row.op == Op.FREE and pfn != REFUSED:
            if not model.frees_reserved and row.slot in reserved:
                continue
            model.free(pfn)
    return Counts(*counts.tolist())


def judged(variant: str, stream: OpStream) -> tuple[Counts, Counts]:
    """The judge's counts, and brute force's of the same answers."""
    stream = as_far_as_it_returns(variant, stream)
    result = iova_variants.replay(variant, stream, judge=True, pfns=True)
    counts = (result.nr_spurious, result.nr_not_highest, result.nr_above_limit)
    by_judge = Counts(result.nr_failures, *(count or 0 for count in counts))
    return by_judge, brute_force(variant, stream, result.pfns)


@st.composite
def streams(draw: st.DrawFn) -> OpStream:
    """Histories that Hypothesis can shrink; few limits, so that they fail often."""
    granule = 2 ** draw(st.integers(25, 28))
    d32 = 2**32 // granule
    start_pfn = draw(st.sampled_from([0, 1, 9]))
    limits = st.sampled_from([d32 - 1, d32, d32 + 20, max(d32 // 2, start_pfn), d32 * 8])
    rows: list[Row] = []
    filled: list[int] = []
    for slot in range(draw(st.integers(1, 40))):
        kind = draw(st.sampled_from("aaaafffrl"))
        if kind == "r":
            lo = draw(st.integers(0, d32 + 10))
            rows.append(reserve(slot, lo, lo + draw(st.integers(0, 12))))
        elif kind == "a" or not filled:
            flags = draw(st.sampled_from([0, OpFlag.SIZE_ALIGNED]))
            rows.append(alloc(slot, draw(st.integers(1, 9)), draw(limits), flags=flags))
        elif kind == "f":
            rows.append(free(filled.pop(draw(st.integers(0, len(filled) - 1)))))
            continue
        else:
            rows.append(find(draw(st.sampled_from(filled))))
            continue
        filled.append(slot)
    ageing = draw(st.integers(0, len(rows)))
    return stream_of(rows, granule=granule, start_pfn=start_pfn, nr_ageing=ageing)


@pytest.mark.slow
@pytest.mark.sanitize
@pytest.mark.parametrize("variant", REAL)
@given(stream=streams())
def test_short_histories(variant: str, stream: OpStream) -> None:
    by_judge, by_hand = judged(variant, stream)
    assert by_judge == by_hand


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("variant", REAL)
def test_long_histories(variant: str, seed: int) -> None:
    by_judge, by_hand = judged(variant, random_stream(100 + seed, 800))
    assert by_judge == by_hand


@pytest.mark.slow
def test_the_histories_hold_all_that_is_counted() -> None:
    names = ["anchor", "cached32", "cached64", "max32"]
    counts = [
        judged(name, random_stream(100 + seed, 800))[1] for name in names for seed in range(4)
    ]
    assert all(sum(column) > 50 for column in zip(*counts, strict=True))


@pytest.mark.parametrize("variant", REAL)
def test_claims_are_kept(variant: str) -> None:
    """Where a claim is made, the judge would have raised; here its counts say the same."""
    claims = iova_variants.load(variant).claims
    for seed in range(4):
        counts = judged(variant, random_stream(200 + seed, 800))[0]
        assert not counts.nr_spurious or Claim.COMPLETE not in claims
        assert not counts.nr_not_highest or Claim.EXACT not in claims
        assert not counts.nr_above_limit or Claim.ABOVE_LIMIT in claims


def test_fake_variants_are_not_judged() -> None:
    for name in set(iova_variants.names()) - set(REAL):
        result = iova_variants.replay(name, random_stream(0, 500), judge=True)
        assert (result.nr_failures, result.nr_spurious, result.nr_not_highest) == (0, 0, 0)
