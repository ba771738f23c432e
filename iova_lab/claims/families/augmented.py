"""Is a search by gap maxima (Rik van Riel, May 2026, v2) O(log n): always, aligned, any limit?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from iova_lab.claims.claim import Claim, Finding, Verdict
from iova_lab.claims.counting import SIZES, growing, node_size
from iova_lab.claims.measurement import Measured

#: When the first of these was said; claims are listed by it.
YEAR = 2026

MAIL = "Rik van Riel, iommu list, 18 May 2026, v2: rbtree with gap maxima"
VARIANT = "augmented"
WHY = "O() bounds every request, so the worst op decides and not the mean."
NOT_IN = "Nodes, not time; updates on the way up are included, cache misses are not."


def _bounded(name: str, claim: str, workload: str, why: str, most: int = SIZES[-1]) -> Claim:
    """The worst op on one workload is O(log n)."""
    return Claim(
        id=name,
        claim=claim,
        source=MAIL,
        confidence="-",
        why=f"{WHY} {why}",
        not_in=NOT_IN,
        **growing(
            f"Nodes of the worst op on `{workload}`",
            *("logarithmic", VARIANT, workload, "worst", most),
        ),
    )


COMMON = replace(
    _bounded(
        "augmented-log",
        "Gap maxima make the search O(log n) where mainline walks.",
        "random_replace",
        "random_replace is where mainline walks although nothing is fragmented.",
        1_000_000,
    ),
    seconds=15,
)

ALIGNED = replace(
    _bounded(
        "augmented-log-aligned",
        "Taken at its word, that holds for aligned requests too.",
        "misaligned_gaps",
        "misaligned_gaps has gaps that are large enough and hold no aligned block.",
    ),
    is_extension=True,
)

ODD_LIMIT = replace(
    _bounded(
        "augmented-log-odd-limit",
        "Taken at its word, that holds for any limit, not only for 32 and 64 bits.",
        "high_limit",
        "high_limit has requests of 40 bits below a space that is taken above.",
    ),
    is_extension=True,
)


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
    not_in="Written from a description: the fields are those of the patch, the padding is that "
    "of the lab's compiler. The slab is the harness's, with the kernel's object sizes.",
    judge=_judge_node,
    measure=partial(node_size, variant=VARIANT),
)
