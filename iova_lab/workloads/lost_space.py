"""Large ranges after which an allocator no longer sees the space above its cached node.

Two sequences from the list, both of 2020, in one gibibyte below ``nr_live`` long-lived pages:
500, 12 and 499 MiB are mapped, the 12 go, 13 are mapped, and 2 MiB are refused though 12 are free
(the case for the second pass, 4e89dce72521); and one page, half of the space aligned, one page
(Robin Murphy's 4K, 2G, 4K; here 512M in 1G, where his takes all 4G).  Everything is freed after
each.

    4 GiB |--- nr_live pages, filler ---|-------- 1 GiB --------| start_pfn
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import DMA_32BIT_PFN, LIMIT_32BIT, NR_MEASURED, pack
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops

MIB = 256  # pfns
GIB = 1024 * MIB
START_PFN = GIB // 2  # a multiple of the aligned half, which then fits at the very bottom
MAX_NR_LIVE = DMA_32BIT_PFN - START_PFN - GIB

# (op, slot, size, flags); slots count from nr_live
CYCLE = [
    (Op.ALLOC, 0, 500 * MIB, 0),
    (Op.ALLOC, 1, 12 * MIB, 0),
    (Op.ALLOC, 2, 499 * MIB, 0),
    (Op.FREE, 1, 0, 0),
    (Op.ALLOC, 3, 13 * MIB, 0),
    (Op.ALLOC, 4, 2 * MIB, 0),
    (Op.FREE, 0, 0, 0),
    (Op.FREE, 2, 0, 0),
    (Op.FREE, 3, 0, 0),
    (Op.FREE, 4, 0, 0),
    (Op.ALLOC, 0, 1, OpFlag.SIZE_ALIGNED),
    (Op.ALLOC, 1, GIB // 2, OpFlag.SIZE_ALIGNED),
    (Op.ALLOC, 2, 1, OpFlag.SIZE_ALIGNED),
    (Op.FREE, 0, 0, 0),
    (Op.FREE, 1, 0, 0),
    (Op.FREE, 2, 0, 0),
]


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill all but one gibibyte, then cycles of both sequences; ``seed`` has no effect."""
    ops = new_ops(nr_live + NR_MEASURED, limit_pfn=LIMIT_32BIT)
    ops["slot"][:nr_live] = np.arange(nr_live)
    pack(ops[:nr_live])
    # The last of the long-lived ranges takes what the others leave.
    ops["size"][nr_live - 1] = DMA_32BIT_PFN - START_PFN - GIB - (nr_live - 1)
    cycle = np.tile(np.array(CYCLE), (NR_MEASURED // len(CYCLE), 1))
    window = ops[nr_live:]
    window["op"], window["slot"] = cycle[:, 0], nr_live + cycle[:, 1]
    window["size"], window["flags"] = cycle[:, 2], cycle[:, 3]
    return OpStream(ops, nr_ageing=nr_live, start_pfn=START_PFN)
