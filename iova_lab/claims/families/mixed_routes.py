"""What does an rcache cost those who allocate past it, in the same domain?"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import iova_variants
from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict
from iova_lab.claims.measurement import Measured, Run
from iova_variants import Rcache, RcacheReport
from iova_variants.making import DMA_32BIT_PFN, LIMIT_32BIT
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops

#: When the first of these was said; claims are listed by it.
YEAR = 2026

DOCUMENT = "the RK3588 NPU driver's own document, September 2026, on kernel 6.1"
VARIANT = "mainline"
MB = 256  # pfns: 2^20 bytes, as in the document
KIB_128, KIB_132, KIB_256 = 32, 33, 64  # pfns
NR_CHURNED = 4400
#: Buffers that fit, by their MB: in an empty domain, and after the churn.
FRESH = {16: 255, 64: 63, 128: 31, 192: 21}
CHURNED = {16: 221, 64: 55, 128: 27, 192: 18}
LOST_MB = 544
#: In MB, of one CPU: two magazines, and the depot.
MOST_HELD = round((2 + 32) * 127 * KIB_128 / MB)


def rcache() -> Rcache:
    """The one of 6.1, on one CPU."""
    return Rcache("pre-6.7", nr_cpus=1)


def buffers(mb: int, churned: int = 0, *, flush: bool = False) -> OpStream:
    """Map and unmap `NR_CHURNED` of ``churned`` pfns, then fill with buffers past the rcache.

    ``churned`` 0 is an empty domain.  ``flush``: between the two, a map that the tree can't serve
    empties the caches.
    """
    nr_churned = NR_CHURNED if churned else 0
    nr_large = DMA_32BIT_PFN // (mb * MB) + 1  # the last is refused, if no other is
    ops = new_ops(2 * nr_churned + 1 + nr_large, limit_pfn=LIMIT_32BIT, size=mb * MB)
    mapped, unmapped = np.split(ops[: 2 * nr_churned], 2)
    mapped["slot"] = unmapped["slot"] = np.arange(nr_churned)
    mapped["size"] = churned
    unmapped["op"] = Op.FREE
    whole, large = ops[2 * nr_churned : 2 * nr_churned + 1], ops[2 * nr_churned + 1 :]
    whole["slot"], whole["size"] = nr_churned, LIMIT_32BIT
    large["slot"] = nr_churned + 1 + np.arange(nr_large)
    large["flags"] = OpFlag.PAST_RCACHE
    kept = ops if flush else np.concatenate([mapped, unmapped, large])
    return OpStream(kept, nr_ageing=len(kept) - nr_large)


def capacity(stream: OpStream) -> tuple[int, RcacheReport]:
    """How many buffers fit, and what the caches held then."""
    found = iova_variants.replay(VARIANT, stream, build="counted", rcache=rcache())
    assert found.rcache is not None
    return found.nr_ops - found.nr_failures, found.rcache


def _capacities(churned: int = 0, *, flush: bool = False) -> dict[str, int]:
    return {str(mb): capacity(buffers(mb, churned, flush=flush))[0] for mb in FRESH}


def _named(counts: Mapping[int, int]) -> dict[str, int]:
    return {str(mb): count for mb, count in counts.items()}


def _of(counts: Mapping[str, int]) -> str:
    return "/".join(str(counts[str(mb)]) for mb in FRESH)


def _left(fresh: Mapping[str, int], churned: Mapping[str, int]) -> Quantity:
    """What share of the capacity is left, from the least to the greatest of all sizes."""
    shares = [churned[mb] / fresh[mb] for mb in fresh]
    return Quantity("ratio", min(shares), max(shares))


def _lost(run: Run) -> Measured:
    held = capacity(buffers(16, KIB_128))[1].held_pfns
    return {"fresh": _capacities(), "churned": _capacities(KIB_128), "held_pfns": held}


def _judge_lost(measured: Measured) -> Finding:
    fresh, churned = measured["fresh"], measured["churned"]
    lost = 16 * (fresh["16"] - churned["16"])
    said = (
        f"buffers of {'/'.join(map(str, FRESH))} MB: {_of(fresh)} before, {_of(churned)} after; "
        f"{lost} MB lost; the caches hold {measured['held_pfns'] / MB:.0f} of the {MOST_HELD} MB "
        "that they can"
    )
    verdict = Verdict.NOT
    if all(churned[mb] < fresh[mb] for mb in fresh):
        verdict = Verdict.PARTLY
    if (fresh, churned, lost) == (_named(FRESH), _named(CHURNED), LOST_MB):
        verdict = Verdict.REPRODUCED
    return Finding(verdict, said, _left(fresh, churned))


def _kept(run: Run) -> Measured:
    return {
        "fresh": _capacities(),
        "132K": _capacities(KIB_132),
        "256K": _capacities(KIB_256),
        "flushed": _capacities(KIB_128, flush=True),
    }


def _judge_kept(measured: Measured) -> Finding:
    fresh = measured["fresh"]
    nothing_lost = measured["132K"] == measured["256K"] == fresh
    all_back = measured["flushed"] == fresh
    said = (
        f"buffers of {'/'.join(map(str, FRESH))} MB: {_of(fresh)} before; {_of(measured['132K'])} "
        f"after a churn of 132 KiB, {_of(measured['256K'])} of 256 KiB; "
        f"{_of(measured['flushed'])} of 128 KiB and a map with flush"
    )
    verdict = Verdict.PARTLY if nothing_lost or all_back else Verdict.NOT
    return Finding(Verdict.REPRODUCED if nothing_lost and all_back else verdict, said)


NOT_IN = (
    "A domain of 4 GiB that holds nothing else, one CPU, and the churn as 4,400 maps and then as "
    "many unmaps; the driver's own order is not published."
)

LOST = Claim(
    id="mixed-routes-lost",
    claim="Buffers of alloc_iova() and of dma_map_sg() share a domain. A churn of 4,400 small "
    "buffers of 128 KiB lowers its capacity from 255, 63, 31 and 21 large buffers of 16, 64, 128 "
    "and 192 MB to 221, 55, 27 and 18: 544 MB lost, against the 540 MB that the rcache of one CPU "
    "can hold.",
    source=DOCUMENT,
    confidence="H",
    rule="Buffers past the rcache until one is refused, mainline behind the rcache of 6.1: "
    "reproduced if all eight capacities are those published and 16 MB times the difference of the "
    "first is 544 MB, partly if the capacity falls for each size, not otherwise.",
    why="These are counts without chance or time, so they must equal the published numbers.",
    not_in=NOT_IN,
    judge=_judge_lost,
    measure=_lost,
    published=_left(_named(FRESH), _named(CHURNED)),
)

KEPT = Claim(
    id="mixed-routes-kept",
    claim="A churn of buffers of 132 KiB or 256 KiB costs no capacity, and after one of 128 KiB a "
    "map with flush brings all of it back.",
    source=DOCUMENT,
    confidence="H",
    rule="The same, with the other two sizes; and with 128 KiB and a map through the rcache that "
    "the tree can't serve, so that it flushes: reproduced if every capacity is that of an empty "
    "domain, partly if only the sizes or only the flush do as claimed, not otherwise.",
    why="Nothing lost and all of it back are equalities of counts.",
    not_in=NOT_IN,
    judge=_judge_kept,
    measure=_kept,
)
