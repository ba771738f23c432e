"""One range per NVMe request, freed on the CPU where the request completes, as soon as it does.

The driver takes one IOVA for all segments of a request.  Since v7.3 dma_iova_destroy()
(drivers/iommu/dma-iommu.c) frees it at once, even where the domain has a flush queue.  v6.16 to
v7.2 queued it, and what is queued is freed 10 ms later in a burst: `large_blocks` has such bursts.
So the number of live ranges hardly moves here, and with an rcache each range goes to the CPU whose
next request of that size it can serve.

A request has 4 to 128 KiB, which is the most that the driver sends behind an IOMMU.  Any of those
in flight completes, and the next one takes its place in the queue.
"""

from __future__ import annotations

import numpy as np

from iova_lab.workloads._nvme import NR_AGEING_OPS, on_their_queues
from iova_variants.making import LIMIT_48BIT, NR_MEASURED, pack, random_below, replace
from iova_variants.opstream import OpFlag, OpStream, new_ops

#: Pfns.  In this order, from the top down, every range is aligned to its size.
SIZES = np.array([32, 16, 8, 4, 2, 1, 1])


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, replace a few unmeasured, then pairs: a request completes, another one starts."""
    nr_ageing = nr_live + NR_AGEING_OPS
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_48BIT)
    ops["slot"][:nr_live] = np.arange(nr_live)
    ops["size"][:nr_live] = SIZES[np.arange(nr_live) % len(SIZES)]
    pack(ops[:nr_live])
    requests = ops[nr_live:]
    nr_pairs = len(requests) // 2
    replace(requests, random_below(nr_live, nr_pairs, seed))
    requests["size"][1::2] = SIZES[random_below(len(SIZES), nr_pairs, seed + 1).astype(np.int64)]
    requests["flags"] = OpFlag.SIZE_ALIGNED
    on_their_queues(ops)
    return OpStream(ops, nr_ageing=nr_ageing)
