"""Is every impossible op stream refused, with the index of its op and the reason?"""

from __future__ import annotations

import numpy as np
import pytest

import iova_variants
from iova_variants.opstream import OP_DTYPE, Op, OpFlag, OpStream, StreamError, new_ops
from tests.support.lab import Row, alloc, find, free, reserve, stream_of

PACKED = OpFlag.PACKED
PAST = OpFlag.PAST_RCACHE
ALIGNED = OpFlag.SIZE_ALIGNED
A = alloc(0, 1, 100)  # a first op that nothing is wrong with

#: name: (rows, header, index of the op, message)
WRONG: dict[str, tuple[list[Row], dict[str, int], int, str]] = {
    "unknown op": ([A, Row(op=4)], {}, 1, "unknown op code"),
    "highest op": ([A, Row(op=255)], {}, 1, "unknown op code"),
    "unknown flag": ([A, alloc(1, 1, 100, flags=8)], {}, 1, "unknown flags"),
    "padding not zero": ([A, alloc(1, 1, 100)._replace(zero=1)], {}, 1, "unknown flags"),
    "slot too high": ([A, alloc(5, 1, 100)], {"nr_slots": 5}, 1, "slot is not below nr_slots"),
    "dom too high": ([A, alloc(1, 1, 100, dom=1)], {}, 1, "dom is not below nr_domains"),
    "size 0": ([A, alloc(1, 0, 100)], {}, 1, "size is 0"),
    "reserve of size 0": ([A, Row(9, 0, 1, op=Op.RESERVE)], {}, 1, "size is 0"),
    "limit below start": (
        [A._replace(limit_pfn=100), alloc(1, 1, 9)],
        {"start_pfn": 10},
        1,
        "limit_pfn lies below start_pfn",
    ),
    "limit too high": ([A, alloc(1, 1, 2**52)], {}, 1, "limit_pfn does not fit in 64 bits"),
    "limit too high for 64K": (
        [A, alloc(1, 1, 2**48)],
        {"granule": 65536},
        1,
        "limit_pfn does not fit in 64 bits",
    ),
    "reserve too high": ([A, reserve(1, 2**52, 2**52)], {}, 1, "limit_pfn does not fit in 64 bits"),
    "reserve below 0": ([A, Row(3, 5, 1, op=Op.RESERVE)], {}, 1, "reserved range begins below 0"),
    "filled twice": ([A, A], {}, 1, "slot is filled already"),
    "reserved after filled": ([A, reserve(0, 1, 2)], {}, 1, "slot is filled already"),
    "freed twice": ([A, free(0), free(0)], {}, 2, "slot is freed twice, or was never filled"),
    "never filled": ([A, free(1)], {}, 1, "slot is freed twice, or was never filled"),
    "found, not filled": ([A, find(1)], {}, 1, "slot is not filled"),
    "found after free": ([A, free(0), find(0)], {}, 2, "slot is not filled"),
    "freed elsewhere": (
        [A, free(0, dom=1)],
        {"nr_domains": 2},
        1,
        "slot was filled in another domain",
    ),
    "found elsewhere": (
        [A, find(0, dom=1)],
        {"nr_domains": 2},
        1,
        "slot was filled in another domain",
    ),
    "packed free": (
        [A, free(0)._replace(flags=PACKED)],
        {"nr_ageing": 2},
        1,
        "packed, but not an unaligned alloc",
    ),
    "packed aligned": (
        [alloc(0, 1, 100, flags=PACKED | ALIGNED)],
        {"nr_ageing": 1},
        0,
        "packed, but not an unaligned alloc",
    ),
    "packed and measured": ([alloc(0, 1, 100, flags=PACKED)], {}, 0, "packed, but measured"),
    "packed too late": (
        [A, alloc(1, 1, 100, flags=PACKED)],
        {"nr_ageing": 2},
        1,
        "packed after something else has happened in its domain",
    ),
    "packed after a reserve": (
        [reserve(0, 3, 4), alloc(1, 1, 100, flags=PACKED)],
        {"nr_ageing": 2},
        1,
        "packed after something else has happened in its domain",
    ),
    "packed below two limits": (
        [alloc(0, 1, 100, flags=PACKED), alloc(1, 1, 99, flags=PACKED)],
        {"nr_ageing": 2},
        1,
        "packed below another limit than the op before it",
    ),
    "past the rcache and back through it, no power of two": (
        [alloc(0, 3, 100, flags=PAST | ALIGNED), free(0)],
        {},
        1,
        "freed through the rcache, but allocated past it, and no aligned power of two",
    ),
    "past the rcache and back through it, not aligned": (
        [alloc(0, 4, 100, flags=PAST), free(0)],
        {},
        1,
        "freed through the rcache, but allocated past it, and no aligned power of two",
    ),
    "past the rcache and freed elsewhere": (
        [alloc(0, 3, 100, flags=PAST), free(0, dom=1)._replace(flags=PAST)],
        {"nr_domains": 2},
        1,
        "slot was filled in another domain",
    ),
    "packed beyond the start": (
        [alloc(0, 60, 100, flags=PACKED), alloc(1, 41, 100, flags=PACKED)],
        {"nr_ageing": 2},
        1,
        "packed, but there is no room left",
    ),
    "packed beyond 0": (
        [alloc(slot, 1, 1, flags=PACKED) for slot in range(3)],
        {"nr_ageing": 3, "start_pfn": 0},
        2,
        "packed, but there is no room left",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_an_impossible_op_is_named(case: str) -> None:
    rows, header, index, message = WRONG[case]
    stream = stream_of(rows, **header)
    with pytest.raises(StreamError, match=rf"^op {index}: {message}.* \(.*slot") as caught:
        iova_variants.check(stream)
    assert "\n" not in str(caught.value)
    with pytest.raises(StreamError) as by_replay:
        iova_variants.replay("mainline", stream)
    assert str(by_replay.value) == str(caught.value)


@pytest.mark.parametrize("case", WRONG)
def test_without_its_last_op_nothing_is_wrong(case: str) -> None:
    rows, header, index, _ = WRONG[case]
    header = dict(header)
    if "nr_ageing" in header:
        header["nr_ageing"] = index
    iova_variants.check(stream_of(rows[:index], **header))


HEADERS = [
    ({"granule": 0}, "granule is not a power of two from 2 to 2 GiB"),
    ({"granule": 1}, "granule is not a power of two from 2 to 2 GiB"),
    ({"granule": 4095}, "granule is not a power of two from 2 to 2 GiB"),
    ({"granule": 2**32}, "granule is not a power of two from 2 to 2 GiB"),
    ({"start_pfn": 2**52}, "start_pfn does not fit in 64 bits of address"),
    ({"nr_ageing": 2}, "more ageing ops than ops"),
    ({"nr_ageing": -1}, "more ageing ops than ops"),
    ({"nr_slots": 2**32 + 1}, "more slots or domains than an op can name"),
    ({"nr_domains": 2**16 + 1}, "more slots or domains than an op can name"),
    ({"nr_domains": -1}, "more slots or domains than an op can name"),
    ({"nr_domains": 0}, "op 0: dom is not below nr_domains"),
    ({"nr_slots": 0}, "op 0: slot is not below nr_slots"),
]


@pytest.mark.parametrize(("header", "message"), HEADERS)
def test_an_impossible_header_is_told(header: dict[str, int], message: str) -> None:
    with pytest.raises(StreamError, match=f"^{message}"):
        iova_variants.check(stream_of([A], **header))


@pytest.mark.parametrize("dtype", [np.uint8, np.dtype([("limit_pfn", "<u8")]), np.float64])
def test_wrong_dtype_is_told(dtype: np.dtype[np.generic]) -> None:
    with pytest.raises(StreamError, match=r"op stream has dtype .*, not "):
        OpStream(np.zeros(3, dtype))


def test_a_reordered_dtype_is_told() -> None:
    swapped = np.dtype([(name, OP_DTYPE[name].str) for name in reversed(OP_DTYPE.names or ())])
    with pytest.raises(StreamError, match="op stream has dtype"):
        OpStream(np.zeros(3, swapped))


def test_wrong_dimensions_are_told() -> None:
    with pytest.raises(StreamError, match="op stream has 2 dimensions, not 1"):
        OpStream(np.zeros((3, 3), OP_DTYPE))


def test_strided_ops_are_made_contiguous() -> None:
    ops = new_ops(6, limit_pfn=100)
    ops["slot"] = np.arange(6)
    ops["op"][1::2] = 99
    stream = OpStream(ops[::2])
    iova_variants.check(stream)
    assert stream.ops.flags.c_contiguous
    assert stream.nr_slots == 5


def test_an_empty_stream_is_possible() -> None:
    result = iova_variants.replay("mainline", OpStream(np.zeros(0, OP_DTYPE)), pfns=True)
    assert (result.nr_ops, result.nr_live, result.span) == (0, 0, 0)


def test_digest_covers_ops_and_header() -> None:
    streams = [
        stream_of([A]),
        stream_of([A._replace(cpu=1)]),
        stream_of([A], nr_ageing=1),
        stream_of([A], nr_slots=2),
        stream_of([A], nr_domains=2),
        stream_of([A], granule=8192),
        stream_of([A], start_pfn=2),
    ]
    assert len({stream.digest() for stream in streams}) == len(streams)
    assert stream_of([A]).digest() == streams[0].digest()
