"""Does every variant survive a refused request for memory, at whatever point it comes?

Each request that a short history makes is refused in turn, one per replay.  The op that made it
must then have done nothing at all: everything after it must go as in a history without that op.
Judge and invariants watch every op, and the replay itself counts what has not been given back.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import iova_variants
from iova_variants import Claim, CountedReplay, VariantError
from iova_variants.opstream import Op, OpFlag, OpStream
from tests.support.lab import REAL, Row, alloc, find, free, random_stream, reserve, stream_of

pytestmark = pytest.mark.sanitize

LIMIT_32BIT = 2**20 - 1
NEED_MEMORY_TO_FREE = [
    name for name in REAL if Claim.FREE_NEEDS_MEM in iova_variants.load(name).claims
]


def everything() -> OpStream:
    """All kinds of requests in a 32-bit space that fills up, each range in a slot of its own."""
    return random_stream(3, 250, reserves=0.1)


def packed() -> OpStream:
    """An aged domain: the requests that are refused may be among those that filled it."""
    rows = [alloc(slot, 1 + slot % 3, LIMIT_32BIT, flags=OpFlag.PACKED) for slot in range(40)]
    rows += [free(slot) for slot in range(0, 40, 3)]
    rows += [alloc(40 + slot, 2, LIMIT_32BIT) for slot in range(20)]
    return stream_of(rows, nr_ageing=50)


def deep() -> OpStream:
    """Enough ranges that come and go at random for a B-tree to split and join on two levels."""
    slots = list(range(180))
    rows = [alloc(slot, 1, LIMIT_32BIT) for slot in slots]
    random.Random(4).shuffle(slots)
    return stream_of(rows + [free(slot) for slot in slots])


def reserved() -> OpStream:
    """Reservations that stretch several ranges each and need a new one for what is left."""
    rows = [reserve(slot, 100 * slot, 100 * slot + 9) for slot in range(1, 20)]
    rows += [reserve(20 + slot, 200 * slot + 5, 200 * slot + 130) for slot in range(1, 9)]
    rows += [find(slot) for slot in range(1, 20)] + [alloc(30, 70, 2100), free(25), free(7)]
    return stream_of(rows)


HISTORIES = [everything, packed, deep, reserved]


def watched(variant: str, stream: OpStream, fail_alloc_at: int = 0) -> CountedReplay:
    return iova_variants.replay(
        variant,
        stream,
        pfns=True,
        judge=True,
        verify=True,
        build="counted",
        fail_alloc_at=fail_alloc_at,
    )


def first_ops(stream: OpStream, nr_ops: int) -> OpStream:
    return replace(stream, ops=stream.ops[:nr_ops], nr_ageing=min(stream.nr_ageing, nr_ops))


def requesters(variant: str, stream: OpStream) -> list[int]:
    """Index of the op that makes each request for memory, in order."""
    nr_ops = len(stream.ops)
    after = [
        iova_variants.replay(variant, first_ops(stream, nr), build="counted").nr_memory_requests
        for nr in range(nr_ops + 1)
    ]
    return [index for index in range(nr_ops) for _ in range(after[index + 1] - after[index])]


def without(stream: OpStream, index: int) -> tuple[OpStream, list[int]]:
    """Return the history without one op and all that names its range; and which ops are left."""
    row = Row._make(stream.ops[index].item())
    dependent = (
        stream.ops["slot"] == row.slot if row.op != Op.FREE else np.zeros_like(stream.ops, bool)
    )
    dependent[index] = True
    left = np.flatnonzero(~dependent)
    nr_ageing = int((left < stream.nr_ageing).sum())
    return replace(stream, ops=stream.ops[left], nr_ageing=nr_ageing), left.tolist()


def failures(variant: str, stream: OpStream) -> Iterator[tuple[int, int]]:
    """Number of each request for memory, and the op that makes it."""
    return enumerate(requesters(variant, stream), start=1)


def cases() -> Iterator[pytest.ParameterSet]:
    """Every variant with every history; on what has no B-tree, a deep one says little more."""
    for variant, history in product(REAL, HISTORIES):
        more = history is deep and variant not in NEED_MEMORY_TO_FREE
        marks = [pytest.mark.long] if more else []
        yield pytest.param(variant, history, marks=marks, id=f"{variant}-{history.__name__}")


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "history"), list(cases()))
def test_an_op_without_memory_does_nothing(variant: str, history: Callable[[], OpStream]) -> None:
    stream = history()
    for number, index in failures(variant, stream):
        result = watched(variant, stream, number)
        shorter, left = without(stream, index)
        expected = watched(variant, shorter)
        assert result.pfns[left].tolist() == expected.pfns.tolist()
        freeing = bool(stream.ops["op"][index] == Op.FREE)
        in_window = index >= stream.nr_ageing
        assert result.nr_failures == expected.nr_failures + (in_window and not freeing)
        assert result.nr_spurious == expected.nr_spurious
        leaks = in_window and freeing
        # Where reservations overlap, a range may be gone before it is freed by its own name.
        assert result.nr_leaked == leaks or (history is everything and not result.nr_leaked)


@pytest.mark.long
@pytest.mark.parametrize("variant", REAL)
def test_only_those_who_say_so_need_memory_to_free(variant: str) -> None:
    stream = deep()
    freeing = {index for index in requesters(variant, stream) if stream.ops["op"][index] == Op.FREE}
    assert len(freeing) == (180 if variant in NEED_MEMORY_TO_FREE else 0)


@pytest.mark.parametrize("variant", NEED_MEMORY_TO_FREE)
def test_a_range_that_could_not_be_freed_stays_live_and_can_be_freed_again(variant: str) -> None:
    """Slot 2 reserves a pfn inside the range of slot 0, so it names that range."""
    rows = [alloc(0, 4, 100), alloc(1, 4, 100), free(0)]
    rows += [alloc(2, 4, 100), reserve(3, 98, 98), find(3), free(3), alloc(4, 4, 100)]
    stream = stream_of(rows)
    number = requesters(variant, stream).index(2) + 1
    result = watched(variant, stream, number)
    assert result.pfns.tolist() == [97, 93, 97, 89, 98, 98, 98, 97]
    assert (result.nr_leaked, result.nr_failures) == (1, 0)


@pytest.mark.parametrize("variant", NEED_MEMORY_TO_FREE)
def test_a_leaked_range_goes_with_its_domain(variant: str) -> None:
    """The replay fails if an object is left over."""
    stream = stream_of([alloc(0, 1, 100), free(0)])
    number = requesters(variant, stream).index(1) + 1
    result = watched(variant, stream, number)
    assert (result.nr_leaked, result.nr_live) == (1, 0)


def cached() -> OpStream:
    """Two CPUs that fill and empty magazines of their own and of the depot."""
    rows = [alloc(slot, 1 + slot % 2, LIMIT_32BIT)._replace(cpu=slot % 2) for slot in range(700)]
    rows += [free(slot)._replace(cpu=slot % 2) for slot in range(700)]
    rows += [alloc(slot, 1, LIMIT_32BIT)._replace(cpu=1) for slot in range(700, 1000)]
    return stream_of(rows)


@pytest.mark.slow
@pytest.mark.parametrize("rcache", ["pre-6.7", "6.7", "7.3"])
@pytest.mark.parametrize("variant", REAL)
def test_an_rcache_without_memory_does_not_matter_to_what_is_live(
    variant: str, rcache: str
) -> None:
    """Among the thousands of requests, those of the layer itself and some of the variant's."""
    stream = cached()
    counted = iova_variants.replay(variant, stream, build="counted", rcache=rcache)
    most = counted.nr_memory_requests
    numbers = [*range(1, 4), *random.Random(variant + rcache).sample(range(4, most + 1), 60), most]
    for number in numbers:
        result = iova_variants.replay(
            variant, stream, judge=True, rcache=rcache, fail_alloc_at=number
        )
        assert result.nr_memory_requests >= number
        assert result.nr_failures <= 1
        assert 300 - result.nr_failures <= result.nr_live <= 300


