"""How far apart does a variant leave equal blocks after a long, steady churn?"""

from __future__ import annotations

import math

import iova_variants
from iova_lab.measuring.counts import count
from iova_variants.making import LIMIT_48BIT, filled_then_replaced
from iova_variants.opstream import OpFlag, OpStream

#: 16 pfns are 64 KiB.
BLOCKS, SIZE, ROUNDS = 1000, 16, 20


def stream() -> OpStream:
    """Equal aligned blocks, a random one replaced, long enough to be steady."""
    ops = filled_then_replaced(BLOCKS, ROUNDS * BLOCKS, limit_pfn=LIMIT_48BIT, size=SIZE)
    ops["flags"] = OpFlag.SIZE_ALIGNED
    return OpStream(ops, nr_ageing=BLOCKS)


def span(variant: str) -> float:
    """Pfns from the lowest to the highest live one after the churn, per live pfn."""
    timeout = math.inf if iova_variants.is_foreign(variant) else None
    return count(variant, stream(), timeout=timeout).span_per_pfn
