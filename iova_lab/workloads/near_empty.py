"""Few live ranges, allocated and freed in turn: the common case, which reviewers check first.

Most devices hold a few dozen mappings at a time: a disk's queue, a network card at rest.  The
objection to every new structure since Peng Zhang's augmented tree of 2022 has been that "the
overwhelmingly typical case is now almost twice as slow" (iommu list, September 2022).  The first
half of the window frees what it has just mapped (last in, first out), the second half frees
the oldest mapping and makes a new one (first in, first out), all below 4 GiB, where PCI
devices are served first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from iova_variants.making import LIMIT_32BIT, NR_MEASURED, pack, replace
from iova_variants.opstream import Op, OpStream, new_ops

MAX_NR_LIVE = 100


def _churn(ops: npt.NDArray[np.void], nr_live: int) -> None:
    lifo, fifo = ops[: len(ops) // 2], ops[len(ops) // 2 :]
    lifo["slot"] = nr_live
    lifo["op"][1::2] = Op.FREE
    replace(fifo, np.arange(len(fifo) // 2) % nr_live)


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Age with one unmeasured window, measure one; ``seed`` has no effect."""
    nr_ageing = nr_live + NR_MEASURED
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_32BIT)
    ops["slot"][:nr_live] = np.arange(nr_live)
    pack(ops[:nr_live])
    _churn(ops[nr_live:nr_ageing], nr_live)
    _churn(ops[nr_ageing:], nr_live)
    return OpStream(ops, nr_ageing=nr_ageing)
