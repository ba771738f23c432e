"""Is packed ageing honest?  A domain aged with place() against one that did every search.

Where both are affordable they must be in the identical state (all words of dump(): shape of the
tree, ranges, cached nodes), and go on identically: same answers and same nodes visited, op by op.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import iova_variants
from iova_lab import workloads
from iova_lab.checking import promises
from iova_variants import Domain
from iova_variants.opstream import Op, OpFlag, OpStream
from tests.support.lab import REAL, Row, alloc, free, stream_of

pytestmark = pytest.mark.sanitize

PLACING = [name for name in iova_variants.names() if iova_variants.load(name).has_place]
LIMITS = {"24 bit": 2**12 - 1, "32 bit": 2**20 - 1, "33 bit": 2**21 - 1, "64 bit": 2**52 - 1}
PLACE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong
)


def place(domain: Domain, pfn_lo: int, size: int, limit_pfn: int) -> None:
    """Insert without a search; Python's own interface has no use for that."""
    assert PLACE(domain.variant.ops.place)(domain._open(), pfn_lo, size, limit_pfn) == 0


def unpacked(stream: OpStream) -> OpStream:
    """The same requests, every one of them searched for."""
    ops = stream.ops.copy()
    ops["flags"] &= np.uint8(~OpFlag.PACKED & 0xFF)
    header = {"nr_slots": stream.nr_slots, "nr_domains": stream.nr_domains}
    return OpStream(
        ops, stream.nr_ageing, granule=stream.granule, start_pfn=stream.start_pfn, **header
    )


def test_some_variant_places() -> None:
    assert PLACING


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("variant", PLACING)
@given(sizes=st.lists(st.one_of(st.just(1), st.integers(1, 40)), max_size=80))
def test_placing_leaves_the_state_of_a_search(
    variant: str, limit: str, sizes: Sequence[int]
) -> None:
    limit_pfn = LIMITS[limit]
    with Domain(variant) as placed, Domain(variant) as searched:
        low = limit_pfn + 1
        for size in sizes:
            low -= size
            place(placed, low, size, limit_pfn)
            assert searched.alloc(size, limit_pfn) == low
        placed.verify()
        assert np.array_equal(placed.dump(), searched.dump())


@pytest.mark.parametrize("nr_live", [1, 2, 1000, 5000])
@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("variant", PLACING)
def test_placing_many_leaves_the_state_of_a_search(variant: str, limit: str, nr_live: int) -> None:
    limit_pfn = LIMITS[limit]
    nr_live = min(nr_live, limit_pfn)
    with Domain(variant) as placed, Domain(variant) as searched:
        for pfn in range(limit_pfn, limit_pfn - nr_live, -1):
            place(placed, pfn, 1, limit_pfn)
            assert searched.alloc(1, limit_pfn) == pfn
        assert np.array_equal(placed.dump(), searched.dump())


@st.composite
def aged_streams(draw: st.DrawFn) -> OpStream:
    """Two domains, packed with mixed sizes below two limits, then everything mixed."""
    rows: list[Row] = []
    filled: list[tuple[int, int]] = []
    limits = [draw(st.sampled_from(list(LIMITS.values()))) for _ in range(2)]
    for size in draw(st.lists(st.integers(1, 30), max_size=40)):
        dom = draw(st.integers(0, 1))
        filled.append((len(rows), dom))
        rows.append(alloc(len(rows), size, limits[dom], flags=OpFlag.PACKED, dom=dom))
    nr_ageing = len(rows)
    for kind in draw(st.lists(st.sampled_from("aaff"), min_size=1, max_size=30)):
        if kind == "f" and filled:
            slot, dom = filled.pop(draw(st.integers(0, len(filled) - 1)))
            rows.append(free(slot, dom=dom))
            continue
        dom = draw(st.integers(0, 1))
        limit_pfn = draw(st.sampled_from([*LIMITS.values(), limits[dom], limits[dom]]))
        flags = draw(st.sampled_from([0, OpFlag.SIZE_ALIGNED]))
        filled.append((len(rows), dom))
        rows.append(alloc(len(rows), draw(st.integers(1, 30)), limit_pfn, flags=flags, dom=dom))
    return stream_of(rows, nr_ageing=nr_ageing, nr_domains=2)


def assert_goes_on_identically(variant: str, stream: OpStream) -> None:
    aged = iova_variants.replay(variant, stream, pfns=True, op_visits=True)
    searched = iova_variants.replay(variant, unpacked(stream), pfns=True, op_visits=True)
    assert np.array_equal(aged.pfns, searched.pfns)
    assert np.array_equal(aged.op_visits, searched.op_visits)
    assert aged.visits == searched.visits
    assert (aged.nr_live, aged.span, aged.bytes) == (
        searched.nr_live,
        searched.span,
        searched.bytes,
    )


@pytest.mark.slow
@pytest.mark.parametrize("variant", REAL)
@given(stream=aged_streams())
def test_any_future_is_the_same(variant: str, stream: OpStream) -> None:
    assert_goes_on_identically(variant, stream)


def packed_workloads() -> list[str]:
    """The workloads that place ranges; a recording, which takes long to read, never does."""
    found = []
    for name in promises.grid():
        nr_live = min(workloads.get(name).max_nr_live, 200)
        ops = workloads.generate(name, nr_live).ops
        if ((ops["flags"] & OpFlag.PACKED) > 0).any():
            found.append(name)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("nr_live", [100, pytest.param(1200, marks=pytest.mark.long)])
@pytest.mark.parametrize("workload", packed_workloads())
@pytest.mark.parametrize("variant", REAL)
def test_every_window_is_that_of_a_searched_domain(
    variant: str, workload: str, nr_live: int
) -> None:
    if workloads.get(workload).why_not(nr_live):
        nr_live = 50
    assert_goes_on_identically(variant, workloads.generate(workload, nr_live))


@pytest.mark.parametrize("variant", PLACING)
def test_ageing_visits_few_nodes(variant: str) -> None:
    """What place() is for: far below the 50 million nodes that 10,000 searches would visit."""
    rows = [alloc(slot, 1, 2**52 - 1, flags=OpFlag.PACKED) for slot in range(10_000)]
    rows.append(Row(slot=0, op=Op.FREE))
    stream = stream_of(rows, nr_ageing=10_000)
    iova_variants.replay(variant, stream, max_visits=200_000)
