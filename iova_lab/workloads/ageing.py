"""Request sizes grow over a day: no freed range is as large as the next request.

A SAS controller after a day: the mix of I/O sizes has changed, and the holes of the small ranges
are too small for later requests.  Ranges of 16, 8, 4, 2 and 1 pages lie side by side, and one page
more that stays; in five phases of the window the ranges of one size are freed, in random order, the
smallest first, and as many of twice the size are allocated.  Even with its freed neighbours, a hole
is smaller than the next request (1 + 2 + 4 < 8), so no hole is ever used, and the span grows.

    |---- 16 ----|-- 8 --|- 4 -|2|1|1|---- 16 ----|-- 8 --|- 4 -|2|1|1| ...   free   | start_pfn
    ^ 48-bit limit                  ^ stays

With the rcache (drivers/iommu/iova.c) on, freed ranges stay in the caches: each order takes ranges
of a size that is not requested again, so the cached total grows by all freed ranges.

At most a tenth of a domain is replaced (but five ranges in any case); where the window is more than
that, several domains age in turn, as those of several devices do, with ``nr_live`` ranges each.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import LIMIT_48BIT, NR_MEASURED, pack, replace, spread
from iova_variants.opstream import OpFlag, OpStream, new_ops

#: From the top down, so that each is aligned; all but the last go.
SIZES = 2 ** np.array([4, 3, 2, 1, 0, 0])
NR_PHASES = len(SIZES) - 1
NR_CPUS = 4
MIN_NR_LIVE = len(SIZES)
MAX_NR_LIVE = 2**31  # slots are numbered in 32 bits


def _nr_pairs(nr_live: int) -> int:
    """Pairs per domain: a multiple of the phases that divides the window, about a tenth."""
    nr_pairs = NR_MEASURED // 2
    divisors = [d for d in range(NR_PHASES, nr_pairs + 1, NR_PHASES) if nr_pairs % d == 0]
    return max(d for d in divisors if d <= max(nr_live // 10, NR_PHASES))


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill with five sizes in turn, then replace small by large, phase after phase."""
    nr_pairs = _nr_pairs(nr_live)
    nr_domains = NR_MEASURED // (2 * nr_pairs)
    nr_ageing = nr_domains * nr_live
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_48BIT)
    filled, window = ops[:nr_ageing], ops[nr_ageing:]
    filled["slot"] = np.arange(nr_ageing)
    filled["dom"] = np.repeat(np.arange(nr_domains), nr_live)
    filled["size"] = np.tile(SIZES[np.arange(nr_live) % len(SIZES)], nr_domains)
    pack(filled)

    domain, phase, _ = np.indices((nr_domains, NR_PHASES, nr_pairs // NR_PHASES)).reshape(3, -1)
    nr_rounds = nr_domains * NR_PHASES
    groups = spread(nr_live // len(SIZES), nr_pairs // NR_PHASES, seed, nr_rounds=nr_rounds)
    in_group = NR_PHASES - 1 - phase
    replace(window, domain * nr_live + groups.astype(np.int64) * len(SIZES) + in_group)
    window["dom"] = np.repeat(domain, 2)
    window["size"][1::2] = 2 ** (phase + 1)
    window["flags"][1::2] = OpFlag.SIZE_ALIGNED
    window["cpu"] = np.arange(NR_MEASURED) // 2 % NR_CPUS
    return OpStream(ops, nr_ageing=nr_ageing, nr_domains=nr_domains)
