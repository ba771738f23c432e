"""A driver maps page after page at start-up and frees none of them; its device takes 64 bits.

David Woods' case: "drivers that allocate lots of pages at start up and never free them" (iommu list,
September 2017, "iommu/iova: Improve alloc_iova performance").  The window is the next 1200 maps
after ``nr_live`` of them.
"""

from __future__ import annotations

import numpy as np

from iova_lab.opstream import OpStream, new_ops
from iova_lab.workloads._common import LIMIT_64BIT, NR_MEASURED, pack


def generate(nr_live: int, *, seed: int = 0, limit_pfn: int = LIMIT_64BIT) -> OpStream:
    """Allocate ``nr_live`` single pages, then measure more of the same; ``seed`` has no effect."""
    ops = new_ops(nr_live + NR_MEASURED, limit_pfn=limit_pfn)
    ops["slot"] = np.arange(len(ops))
    pack(ops[:nr_live])
    return OpStream(ops, nr_ageing=nr_live)
