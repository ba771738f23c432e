"""Every other page of the 32-bit space is free, and requests for two aligned pages fail.

A long-running device leaves single-page holes between live ones; half of the space is free and no
request for two pages fits.  The kernel remembers the failed size (max32_alloc_size, since
v4.20, bee60e94a1e2), so between the requests one page near the top goes and comes back, as it
would on any busy device: since v5.18 (5b61343b5059) each such free resets the record, and the
kernel searches again.

    |......live 16......|.x.x.x.x.x.x.x.x.x.x.x.x ... x.x.x|
    ^ 4 GiB, packed      ^ down: one free, one live         ^ start_pfn
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import DMA_32BIT_PFN, LIMIT_32BIT, NR_MEASURED, pack
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops

NR_PACKED = 16  # the ranges that go and come; no hole there is ever two pages wide
MIN_NR_LIVE = NR_PACKED + 1
MAX_NR_LIVE = (DMA_32BIT_PFN - 1 + NR_PACKED) // 2


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, free every other page, then cycles of free, alloc, alloc of two; no randomness."""
    nr_filled = 2 * nr_live - NR_PACKED
    nr_ageing = nr_filled + (nr_live - NR_PACKED)
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_32BIT)
    ops["slot"][:nr_filled] = np.arange(nr_filled)
    pack(ops[:nr_filled])
    ops["op"][nr_filled:nr_ageing] = Op.FREE
    ops["slot"][nr_filled:nr_ageing] = np.arange(NR_PACKED, nr_filled, 2)
    window = ops[nr_ageing:]
    nr_cycles = NR_MEASURED // 3
    window["op"][0::3] = Op.FREE
    window["slot"][0::3] = np.arange(nr_cycles) % NR_PACKED
    window["slot"][1::3] = np.arange(nr_cycles) % NR_PACKED
    window["slot"][2::3] = nr_filled + np.arange(nr_cycles)
    window["size"][2::3] = 2
    window["flags"][2::3] = OpFlag.SIZE_ALIGNED
    return OpStream(ops, nr_ageing=nr_ageing, start_pfn=DMA_32BIT_PFN - nr_filled)
