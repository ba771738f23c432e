"""Does the typical case pay for an augmented tree, as Robin Murphy objected in 2022?"""

from __future__ import annotations

from functools import partial

from iova_lab import workloads
from iova_lab.claims import booted
from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict
from iova_lab.claims.counting import node_size
from iova_lab.claims.judging import judge_kind
from iova_lab.claims.measurement import Measured, Run
from iova_lab.claims.rules import compare, ratio_of
from iova_lab.claims.timing import paired
from iova_lab.measuring.cells import number
from iova_variants.opstream import OpStream

#: When the first of these was said; claims are listed by it.
YEAR = 2022

PAIR = ("mainline", "alignable")
#: "Almost twice": to the nearest half, it is two; and a tenth above twice is no longer almost.
ALMOST_TWICE = (1.5, 2.2)
NOT_IN = (
    "One thread, warm caches, an idle lock, user space; what the clock takes in each call "
    "is taken off. He does not define the typical case; "
    "here it is an alloc on near_empty, 100 live ranges."
)


def near_empty() -> tuple[OpStream, int]:
    """The common case; nothing of the measured part fills it."""
    return workloads.generate("near_empty", 100), 0


def _typical(run: Run) -> Measured:
    kernel = booted.instructions(run.results, PAIR, "near_empty", 100)
    return paired(run, PAIR, near_empty, short=True) | {"kernel": kernel}


def _judge_typical(measured: Measured) -> Finding:
    found = judge_kind(measured, "alloc", *ALMOST_TWICE)
    both = ratio_of(measured["log_ratios"]["both"])
    inside = "inside" if compare(both, *ALMOST_TWICE) == "in" else "outside"
    span = f"x{number(both.value)} [{number(both.lo)}..{number(both.hi)}]"
    beside = f"alloc and free together {span}, {inside} the rule's band"
    beside += f"; {booted.said(measured['kernel'], PAIR, 'alloc')}"
    return Finding(found.verdict, f"{found.answer}; beside it, {beside}", found.measured)


TWICE = Claim(
    id="typical-twice",
    claim='"The overwhelmingly typical case is now almost twice as slow".',
    source="Robin Murphy, iommu list, September 2022, declining Peng Zhang's v3",
    confidence="H",
    rule="Time of an alloc on near_empty, alignable over mainline: reproduced if the interval lies "
    "within x1.5 to x2.2, partly if it is slower by another factor, not if it is not slower.",
    why="Almost twice is nearer to twice than to the same, and not much above twice. Instructions "
    "of a booted kernel are shown and decide nothing: the claim is about time.",
    not_in=NOT_IN,
    judge=_judge_typical,
    measure=_typical,
    seconds=12,
    published=Quantity("ratio", *ALMOST_TWICE),
)


def _judge_node(measured: Measured) -> Finding:
    node, slab = measured["node_bytes"], measured["bytes_per_range"]
    answer = f"a node of {node} bytes, {slab:.1f} bytes per range in whole slabs"
    return Finding(Verdict.REPRODUCED if node <= 64 and slab <= 64 * 1.05 else Verdict.NOT, answer)


NODE = Claim(
    id="alignable-64-bytes",
    claim="All that the tree keeps fits into 64 bytes per range, a slab object as before.",
    source="Peng Zhang (ByteDance), iommu list, September 2022, v3",
    confidence="H",
    rule="sizeof of the node, and bytes per live range in whole slabs on random_replace: "
    "reproduced if at most 64, and at most 67.2 (5 % for partly filled slabs); not otherwise.",
    why="Sizes are exact; a slab is not always full.",
    not_in="Written from a description: the padding is that of the lab's compiler. The slab is "
    "the harness's, with the kernel's object sizes.",
    judge=_judge_node,
    measure=partial(node_size, variant="alignable"),
)
