"""A driver maps page after page at start-up and frees none of them; its device takes 64 bits.

David Woods' case: "drivers that allocate lots of pages at start up and never free them" (iommu
list, September 2017, "iommu/iova: Improve alloc_iova performance").  The window lies around
``nr_live``: it begins a tenth below (at most half a window) and ends as far above.  Where one
domain would grow by more than that, several start up in turn, as those of several devices do.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import LIMIT_64BIT, NR_MEASURED, pack
from iova_variants.opstream import OpStream, new_ops


def _growth(nr_live: int) -> int:
    """Ops measured per domain: a divisor of the window, about a fifth of ``nr_live`` at most."""
    divisors = [d for d in range(1, NR_MEASURED + 1) if NR_MEASURED % d == 0]
    return max(d for d in divisors if d <= max(nr_live // 5, 1))


def generate(nr_live: int, *, seed: int = 0, limit_pfn: int = LIMIT_64BIT) -> OpStream:
    """Allocate single pages until ``nr_live``, and measure around it; ``seed`` has no effect."""
    growth = _growth(nr_live)
    nr_domains = NR_MEASURED // growth
    nr_aged = nr_live - growth // 2
    nr_ageing = nr_domains * nr_aged
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=limit_pfn)
    ops["slot"] = np.arange(len(ops))
    ops["dom"][:nr_ageing] = np.repeat(np.arange(nr_domains), nr_aged)
    ops["dom"][nr_ageing:] = np.repeat(np.arange(nr_domains), growth)
    pack(ops[:nr_ageing])
    return OpStream(ops, nr_ageing=nr_ageing, nr_domains=nr_domains)
