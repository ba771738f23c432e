"""What space does a gap-tracking B-tree take and leave (Rik van Riel, June 2026, v3 and later)?"""

from __future__ import annotations

import numpy as np

import iova_variants
from iova_lab import workloads
from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict
from iova_lab.claims.families.maple import MAINLINE, MAPLE, OURS, PAIR
from iova_lab.claims.judging import judge_band
from iova_lab.claims.measurement import Measured, Run
from iova_lab.claims.rules import band
from iova_lab.measuring import churn
from iova_lab.measuring.statistics import Interval
from iova_variants.making import LIMIT_48BIT
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops

#: When the first of these was said; claims are listed by it.
YEAR = 2026

MAIL = "Rik van Riel, iommu list, June 2026, v3 and later: iova on the maple tree"
NR_HOLES, BLOCK = 1024, 2


def _memory(run: Run) -> Measured:
    stream = workloads.generate("random_replace", run.least(100_000, 1_000))
    found = {}
    for name in PAIR:
        result = iova_variants.replay(name, stream)
        found[name] = result.bytes / result.nr_live
    return {"bytes_per_range": found}


def _judge_memory(measured: Measured) -> Finding:
    found = measured["bytes_per_range"]
    ratio = found[MAPLE] / found[MAINLINE]
    answer = f"bytes per range: {MAINLINE} {found[MAINLINE]:.1f}, {MAPLE} {found[MAPLE]:.1f}"
    verdict = Verdict.NOT
    if 0.8 <= ratio <= 1.25:
        verdict = Verdict.REPRODUCED
    elif ratio < 0.8:
        verdict = Verdict.PARTLY
    return Finding(verdict, f"{answer}: x{ratio:.2f}", Quantity("ratio", ratio, ratio))


MEMORY = Claim(
    id="maple-memory",
    claim="Memory use stays about the same.",
    source=MAIL,
    confidence="-",
    rule="Bytes per live range in whole slabs on random_replace, maple over mainline: reproduced "
    "if within x0.8 to x1.25, partly if less (not the same, and no objection), not if more.",
    why="A quarter more or a fifth less, which are the same factor.",
    not_in=OURS
    + " The struct iova that the kernel's API hands out per range is not included; if that "
    "stays beside the tree, it has to be added. The slab is the harness's.",
    judge=_judge_memory,
    measure=_memory,
    published=Quantity("ratio", 1, 1),
)


def holes() -> OpStream:
    """Fill with aligned blocks of two pages, free every other, ask for as many as went."""
    nr_filled = 2 * NR_HOLES
    ops = new_ops(nr_filled + 2 * NR_HOLES, limit_pfn=LIMIT_48BIT, size=BLOCK)
    ops["flags"] = OpFlag.SIZE_ALIGNED
    ops["slot"][:nr_filled] = np.arange(nr_filled)
    ops["op"][nr_filled : nr_filled + NR_HOLES] = Op.FREE
    freed = np.arange(0, nr_filled, 2)
    ops["slot"][nr_filled : nr_filled + NR_HOLES] = freed
    ops["slot"][nr_filled + NR_HOLES :] = freed
    return OpStream(ops, nr_ageing=nr_filled + NR_HOLES)


def reused(variant: str) -> int:
    """How many of the new blocks lie where one went."""
    stream = holes()
    pfns = iova_variants.replay(variant, stream, pfns=True).pfns
    return len(np.intersect1d(pfns[: 2 * NR_HOLES : 2], pfns[stream.nr_ageing :]))


def _judge_holes(measured: Measured) -> Finding:
    maple, mainline = measured["reused"][MAPLE], measured["reused"][MAINLINE]
    answer = f"of {NR_HOLES:,} holes: {MAPLE} uses {maple:,} again, {MAINLINE} {mainline:,}"
    verdict = Verdict.NOT
    if mainline == NR_HOLES and maple < NR_HOLES:
        verdict = Verdict.REPRODUCED if maple <= NR_HOLES // 100 else Verdict.PARTLY
    return Finding(verdict, answer)


HOLES = Claim(
    id="maple-holes",
    claim="An exactly fitting aligned hole is never used again: of 1024 freed holes of two pages "
    "maple uses 1, mainline 1024.",
    source="the lab's notes on v3, from a simulation",
    confidence="D",
    rule="The same 1024 holes: reproduced if mainline uses all and maple at most 10, partly if "
    "mainline uses all and maple fewer, not otherwise.",
    why="Never, but for the exception in the claim; one hundredth is allowed for the edges.",
    not_in="One size and a quiet domain; with freed neighbours a hole becomes larger, and usable.",
    judge=_judge_holes,
    measure=lambda run: {"reused": {name: reused(name) for name in PAIR}},
)


def _judge_span(measured: Measured) -> Finding:
    spans = measured["span"]
    ratio = spans[MAPLE] / spans[MAINLINE]
    said = f"span per live pfn: {MAINLINE} {spans[MAINLINE]:.2f}, {MAPLE} {spans[MAPLE]:.2f}"
    return judge_band(Interval.exact(ratio), *band(1.5), said)


SPAN = Claim(
    id="maple-span",
    claim="Steady random replacement of equal blocks spreads over 1.5 times the address space.",
    source="the lab's notes on v3, from a simulation",
    confidence="D",
    rule="Lowest to highest live pfn after 20 rounds over 1000 aligned blocks of 16 pages, maple "
    "over mainline: the rule of change for x1.5 (x1.25 to x2).",
    why="The rule of change above, as for every published ratio.",
    not_in="Other sizes and other lengths of churn.",
    judge=_judge_span,
    measure=lambda run: {"span": {name: churn.span(name) for name in PAIR}},
    published=Quantity("ratio", 1.5, 1.5),
)


def leaked(variant: str, nr_live: int) -> dict[str, int]:
    """Refuse memory once, at each request for it in turn: how often is a free without effect?"""
    stream = workloads.generate("near_empty", nr_live)
    nr_requests = iova_variants.replay(variant, stream, build="counted").nr_memory_requests
    first = max(nr_requests - 200, 1)
    leaks = [
        iova_variants.replay(variant, stream, judge=True, fail_alloc_at=at).nr_leaked
        for at in range(first, nr_requests + 1)
    ]
    return {"tried": len(leaks), "leaked": sum(leaks)}


def _judge_free(measured: Measured) -> Finding:
    maple, mainline = (measured["without_memory"][name] for name in (MAPLE, MAINLINE))
    answer = (
        f"memory refused once: {MAPLE} keeps a freed range in {maple['leaked']} of "
        f"{maple['tried']} trials, {MAINLINE} in {mainline['leaked']} of {mainline['tried']}"
    )
    verdict = Verdict.NOT
    if maple["leaked"] > 0:
        verdict = Verdict.REPRODUCED if mainline["leaked"] == 0 else Verdict.PARTLY
    return Finding(verdict, answer)


FREE_NEEDS = Claim(
    id="maple-free-needs-memory",
    claim="An erase may need memory, so an unmap may fail; mainline's needs none.",
    source="the lab's notes on v3 (Rik van Riel, iommu list, June 2026)",
    confidence="-",
    rule="Memory is refused once, at each of the last 200 requests for it on near_empty in turn: "
    "reproduced if a freed range ever stays live with maple and never with mainline, partly with "
    "both, not if never with maple.",
    why="For 'may' one case is enough; for 'none' no case is allowed.",
    not_in=OURS + " When memory runs short in a kernel is not modelled.",
    judge=_judge_free,
    measure=lambda run: {"without_memory": {name: leaked(name, 100) for name in PAIR}},
    seconds=3,
)
