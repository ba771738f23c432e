"""Every hole has exactly the size and alignment of the next request; are holes used again?

A network card or a disk that has run for long and always maps blocks of one size: here 64 pages
(256 KiB), more than the rcache keeps, so each request reaches the tree.  Every other block of the
filled space is free.  An allocator that searches for ``size + alignment - 1`` and aligns inside the
gap, as Rik van Riel's gap-tracking B-tree does (June 2026, v3), can't use a hole that fits
exactly.

    |..64..|  64  |..64..|  64  |..64..|  64  | ...  |..64..|  64  |   free   | start_pfn
    ^ 48-bit limit; holes dotted               the lowest block is live ^

Thirty-two blocks, or half of them, go and come, the oldest first.  The mask is 48 bits, so nothing
is refused: an allocator that does not use the holes takes new space below.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import LIMIT_48BIT, NR_MEASURED, pack, replace
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops

BLOCK = 64  # pfns
NR_MOVING = 32  # or half, so that there is a hole for each
MIN_NR_LIVE = 2
MAX_NR_LIVE = (LIMIT_48BIT + 1) // (2 * BLOCK) - 1


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, free every other block, map and replace some; ``seed`` has no effect."""
    nr_moving = min(NR_MOVING, nr_live // 2)
    nr_lasting = nr_live - nr_moving
    nr_filled = 2 * nr_lasting
    nr_ageing = nr_filled + nr_lasting + nr_moving
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_48BIT, size=BLOCK)
    ops["slot"][:nr_filled] = np.arange(nr_filled)
    pack(ops[:nr_filled])
    ops["op"][nr_filled : nr_ageing - nr_moving] = Op.FREE
    ops["slot"][nr_filled : nr_ageing - nr_moving] = np.arange(0, nr_filled, 2)
    moving = nr_filled + np.arange(nr_moving)
    ops["slot"][nr_ageing - nr_moving : nr_ageing] = moving
    replace(ops[nr_ageing:], moving[np.arange(NR_MEASURED // 2) % nr_moving])
    ops["flags"][nr_filled + nr_lasting :] = OpFlag.SIZE_ALIGNED
    return OpStream(ops, nr_ageing=nr_ageing)
