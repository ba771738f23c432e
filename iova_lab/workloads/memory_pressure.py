"""The 32-bit space is nearly full; ranges of mixed sizes are freed and allocated.

A 32-bit device that maps as much as it can: the space below 4 GiB is full but for 32 holes of 1 to
8 pages all over it.  A range of any size is freed and one of its size allocated; then 1, 2, 4, 8 or
16 pages are requested and, where there was a hole, freed again.  A hole of sixteen is rare,
although far more pages are free, and each free makes the kernel search for the next in full (any
32-bit free resets max32_alloc_size since v5.18, 5b61343b5059).

    4 GiB |xxxx.xxxx..xx.xxxxxxxxxxxx....xxxxxx.xxxx  ...  xx........xxxxxxx.x| start_pfn

``start_pfn`` leaves no more space than that.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import (
    DMA_32BIT_PFN,
    LIMIT_32BIT,
    NR_MEASURED,
    pack,
    random_below,
    spread,
)
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops

#: In this order, from the top down, every range is aligned to its size.
SIZES = np.array([8, 4, 4, 2, 2, 1, 1, 1, 1])
NR_ORDERS = 5  # of the requests at the edge: 1 to 16 pages
NR_HOLES = 32  # or one for 16 live ranges
MIN_NR_LIVE = 16
MAX_NR_LIVE = (DMA_32BIT_PFN - 1) // int(SIZES.sum()) * len(SIZES) - NR_HOLES


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill to the last page, make holes, then cycles: one is replaced, one is asked for."""
    nr_holes = min(NR_HOLES, nr_live // 16)
    nr_filled = nr_live + nr_holes
    nr_ageing = nr_filled + nr_holes
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_32BIT)
    sizes = SIZES[np.arange(nr_filled) % len(SIZES)]
    ops["slot"][:nr_filled] = np.arange(nr_filled)
    ops["size"][:nr_filled] = sizes
    pack(ops[:nr_filled])
    holes = spread(nr_filled, nr_holes, seed)
    ops["op"][nr_filled:nr_ageing] = Op.FREE
    ops["slot"][nr_filled:nr_ageing] = holes

    live = np.delete(np.arange(nr_filled), holes.astype(np.int64))
    window = ops[nr_ageing:].reshape(-1, 4)
    draws = random_below(nr_live * NR_ORDERS, len(window), seed + 1)
    victims, orders = np.divmod(draws.astype(np.int64), NR_ORDERS)
    window["op"][:, [0, 3]] = Op.FREE
    window["slot"][:, 0:2] = live[victims][:, np.newaxis]
    window["slot"][:, 2:4] = nr_filled
    window["size"][:, 1] = sizes[live[victims]]
    window["size"][:, 2] = 2**orders
    window["flags"][:, 1:3] = OpFlag.SIZE_ALIGNED
    return OpStream(ops, nr_ageing=nr_ageing, start_pfn=DMA_32BIT_PFN - int(sizes.sum()))
