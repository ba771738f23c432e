"""Is the original allocator linear on a network card's rings, as EiovaR (FAST'15) reports?"""

from __future__ import annotations

from iova_lab.claims.claim import Claim, no_rule
from iova_lab.claims.counting import growing

#: When the first of these was said; claims are listed by it.
YEAR = 2015

PAPER = (
    'Malka, Amit, Tsafrir, "Efficient Intra-Operating System Protection Against Harmful DMAs", '
    "FAST'15 (EiovaR)"
)
ORIGINAL = "cached32"

LINEAR = Claim(
    id="eiovar-linear",
    claim="On a network card's rings, with buffers of two sizes and some that stay, the allocator "
    "of its time scans linearly.",
    source=PAPER,
    confidence="-",
    why="The claim is about the searches, so the worst op decides.",
    not_in="Nodes, not time. Rings as described, not the paper's traces, which are not public; a "
    "64-bit mask, for which the original has no cached node.",
    **growing(
        "Nodes of the worst op on ring_two_sizes, original allocator (cached32)",
        *("linear", ORIGINAL, "ring_two_sizes", "worst"),
    ),
)

SPEEDUP = Claim(
    id="eiovar-speedup",
    claim="A free list in front of the allocator makes standard benchmarks up to 5.5 "
    "times as fast.",
    source=PAPER,
    confidence="-",
    rule="None: the layer is no variant here, and the benchmarks need two machines and a network.",
    why="A ratio of throughput has the whole stack in its denominator; nodes and ns of an "
    "allocator do not predict it.",
    not_in="Everything. Nearest to its layer is the kernel's rcache: `iova-lab replay cached32 "
    "ring_two_sizes --rcache 6.7`.",
    judge=no_rule,
    cannot="throughput of whole machines on a network, and its free list is not among the variants",
)
