"""What all tests stand on: which variants to hold to account, and op streams to do it with."""

from __future__ import annotations

import dataclasses
import random
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_variants import Claim
from iova_variants.opstream import OP_DTYPE, Op, OpFlag, OpStream
from tests.support.lineage import REFERENCES, NeverReturnsError, Reference

#: Where C files of the tests' own are.
SUPPORT = Path(__file__).parent

REFUSED = 2**64 - 1

#: Every variant that tracks live ranges; a fake measures the harness alone.
REAL = [name for name in iova_variants.names() if Claim.FAKE not in iova_variants.load(name).claims]

#: Those of the discussion: what is known of each of them is tested beyond what it promises.
LINEAGE = sorted(REFERENCES)


def source_of(variant: str) -> str:
    """Return the C of a variant."""
    return Path(iova_variants.__path__[0], f"{variant}.c").read_text(encoding="utf-8")


def source_with(variant: str, *headers: str) -> str:
    """Return the C of a variant with these headers in place of their ``#include`` lines.

    One that another includes comes after it.
    """
    text = source_of(variant)
    for name in headers:
        header = Path(iova_variants.__path__[0], name).read_text(encoding="utf-8")
        text = text.replace(f'#include "{name}"', header)
    return text


#: Those with one object per range, a struct iova, in a tree that range_variant.h keeps.
ON_RANGE_TREE = [name for name in REAL if '#include "range_' in source_of(name)]


def _members(text: str, struct: str) -> list[str]:
    """Return the C of the members of one struct, whose first is another one's."""
    return text.split(f"struct {struct} {{")[1].split("};")[0].split(";")[:-1]


def own_members(variant: str) -> list[str]:
    """Return the C of what such a variant keeps beside its struct range_domain, a word each."""
    text = source_with(variant, "range_max32.h", "range_anchored.h")
    members = _members(text, "iova_domain")
    if members[0].split() == ["struct", "range_anchored", "anchored"]:
        members[:1] = _members(text, "range_anchored")
    assert members[0].split() == ["struct", "range_domain", "domain"]
    return members[1:]


def sizeof_range_domain(variant: str) -> int:
    """Return the bytes of the struct range_domain, which ends in a struct iova."""
    return iova_variants.load(variant).domain_size - 8 * len(own_members(variant))


def sizeof_range(variant: str) -> int:
    """Return the bytes of a struct iova: what a struct range_domain has beside five words."""
    return sizeof_range_domain(variant) - 40


