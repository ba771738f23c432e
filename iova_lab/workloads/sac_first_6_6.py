"""The device of `sac_first` since v6.6: after one failure below 4 GiB it uses its full mask.

The policy of drivers/iommu/dma-iommu.c since v6.6.  The same device, filled in the same way, makes
and drops mappings on the same sides; the refused attempt is in the ageing, and the window has none.
A range freed below 4 GiB is replaced by one above, so the low side empties (at 100 live ranges all
of it).

A mapping takes fewer requests here, so compare per mapping: 600 in this window, 450 in the other.
"""

from __future__ import annotations

from iova_lab.workloads import sac_first
from iova_variants.making import DMA_32BIT_PFN, NR_MEASURED, replace
from iova_variants.opstream import OpStream

MIN_NR_LIVE = sac_first.MIN_NR_LIVE
MAX_NR_LIVE = sac_first.MAX_NR_LIVE


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill both sides, then pairs of a free on either side and one request under the full mask."""
    ops = sac_first.filled(nr_live)
    replace(ops[nr_live + 1 :], sac_first.victims(nr_live, NR_MEASURED // 6, seed).ravel())
    start_pfn = DMA_32BIT_PFN - sac_first.nr_low_of(nr_live)
    return OpStream(ops, nr_ageing=nr_live + 1, start_pfn=start_pfn)
