"""Many live ranges of one size; a random one is freed and a new one allocated, repeatedly.

Peng Zhang's second benchmark (iommu list, September 2022, v3 of his augmented tree): 300,000 live
ranges, single pages, 48-bit mask.  Nothing is fragmented: there is one free page, and the question
is how far a search walks to it.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import LIMIT_48BIT, NR_MEASURED, pack, random_below, replace
from iova_variants.opstream import OpStream, new_ops

NR_AGEING_OPS = 128  # enough to move the cached node away from where filling left it


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, replace a few unmeasured, measure the rest."""
    nr_ageing = nr_live + NR_AGEING_OPS
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_48BIT)
    ops["slot"][:nr_live] = np.arange(nr_live)
    pack(ops[:nr_live])
    nr_pairs = (NR_AGEING_OPS + NR_MEASURED) // 2
    replace(ops[nr_live:], random_below(nr_live, nr_pairs, seed))
    return OpStream(ops, nr_ageing=nr_ageing)