def take_interrupts() -> None:
    """In a child, before its program starts: Ctrl-C ends it, also where a shell's & has SIGINT off.

    That SIGINT is off is inherited, and programs rightly leave it so.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Row(NamedTuple):
    """One op, in the order of `OP_DTYPE`."""

    limit_pfn: int = 0
    size: int = 0
    slot: int = 0
    dom: int = 0
    cpu: int = 0
    op: int = Op.ALLOC
    flags: int = 0
    zero: int = 0


def alloc(slot: int, size: int, limit_pfn: int, *, flags: int = 0, dom: int = 0) -> Row:
    """A request."""
    return Row(limit_pfn, size, slot, dom, op=Op.ALLOC, flags=flags)


def free(slot: int, *, dom: int = 0) -> Row:
    """A free of what ``slot`` got."""
    return Row(slot=slot, dom=dom, op=Op.FREE)


def reserve(slot: int, pfn_lo: int, pfn_hi: int, *, dom: int = 0) -> Row:
    """A reserved range."""
    return Row(pfn_hi, pfn_hi - pfn_lo + 1, slot, dom, op=Op.RESERVE)


def find(slot: int, *, dom: int = 0) -> Row:
    """A look-up of what ``slot`` got."""
    return Row(slot=slot, dom=dom, op=Op.FIND)


def stream_of(rows: Iterable[Sequence[int]], **header: int) -> OpStream:
    """Return these rows as an op stream."""
    return OpStream(np.array([tuple(row) for row in rows], OP_DTYPE), **header)


class Shape(NamedTuple):
    """What a random stream is drawn from."""

    granule: int
    start_pfn: int
    limits: list[int]
    sizes: list[int]
    nr_live: int


def random_shape(rng: random.Random) -> Shape:
    """Draw a domain, mostly with a 32-bit space that is soon full, and limits."""
    granule = 1 << rng.choice([26, 27, 24, 16, 12])
    d32 = 2**32 // granule
    start = rng.choice([0, 1, 1, 5, d32 // 2 if d32 < 200 else d32 - 60])
    low = [start + max(1, (d32 - start) // 4), start + max(1, (d32 - start) // 2)]
    limits = [d32 - 1] * 4 + [d32, d32 - 2, d32 + 1, d32 + 60, d32 + 60, d32 + 200] + low
    limits.append(2**64 // granule - 1)
    sizes = rng.choice([[1], [1, 1, 2, 3], [1, 2, 3, 4, 5, 7, 8, 16], [1, 40]])
    limits = [limit for limit in limits if limit >= start]
    return Shape(granule, start, limits, sizes, rng.choice([10, 30, 60, 120]))


def random_stream(
    seed: int, nr_ops: int, *, reserves: float = 0.02, finds: float = 0.03
) -> OpStream:
    """A long history of everything, in which about ``nr_live`` ranges live at a time."""
    rng = random.Random(seed)
    shape = random_shape(rng)
    d32 = 2**32 // shape.granule
    rows: list[Row] = []
    filled: list[int] = []
    while len(rows) < nr_ops:
        slot = len(rows)
        draw = rng.random()
        if draw < reserves:
            lo = rng.randrange(max(0, d32 - 160), d32 + 80)
            rows.append(reserve(slot, lo, lo + rng.choice([0, 1, 4, 19])))
        elif filled and draw < reserves + finds:
            rows.append(find(rng.choice(filled)))
            continue
        elif filled and rng.random() < len(filled) / (2 * shape.nr_live):
            rows.append(free(filled.pop(rng.randrange(len(filled)))))
            continue
        else:
            flags = rng.choice([0, 0, OpFlag.SIZE_ALIGNED])
            rows.append(alloc(slot, rng.choice(shape.sizes), rng.choice(shape.limits), flags=flags))
        filled.append(slot)
    return stream_of(rows, granule=shape.granule, start_pfn=shape.start_pfn)


def answers(reference: Reference, stream: OpStream) -> npt.NDArray[np.uint64]:
    """What `TimedReplay.pfns` would be if ``reference`` were run; it ends before an endless op."""
    slots: dict[int, int | None] = {}
    pfns = []
    for row in map(Row._make, stream.ops.tolist()):
        if row.op == Op.ALLOC:
            aligned = bool(row.flags & OpFlag.SIZE_ALIGNED)
            try:
                slots[row.slot] = reference.alloc(row.size, row.limit_pfn, aligned)
            except NeverReturnsError:
                break
        elif row.op == Op.RESERVE:
            slots[row.slot] = row.limit_pfn - row.size + 1
            reference.reserve(row.limit_pfn - row.size + 1, row.limit_pfn)
        pfn = slots[row.slot]
        if row.op == Op.FREE and pfn is not None:
            reference.free(pfn)
        if row.op == Op.FIND and pfn is not None and reference.find(pfn) is None:
            pfn = None
        pfns.append(REFUSED if pfn is None else pfn)
    return np.array(pfns, np.uint64)


def as_far_as_it_returns(variant: str, stream: OpStream) -> OpStream:
    """The stream, cut short before the first op that never returns where one is declared."""
    if Claim.ENDLESS not in iova_variants.load(variant).claims:
        return stream
    try:
        iova_variants.replay(variant, stream, build="counted")
    except iova_variants.EndlessError as error:
        ops = stream.ops[: error.op]
        nr_ageing = min(stream.nr_ageing, error.op)
        return dataclasses.replace(stream, ops=ops, nr_ageing=nr_ageing)
    return stream
