"""The 32-bit space is full; one range is freed, one is allocated, and one more request fails.

Peng Zhang's first benchmark (iommu list, 2022, v1): all 2^20 pages below 4 GiB are taken, and every
third request fails.  For fewer live ranges, the domain begins higher: its ``start_pfn`` leaves
exactly ``nr_live`` pages below 4 GiB.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import (
    DMA_32BIT_PFN,
    LIMIT_32BIT,
    NR_MEASURED,
    pack,
    random_below,
)
from iova_variants.opstream import Op, OpStream, new_ops

MAX_NR_LIVE = DMA_32BIT_PFN - 1


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill to the last page, then cycles of free, alloc, alloc that is refused."""
    ops = new_ops(nr_live + NR_MEASURED, limit_pfn=LIMIT_32BIT)
    ops["slot"][:nr_live] = np.arange(nr_live)
    pack(ops[:nr_live])
    window = ops[nr_live:]
    nr_cycles = NR_MEASURED // 3
    victims = random_below(nr_live, nr_cycles, seed)
    window["op"][0::3] = Op.FREE
    window["slot"][0::3] = victims
    window["slot"][1::3] = victims
    window["slot"][2::3] = nr_live + np.arange(nr_cycles)
    return OpStream(ops, nr_ageing=nr_live, start_pfn=DMA_32BIT_PFN - nr_live)
