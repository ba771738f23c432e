"""Two routes on one domain: ranges in the rcache are not available to buffers allocated past it.

The RK3588 NPU's driver (its own document, September 2026, on kernel 6.1) takes large buffers from
alloc_iova(), past the rcache, in the domain in which dma_map_sg() maps small ones through it.
Small buffers that are unmapped stay in the magazines and the depot of drivers/iommu/iova.c, live in
the tree.  alloc_iova() does not empty these, so a large buffer is refused though no one uses the
space.

    4 GiB |128K|128K|  24 of them: 3 MiB  |128K|128K| ...  |128K| start_pfn

``start_pfn`` leaves no more space than that of the small buffers.  24 neighbours of 128 KiB, the
largest that the rcache keeps, are unmapped; one of 3 MiB is allocated past the rcache, and freed;
24 small ones are mapped again.  Without an rcache there is room for each of these requests.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import DMA_32BIT_PFN, LIMIT_32BIT, NR_MEASURED, pack, random_below
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops

SMALL = 32  # pfns
NR_TOGETHER = 24
LARGE = NR_TOGETHER * SMALL
NR_OPS = 2 * NR_TOGETHER + 2  # of a cycle
MIN_NR_LIVE = 2 * NR_TOGETHER
MAX_NR_LIVE = (DMA_32BIT_PFN - 1) // SMALL


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill to the last page, then cycles: small ones go, a large one comes and goes, small come."""
    ops = new_ops(nr_live + NR_MEASURED, limit_pfn=LIMIT_32BIT, size=SMALL)
    ops["slot"][:nr_live] = np.arange(nr_live)
    pack(ops[:nr_live])
    window = ops[nr_live:].reshape(-1, NR_OPS)
    groups = random_below(nr_live // NR_TOGETHER, len(window), seed).astype(np.int64)
    small = groups[:, np.newaxis] * NR_TOGETHER + np.arange(NR_TOGETHER)
    freed, large, mapped = np.split(np.arange(NR_OPS), [NR_TOGETHER, NR_TOGETHER + 2])
    window["op"][:, freed] = Op.FREE
    window["slot"][:, freed] = window["slot"][:, mapped] = small
    window["flags"][:, mapped] = OpFlag.SIZE_ALIGNED
    window["op"][:, large] = Op.ALLOC, Op.FREE
    window["slot"][:, large], window["size"][:, large] = nr_live, LARGE
    window["flags"][:, large] = OpFlag.PAST_RCACHE
    return OpStream(ops, nr_ageing=nr_live, start_pfn=DMA_32BIT_PFN - SMALL * nr_live)
