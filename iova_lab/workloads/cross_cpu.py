"""Sixteen CPUs map and two unmap: a disk whose interrupts arrive on few CPUs.

NVMe with fewer interrupts than CPUs: requests start anywhere and complete on two.  The rcache
(drivers/iommu/iova.c) gives a range to the CPU that frees it, so those two fill magazine after
magazine for the depot, and before v6.7 a depot has room for 32 of them: later ones go into
the tree, a magazine at a time.  In the ageing the two CPUs free more than all that can hold, so the
depot is full when the window begins.

Ranges go in batches of 600, or half of the live ones where that is less, the oldest first.  Only
the rcache looks at CPUs: without it this is a ring that moves in steps, and cheap.  With it, a
batch must fill more than one magazine per CPU, so nothing shows at 100 live ranges.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from iova_variants.making import LIMIT_48BIT, NR_MEASURED, pack, replace_in_batches
from iova_variants.opstream import Op, OpStream, new_ops

NR_CPUS = 16
NR_FREEING_CPUS = 2
#: Two magazines of at most 128 per CPU, a depot of 32 magazines, and some.
NR_DROPPED = 40 * 128
MIN_NR_LIVE = 2  # half is one range


def _place(ops: npt.NDArray[np.void]) -> None:
    """Say where each op runs: CPUs take turns."""
    is_free = ops["op"] == Op.FREE
    ops["cpu"] = np.arange(len(ops)) % np.where(is_free, NR_FREEING_CPUS, NR_CPUS)


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, free what was filled last, then batches; ``seed`` has no effect."""
    nr_filled = nr_live + NR_DROPPED
    nr_ageing = nr_filled + NR_DROPPED
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_48BIT)
    ops["slot"][:nr_filled] = np.arange(nr_filled)
    pack(ops[:nr_filled])
    ops["op"][nr_filled:nr_ageing] = Op.FREE
    ops["slot"][nr_filled:nr_ageing] = np.arange(nr_live, nr_filled)
    nr_pairs = NR_MEASURED // 2
    nr_batch = min(nr_pairs, nr_live // 2)
    replace_in_batches(ops[nr_ageing:], np.arange(nr_pairs) % nr_live, nr_batch)
    _place(ops)
    return OpStream(ops, nr_ageing=nr_ageing)
