"""The largest NVMe request, 128 KiB, begins within a page: 33 pages, and the rcache takes 32.

Behind an IOMMU the driver sends at most 128 KiB in one request, the largest range that the rcache
keeps (drivers/iommu/iova.c: 32 pages; 7.3).  From a buffer that begins within a page, that is 33
pages: no magazine takes them, so each map and each unmap takes the allocator's lock and searches
its tree.  And an aligned range of 33 pages takes the room of 64, so the space is half empty.

    |..31..|xx 33 xx|..31..|xx 33 xx|..31..|xx 33 xx|   free   | start_pfn
    ^ 48-bit limit; gaps dotted

Any of the requests in flight completes, and the next one takes its place in the queue.
"""

from __future__ import annotations

import numpy as np

from iova_lab.workloads._nvme import NR_AGEING_OPS, on_their_queues
from iova_variants.making import LIMIT_48BIT, NR_MEASURED, pack, random_below, replace
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops

BLOCK = 33  # pfns
ROOM = 64  # that it takes
MAX_NR_LIVE = LIMIT_48BIT // ROOM


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill with gaps between, replace a few unmeasured, measure the rest."""
    nr_filled = 2 * nr_live
    nr_begun = nr_filled + nr_live
    nr_ageing = nr_begun + NR_AGEING_OPS
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_48BIT, size=BLOCK)
    gaps = nr_live + np.arange(nr_live)
    ops["slot"][:nr_filled:2], ops["size"][:nr_filled:2] = gaps, ROOM - BLOCK
    ops["slot"][1:nr_filled:2] = np.arange(nr_live)
    pack(ops[:nr_filled])
    ops["op"][nr_filled:nr_begun] = Op.FREE
    ops["slot"][nr_filled:nr_begun] = gaps
    requests = ops[nr_begun:]
    replace(requests, random_below(nr_live, len(requests) // 2, seed))
    requests["flags"] = OpFlag.SIZE_ALIGNED
    on_their_queues(ops)
    return OpStream(ops, nr_ageing=nr_ageing)
