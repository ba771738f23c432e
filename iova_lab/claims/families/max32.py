"""What does a failing request cost in a full 32-bit space: before, after, and after a reset?"""

from __future__ import annotations

from functools import partial

import numpy as np

from iova_lab import workloads
from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict
from iova_lab.claims.counting import grow, growing, sizes_for
from iova_lab.claims.judging import judge_growth
from iova_lab.claims.measurement import Measured, Run
from iova_lab.measuring.cells import number
from iova_lab.measuring.counts import count
from iova_variants.making import DMA_32BIT_PFN, LIMIT_32BIT, pack
from iova_variants.opstream import Op, OpStream, new_ops

#: When the first of these was said; claims are listed by it.
YEAR = 2018

BEFORE, MAX32, RETRY, MAINLINE = "anchor", "max32", "retry", "mainline"
NR_ASKED = 8
RECIPE = "full_32bit"


def in_vain(nr_live: int) -> OpStream:
    """Fill below 4 GiB; the topmost range goes and comes; then nothing but requests in vain.

    The one that goes moves the cached node to the top, as any free near there does on a busy
    device: otherwise a search would begin at the lowest range and see nothing.
    """
    ops = new_ops(nr_live + 2 + NR_ASKED, limit_pfn=LIMIT_32BIT)
    ops["slot"] = np.arange(len(ops))
    pack(ops[:nr_live])
    ops["op"][nr_live] = Op.FREE
    ops["slot"][nr_live : nr_live + 2] = 0
    return OpStream(ops, nr_ageing=nr_live + 2, start_pfn=DMA_32BIT_PFN - nr_live)


def _after(run: Run) -> Measured:
    found: Measured = {"sizes": sizes_for(run), "nodes": []}
    for nr_live in found["sizes"]:
        whole = in_vain(nr_live)
        # The first request in vain is what is remembered, so it is ageing.
        stream = OpStream(whole.ops, whole.nr_ageing + 1, start_pfn=whole.start_pfn)
        found["nodes"].append(count(MAX32, stream).refused.mean)
    return found


def _judge_after(measured: Measured) -> Finding:
    nodes, largest = measured["nodes"], measured["sizes"][-1]
    answer = f"max32: {number(max(nodes))} nodes per repeated request in vain, up to {largest:,}"
    return Finding(Verdict.NOT if max(nodes) > 0 else Verdict.REPRODUCED, answer)


def _judge_reset(measured: Measured) -> Finding:
    sizes, nodes = measured["sizes"], measured["costs"][MAINLINE]
    growing = judge_growth("linear", MAINLINE, "nodes/refusal", less=Verdict.PARTLY)(measured)
    every = all(visited >= nr_live for nr_live, visited in zip(sizes, nodes, strict=True))
    verdict = growing.verdict
    if verdict is Verdict.REPRODUCED and not every:
        verdict = Verdict.PARTLY
    return Finding(verdict, growing.answer, growing.measured)


def _forgets(run: Run) -> Measured:
    stream = workloads.generate(RECIPE, run.least(10_000, 1_000))
    counts = {name: count(name, stream) for name in (MAX32, RETRY, MAINLINE)}
    return {
        "spurious": {name: one.nr_spurious for name, one in counts.items()},
        "nr_allocs": int((stream.ops["op"][stream.nr_ageing :] == Op.ALLOC).sum()),
    }


def _judge_forgets(measured: Measured) -> Finding:
    spurious = measured["spurious"]
    breaking = [name for name in (MAX32, RETRY) if spurious[name] > 0]
    verdict = Verdict.PARTLY
    if len(breaking) == 2 and spurious[MAINLINE] == 0:
        verdict = Verdict.REPRODUCED
    if not breaking:
        verdict = Verdict.NOT
    needless = ", ".join(f"{name} {n:,}" for name, n in spurious.items())
    return Finding(verdict, f"needless refusals of {measured['nr_allocs']:,} requests: {needless}")


BEE60 = "bee60e94a1e2, in v4.20"
NOT_IN = "Nodes, not time; fewer than 2^20 ranges fill a space whose start_pfn is moved up."

FULL = Claim(
    id="full-32bit-before",
    claim="With the space below 4 GiB full, every request there scans all live ranges before "
    "it fails, each time.",
    source=f"the case for max32_alloc_size ({BEE60}); v4.15 - v4.19",
    confidence="H",
    why="A scan of all is linear.",
    not_in=NOT_IN,
    **growing("Nodes per repeated request in vain, anchor", "linear", BEFORE, in_vain, "refused"),
)

REMEMBERED = Claim(
    id="full-32bit-after",
    claim="Once the size of a failed 32-bit request is recorded, the next of that size fails at "
    "once.",
    source=f"{BEE60}; v4.20 - v5.10",
    confidence="H",
    rule="Nodes per repeated request in vain, max32: reproduced if 0 at every size, not otherwise.",
    why="At once means: without a visit to the tree.",
    not_in=NOT_IN + " The first failure still scans.",
    judge=_judge_after,
    measure=_after,
)

RESET = Claim(
    id="full-32bit-reset",
    claim="Since any free below 4 GiB resets that record, a device that unmaps a page between two "
    "requests causes a scan of every live range again.",
    source="the lab's reading of 5b61343b5059 (v5.18); the case of Peng Zhang's v1, 2022",
    confidence="D",
    rule=f"Nodes per refused alloc on `{RECIPE}`, mainline: reproduced if linear and at least one "
    "per live range at every size; partly if only one of the two; not if at most logarithmic.",
    why="Every live range is at least n nodes, and some more for the descent.",
    not_in=NOT_IN,
    judge=_judge_reset,
    measure=partial(grow, variants=[MAINLINE], workload=RECIPE, kind="refused"),
    published=Quantity("exponent", 1, 1),
)

FORGETS = Claim(
    id="lost-reset",
    claim="From v4.20 to v5.17 a free below the cached node resets nothing, so requests fail "
    "although a fit exists; resetting at any 32-bit free fixes that.",
    source="5b61343b5059, in v5.18",
    confidence="H",
    rule=f"Needless refusals on `{RECIPE}`, judged against every gap: reproduced if max32 and "
    "retry have some and mainline none; not if neither has any; partly otherwise.",
    why="One spurious failure is enough to show it; none is allowed with the fix.",
    not_in="How often it happens depends on the workload: here a random range is freed each time.",
    judge=_judge_forgets,
    measure=_forgets,
)
