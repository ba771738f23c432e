"""One flush queue for all CPUs: 32,768 ranges wait in it, unmapped and live, then all are freed.

A range that is unmapped lazily stays live until the IOMMU's caches have been flushed.  With one
queue for the whole domain (drivers/iommu/dma-iommu.c; in 7.3 the generic page tables always allow a
flush queue) that is when 32,768 ranges wait in it, or after a second.  Until then the allocator
holds them beside those in use.  Then one CPU frees them all in a row, and the next mappings, made
on 16 CPUs, go where they were.

    32-bit limit                                               start_pfn
    |xxxxxxxxxxxx 32,768 wait xxxxxxxxxxxx|xx in use xx|  free  |    the queue is full
    |                                     |xx in use xx|  free  |    it has been flushed
    |xxxx|                                |xx in use xx|  free  |    mapped since

The flush happens in the ageing, but for the last 600 frees (half of the live ranges where that is
less), with which the window begins.  As many mappings follow.  Below 1200 live ranges there is room
for more in the window: the timer flushes as many again, the oldest ranges first.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import LIMIT_32BIT, NR_MEASURED, pack, replace_in_batches
from iova_variants.opstream import Op, OpStream, new_ops

NR_WAITING = 32_768
NR_CPUS = 16
FLUSHING_CPU = 0
MIN_NR_LIVE = 2  # half is one range
MAX_NR_LIVE = LIMIT_32BIT - NR_WAITING + NR_MEASURED // 2


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, free what waits, then batches, the oldest first; ``seed`` has no effect."""
    nr_pairs = NR_MEASURED // 2
    nr_batch = min(nr_pairs, nr_live // 2)
    nr_freed = NR_WAITING - nr_batch
    nr_filled = nr_live + nr_freed
    nr_ageing = nr_filled + nr_freed
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_32BIT)
    ops["slot"][:nr_filled] = np.arange(nr_filled)
    pack(ops[:nr_filled])
    ops["op"][nr_filled:nr_ageing] = Op.FREE
    ops["slot"][nr_filled:nr_ageing] = np.arange(nr_freed)
    replace_in_batches(ops[nr_ageing:], nr_freed + np.arange(nr_pairs) % nr_live, nr_batch)
    is_free = ops["op"] == Op.FREE
    ops["cpu"] = np.where(is_free, FLUSHING_CPU, np.arange(len(ops)) % NR_CPUS)
    return OpStream(ops, nr_ageing=nr_ageing)
