"""A request whose segments have gaps takes a range for each of them: bursts of single pages.

An NVMe request that an IOMMU can't map as one piece, because its segments begin or end within a
page.  v6.12 mapped them together, into one range for the request; v7.3 maps each on its own
(drivers/iommu/dma-iommu.c).  Here a request has 24 segments of a page each: it takes 24 ranges in a
row when it starts, and 24 are freed in a row when it completes.

    one request:   |seg 1|seg 2|seg 3| ... |seg 24|    24 live ranges of a page, where one was

Any of the requests in flight completes, and the next one takes its place in the queue.  What is
left over by a division by 24 stays for good.
"""

from __future__ import annotations

import numpy as np

from iova_lab.workloads._nvme import on_their_queues
from iova_variants.making import LIMIT_48BIT, NR_MEASURED, pack, random_below, replace_in_batches
from iova_variants.opstream import OpStream, new_ops

NR_SEGMENTS = 24
NR_AGEING_REQUESTS = 4
NR_REQUESTS = NR_MEASURED // (2 * NR_SEGMENTS)
MIN_NR_LIVE = 2 * NR_SEGMENTS


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, replace a few requests unmeasured, then requests: one completes, another one starts."""
    nr_ageing = nr_live + NR_AGEING_REQUESTS * 2 * NR_SEGMENTS
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_48BIT)
    ops["slot"][:nr_live] = np.arange(nr_live)
    pack(ops[:nr_live])
    requests = random_below(nr_live // NR_SEGMENTS, NR_AGEING_REQUESTS + NR_REQUESTS, seed)
    segments = requests.astype(np.int64)[:, np.newaxis] * NR_SEGMENTS + np.arange(NR_SEGMENTS)
    replace_in_batches(ops[nr_live:], segments.ravel(), NR_SEGMENTS)
    on_their_queues(ops, NR_SEGMENTS)
    return OpStream(ops, nr_ageing=nr_ageing)
