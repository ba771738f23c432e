"""256 blocks of 2 MiB are freed in a row, and as many are allocated.

NVMe with large I/O: 512 pages, size-aligned.  The rcache (drivers/iommu/iova.c) keeps ranges of
up to 32 pages, so each of these requests takes the allocator's lock and searches its tree, with the
rcache on as with it off.  Batched frees leave as many holes as there are blocks in a batch, and the
allocations that follow fill them.  A batch is 256 blocks, or a quarter of the live ones where that
is less.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import (
    LIMIT_48BIT,
    NR_MEASURED,
    pack,
    replace_in_batches,
    spread,
)
from iova_variants.opstream import OpFlag, OpStream, new_ops

BLOCK = 512  # pfns
NR_BATCH = 256
MIN_NR_LIVE = 4  # a quarter is one block
MAX_NR_LIVE = LIMIT_48BIT // BLOCK


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, then batches: random blocks go, as many come."""
    nr_batch = min(NR_BATCH, nr_live // 4)
    nr_pairs = NR_MEASURED // 2
    ops = new_ops(nr_live + NR_MEASURED, limit_pfn=LIMIT_48BIT, size=BLOCK)
    ops["slot"][:nr_live] = np.arange(nr_live)
    pack(ops[:nr_live])
    ops["flags"][nr_live:] = OpFlag.SIZE_ALIGNED
    victims = spread(nr_live, nr_batch, seed, nr_rounds=-(-nr_pairs // nr_batch))
    replace_in_batches(ops[nr_live:], victims[:nr_pairs], nr_batch)
    return OpStream(ops, nr_ageing=nr_live)
