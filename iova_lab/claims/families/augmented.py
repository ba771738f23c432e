"""Is a search by gap maxima (Rik van Riel, May 2026, v2) O(log n): always, aligned, any limit?"""

from __future__ import annotations

from collections.abc import Callable

import iova_variants
from iova_lab import workloads
from iova_lab.claims.claim import Claim, Finding, Quantity, Verdict
from iova_lab.claims.counting import SIZES, grow
from iova_lab.claims.judging import judge_growth
from iova_lab.claims.measurement import Measured, Run

#: When the first of these was said; claims are listed by it.
YEAR = 2026

MAIL = "Rik van Riel, iommu list, 18 May 2026, v2: rbtree with gap maxima"
VARIANT = "augmented"
RULE = "Nodes of the worst op on `{}`: reproduced if flat or logarithmic, not if they grow faster."
WHY = "O() bounds every request, so the worst op decides and not the mean."
NOT_IN = "Nodes, not time; what an update on the way up costs is in them, cache misses are not."
PUBLISHED = Quantity("exponent", 0, 0.3010)
JUDGE = judge_growth("logarithmic", VARIANT, "nodes, worst op,", less=Verdict.NOT)


def _worst(workload: str, most: int) -> Callable[[Run], Measured]:
    return lambda run: grow(run, [VARIANT], workload, "worst", most)


COMMON = Claim(
    id="augmented-log",
    claim="Gap maxima make the search O(log n) where mainline walks.",
    source=MAIL,
    confidence="-",
    rule=RULE.format("random_replace"),
    why=WHY + " random_replace is where mainline walks although nothing is fragmented.",
    not_in=NOT_IN,
    judge=JUDGE,
    measure=_worst("random_replace", 1_000_000),
    seconds=15,
    published=PUBLISHED,
)

ALIGNED = Claim(
    id="augmented-log-aligned",
    is_extension=True,
    claim="Taken at its word, that holds for aligned requests too.",
    source=MAIL,
    confidence="-",
    rule=RULE.format("misaligned_gaps"),
    why=WHY + " misaligned_gaps has gaps that are large enough and hold no aligned block.",
    not_in=NOT_IN,
    judge=JUDGE,
    measure=_worst("misaligned_gaps", SIZES[-1]),
    published=PUBLISHED,
)

ODD_LIMIT = Claim(
    id="augmented-log-odd-limit",
    is_extension=True,
    claim="Taken at its word, that holds for any limit, not only for 32 and 64 bits.",
    source=MAIL,
    confidence="-",
    rule=RULE.format("high_limit"),
    why=WHY + " high_limit asks with 40 bits below a space that is taken above.",
    not_in=NOT_IN,
    judge=JUDGE,
    measure=_worst("high_limit", SIZES[-1]),
    published=PUBLISHED,
)


def _node(run: Run) -> Measured:
    stream = workloads.generate("random_replace", run.least(100_000, 1_000))
    result = iova_variants.replay(VARIANT, stream)
    return {"node_bytes": result.node_bytes, "bytes_per_range": result.bytes / result.nr_live}


def _judge_node(measured: Measured) -> Finding:
    node, slab = measured["node_bytes"], measured["bytes_per_range"]
    answer = f"a node of {node} bytes, {slab:.1f} bytes per range in whole slabs"
    in_slab = 127.5 <= slab <= 128 * 1.05
    if node == 72:
        return Finding(Verdict.REPRODUCED if in_slab else Verdict.PARTLY, answer)
    return Finding(Verdict.PARTLY if in_slab else Verdict.NOT, answer)


NODE = Claim(
    id="augmented-node",
    claim="A node has 72 bytes, 128 in the slab.",
    source=MAIL + "; size derived from its fields",
    confidence="-",
    rule="sizeof of the node, and bytes per live range in whole slabs on `random_replace`: "
    "reproduced if 72, and 128 to 134.4 (5 % for partly filled slabs); partly if one of them.",
    why="Sizes are exact; a slab is not always full.",
    not_in="Written anew from a description: the fields are those of the patch, its padding "
    "is our compiler's. The slab is the harness's, with the kernel's object sizes.",
    judge=_judge_node,
    measure=_node,
)
