"""Has `retry` the faults of its kernels' second pass (CVE-2023-52910), and `mainline` not?"""

from __future__ import annotations

import dataclasses

import pytest

import iova_variants
from iova_lab.checking.soak_chunk import run_chunk
from iova_lab.checking.soak_streams import Chunk
from iova_lab.measuring import instructions
from iova_variants import Claim, Domain, EndlessError
from tests.support.lab import alloc, free, stream_of

#: start_pfn; what is allocated and freed first; the request that does not fit; what it gets.
STREAMS = {
    "below 1": (1, [], (3, 0x2), 0x0),
    "below 0x100": (0x100, [], (0x180, 0x1FF), 0x80),
    "after a free": (0x100, [(8, 0x107, 0x100)], (9, 0x107), 0xFF),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("variant", ["retry", "mainline"])
def test_a_request_that_does_not_fit_gets_a_range_below_start_pfn(variant: str, name: str) -> None:
    start_pfn, fits, (size, limit_pfn), wrong = STREAMS[name]
    with Domain(variant, start_pfn=start_pfn) as domain:
        for fit in fits:
            assert domain.alloc(*fit[:2]) == fit[2]
            domain.free(fit[2])
        assert domain.alloc(size, limit_pfn) == (wrong if variant == "retry" else None)
        domain.verify()


def test_the_breaches_are_declared() -> None:
    claims = iova_variants.load("retry").claims
    assert claims == Claim.BELOW_START | Claim.ENDLESS
    assert not iova_variants.load("mainline").claims


def test_with_start_pfn_0_a_failing_request_never_returns() -> None:
    domain = Domain("retry", start_pfn=0)
    with pytest.raises(EndlessError, match=r"retry: alloc\(2, 0x0, False\) .* does not return"):
        domain.alloc(2, 0)
    with pytest.raises(ValueError, match="closed"):
        domain.alloc(1, 0)
    with Domain("retry", start_pfn=0) as other:  # nothing else is lost
        assert other.alloc(1, 0) == 0
    with Domain("mainline", start_pfn=0) as domain:
        assert domain.alloc(2, 0) is None


@pytest.mark.sanitize
@pytest.mark.parametrize("judge", [False, True])
@pytest.mark.parametrize("rcache", ["off", "pre-6.7"])
@pytest.mark.parametrize("nr_ageing", [0, 2])
def test_a_replay_ends_at_the_op(judge: bool, rcache: str, nr_ageing: int) -> None:
    rows = [alloc(0, 2, 0), alloc(1, 1, 9)]
    stream = stream_of(rows, start_pfn=0, nr_ageing=nr_ageing)
    for _ in range(3):  # and nothing is left of it
        with pytest.raises(EndlessError, match=r"op 0: retry, .*: has visited .* does not return"):
            iova_variants.replay("retry", stream, judge=judge, rcache=rcache, build="counted")
    plain = stream_of([alloc(0, 1, 9)], start_pfn=0)
    assert iova_variants.replay("retry", plain, build="counted").nr_failures == 0


def test_a_build_that_counts_nothing_is_never_asked() -> None:
    """A timed replay, threads and a count of instructions ask the counted build first."""
    stream = stream_of([alloc(0, 2, 0)], start_pfn=0)
    with pytest.raises(EndlessError):
        iova_variants.replay("retry", stream)
    with pytest.raises(EndlessError):
        iova_variants.replay_threads("retry", stream, threads=2)
    with pytest.raises(EndlessError):
        instructions.count("retry", stream)


def test_a_replay_ends_inside_the_op_that_exceeds_its_budget() -> None:
    stream = stream_of([alloc(0, 2, 0)], start_pfn=0)
    with pytest.raises(iova_variants.TooLongError, match="op 0: more nodes visited"):
        iova_variants.replay("retry", stream, max_visits=1000)


def test_a_soak_counts_it_and_goes_on() -> None:
    stream = stream_of([alloc(0, 1, 9), alloc(1, 2**20, 9), alloc(2, 1, 9)], start_pfn=0)
    chunk = Chunk(0, stream, "off", verify=True, reserves="none")
    line = run_chunk("retry", chunk, timeout=None)
    assert (line["nr_endless"], line["nr_ops"]) == (0, 3)
    stream = stream_of([alloc(0, 1, 0), alloc(1, 2**20, 9), free(0), alloc(2, 2, 0)], start_pfn=0)
    line = run_chunk("retry", dataclasses.replace(chunk, stream=stream), timeout=None)
    assert (line["nr_endless"], line["nr_ops"]) == (1, 3)


def test_the_second_pass_begins_above_a_range_that_holds_the_limit() -> None:
    """[0x10..0x13], [0x18..0x1b]; a request below 0x1a.  One walk, and another of two gaps.

    Two steps of the descent end above 0x1b; a walk from 0x18 would look at one gap.
    """
    rows = [alloc(0, 4, 0x1B), alloc(1, 4, 0x13), alloc(2, 1, 0x19)]
    stream = stream_of(rows, start_pfn=0x10, nr_ageing=2)
    for variant in ("retry", "mainline"):
        result = iova_variants.replay(variant, stream, op_visits=True, pfns=True)
        assert (int(result.pfns[2]), result.visits["search"]) == (0x17, 1 + 2 + 2)


@pytest.mark.parametrize(("variant", "nr_nodes"), [("retry", 1), ("mainline", 1 + 2 + 1)])
def test_nothing_lies_between_the_start_and_the_limit(variant: str, nr_nodes: int) -> None:
    """The topmost range ends right below the limit: only since the fix is there a second pass."""
    rows = [alloc(0, 1, 0xFFFFF), alloc(1, 4, 0xFFFFF)]
    stream = stream_of(rows, start_pfn=0xFFFFE, nr_ageing=1)
    result = iova_variants.replay(variant, stream, op_visits=True)
    assert (result.nr_failures, result.visits["search"]) == (1, nr_nodes)
