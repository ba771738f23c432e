"""How far apart does a variant leave equal blocks after a long, steady churn?"""

from __future__ import annotations

import math

import numpy as np

import iova_variants
from iova_lab.measuring.counts import count
from iova_variants.making import LIMIT_48BIT, random_below, replace
from iova_variants.opstream import OpFlag, OpStream, new_ops

#: 16 pfns are 64 KiB.
BLOCKS, SIZE, ROUNDS = 1000, 16, 20


def stream() -> OpStream:
    """Equal aligned blocks, a random one replaced, long enough to be steady."""
    nr_pairs = ROUNDS * BLOCKS
    ops = new_ops(BLOCKS + 2 * nr_pairs, limit_pfn=LIMIT_48BIT, size=SIZE)
    ops["flags"] = OpFlag.SIZE_ALIGNED
    ops["slot"][:BLOCKS] = np.arange(BLOCKS)
    replace(ops[BLOCKS:], random_below(BLOCKS, nr_pairs, 0))
    return OpStream(ops, nr_ageing=BLOCKS)


def span(variant: str) -> float:
    """Pfns from the lowest to the highest live one after the churn, per live pfn."""
    timeout = math.inf if iova_variants.is_foreign(variant) else None
    return count(variant, stream(), timeout=timeout).span_per_pfn
