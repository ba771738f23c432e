"""What did EiovaR (FAST'15) say of the allocator that it put a free list in front of?"""

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
    "of its time walks linearly.",
    source=PAPER,
    confidence="-",
    why="The claim's word is linear; it is of the walks, so of the worst op.",
    not_in="Nodes, not time. Rings as described, not the paper's traces, which are not public; a "
    "64-bit mask, where the original remembers nothing.",
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
    "allocator can't stand for it.",
    not_in="Everything. Nearest to its layer is the kernel's rcache: `iova-lab replay cached32 "
    "ring_two_sizes --rcache 6.7`.",
    judge=no_rule,
    cannot="throughput of whole machines on a network, and its free list is not among the variants",
)
