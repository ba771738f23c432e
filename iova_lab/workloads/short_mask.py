"""A 24-bit device fills its space, and requests of a 32-bit neighbour then fail spuriously.

Devices of different masks that share a domain.  The allocator remembers the size that failed
(max32_alloc_size, since v4.20, bee60e94a1e2) but not under which limit, so a failure below 16 MiB
refuses requests below 4 GiB.  v4.15 to v4.19 refuse too: they look below the last range only.

    4 GiB |xxx all but 64 xxx|......... free .........|xx 64 xx| start_pfn
                                               16 MiB ^ full

The 24-bit range that is replaced is always the lowest, where the kernel starts to search: so
v4.20 to v5.17, which reset the record only at such a free, also search and fail each time.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import (
    DMA_32BIT_PFN,
    LIMIT_24BIT,
    LIMIT_32BIT,
    NR_MEASURED,
    pack,
)
from iova_variants.opstream import Op, OpStream, new_ops

NR_24BIT = 64  # or half; few, because a linear variant passes all the others on the way to each
MIN_NR_LIVE = 2
MAX_NR_LIVE = NR_24BIT + DMA_32BIT_PFN - (LIMIT_24BIT + 1) - 1  # one page between 16 MiB and 4 GiB


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill; then cycles: a 24-bit range goes and comes, one more is refused, 32 bits are asked.

    ``seed`` has no effect.
    """
    nr_cycles = NR_MEASURED // 6
    ops = new_ops(nr_live + NR_MEASURED, limit_pfn=LIMIT_32BIT)
    nr_24bit = min(NR_24BIT, nr_live // 2)
    nr_32bit = nr_live - nr_24bit
    ops["slot"][:nr_live] = np.arange(nr_live)
    pack(ops[:nr_32bit])
    ops["limit_pfn"][nr_32bit:nr_live] = LIMIT_24BIT
    window = ops[nr_live:].reshape(nr_cycles, 6)
    # What should be refused is freed too, for those who answer above the limit.
    window["op"][:, [0, 3, 5]] = Op.FREE
    window["limit_pfn"][:, 1:3] = LIMIT_24BIT
    window["slot"][:, 0:2] = nr_live - 1
    window["slot"][:, 2:6] = nr_live
    return OpStream(ops, nr_ageing=nr_live, start_pfn=LIMIT_24BIT + 1 - nr_24bit)