def test_a_request_that_is_never_made_is_not_refused() -> None:
    stream = deep()
    plain = watched("mainline", stream)
    assert plain.nr_memory_requests == 180
    assert watched("mainline", stream, 181).nr_failures == plain.nr_failures == 0
    assert watched("mainline", stream, 180).nr_failures == 1


def test_one_replay_leaves_nothing_armed_for_the_next() -> None:
    stream = deep()
    watched("mainline", first_ops(stream, 10), 11)
    assert watched("mainline", stream).nr_failures == 0


@pytest.mark.long
def test_a_leak_on_the_way_out_is_found(tmp_path: Path) -> None:
    """A maple that forgets its nodes where it refuses."""
    source = (Path(iova_variants.__file__).parent / "maple.c").read_text(encoding="utf-8")
    right = "\tgap_stock_put(&iovad->ranges, &stock);\n\treturn err ? IOVA_REFUSED"
    assert source.count(right) == 1
    path = tmp_path / "maple.c"
    path.write_text(source.replace(right, "\tif (!err)\n\t" + right), encoding="utf-8")
    stream = deep()
    by = requesters(str(path), stream)
    second = next(at for at in range(1, len(by)) if by[at] == by[at - 1])
    watched(str(path), stream, second)
    with pytest.raises(VariantError, match=r"put_domain\(\) leaked 1 objects"):
        watched(str(path), stream, second + 1)


def test_the_timed_build_refuses_no_memory() -> None:
    stream = deep()
    if iova_variants.load("mainline", build="timed").build != "timed":
        pytest.skip("there is no timed build under IOVA_LAB_BUILD")
    assert not isinstance(
        iova_variants.replay("mainline", stream, build="timed"), iova_variants.CountedReplay
    )
    with pytest.raises(ValueError, match="the timed build refuses no memory"):
        iova_variants.replay("mainline", stream, build="timed", fail_alloc_at=1)


def test_requests_count_from_one() -> None:
    with pytest.raises(ValueError, match="fail_alloc_at -1 is negative"):
        iova_variants.replay("mainline", deep(), fail_alloc_at=-1)
