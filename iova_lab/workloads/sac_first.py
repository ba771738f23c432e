"""A PCI device always requests addresses below 4 GiB first, although that space is full.

The policy of drivers/iommu/dma-iommu.c before v6.6: a PCI device that could use 64 bits of address
is served with 32 (a single address cycle, "SAC") while that works, and under its full mask when it
does not.  Once the space below 4 GiB is full and ranges go on both sides of it, each free below
4 GiB resets the record that it is full (max32_alloc_size; since v5.18, 5b61343b5059), and the next
attempt searches all of it and fails.

    |.. high: at most 250 ..|   free   |xxxxxxx low: full to the last page xxxxxxx|
    ^ full mask                        ^ 4 GiB                          start_pfn ^

An op stream cannot depend on answers, so it follows the policy with a complete allocator: the
page that has just gone is the only one below 4 GiB, so the attempt after it succeeds, the next
two do not and are repeated under the full mask.  Where an allocator refuses the first of the three
spuriously (max32, retry), that request is not repeated.  `sac_first_6_6`: the same device since
v6.6.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from iova_variants.making import (
    DMA_32BIT_PFN,
    LIMIT_32BIT,
    LIMIT_64BIT,
    NR_MEASURED,
    pack,
    random_below,
)
from iova_variants.opstream import Op, OpStream, new_ops

NR_HIGH = 250  # few, because variants that search from the top pass them all to get to 4 GiB
MIN_NR_LIVE = 4  # a quarter is above 4 GiB
MAX_NR_LIVE = DMA_32BIT_PFN - 1 + NR_HIGH


def nr_low_of(nr_live: int) -> int:
    """Return how many of the live ranges are below 4 GiB when the window begins."""
    return nr_live - min(nr_live // 4, NR_HIGH)


def filled(nr_live: int) -> npt.NDArray[np.void]:
    """Fill the low side; one attempt there is refused; then fill the high side.

    Slots below `nr_low_of` are low, those from there to ``nr_live`` are high, and slot
    ``nr_live`` is the attempt's.  Room for the window follows.
    """
    nr_low = nr_low_of(nr_live)
    ops = new_ops(nr_live + 1 + NR_MEASURED, limit_pfn=LIMIT_64BIT)
    ops["limit_pfn"][: nr_low + 1] = LIMIT_32BIT
    ops["slot"][:nr_low] = np.arange(nr_low)
    pack(ops[:nr_low])
    ops["slot"][nr_low] = nr_live
    ops["slot"][nr_low + 1 : nr_live + 1] = np.arange(nr_low, nr_live)
    return ops


def victims(nr_live: int, nr_cycles: int, seed: int) -> npt.NDArray[np.int64]:
    """Return (``nr_cycles``, 3) slots whose ranges go: a random low one, two high, oldest first."""
    nr_low = nr_low_of(nr_live)
    high = np.arange(2 * nr_cycles) % (nr_live - nr_low)
    low = random_below(nr_low, nr_cycles, seed).astype(np.int64)
    return np.column_stack([low, nr_low + high.reshape(-1, 2)])


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill both sides, then cycles of three frees and three mappings, in five attempts."""
    ops = filled(nr_live)
    nr_cycles = NR_MEASURED // 8
    window = ops[nr_live + 1 :].reshape(nr_cycles, 8)
    low, high, other_high = victims(nr_live, nr_cycles, seed).T
    refused = nr_live + 1 + np.arange(2 * nr_cycles).reshape(nr_cycles, 2)
    window["op"][:, [0, 2, 5]] = Op.FREE
    window["slot"][:, 0:2] = low[:, np.newaxis]
    window["slot"][:, [2, 4]] = high[:, np.newaxis]
    window["slot"][:, [5, 7]] = other_high[:, np.newaxis]
    window["slot"][:, [3, 6]] = refused
    window["limit_pfn"][:, [1, 3, 6]] = LIMIT_32BIT
    start_pfn = DMA_32BIT_PFN - nr_low_of(nr_live)
    return OpStream(ops, nr_ageing=nr_live + 1, start_pfn=start_pfn)
