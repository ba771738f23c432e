"""A network card's ring: the oldest of ``nr_live`` mappings is freed and a new one made.

First in, first out, as in the traces behind EiovaR (Malka, Amit, Tsafrir, "Efficient
Intra-Operating System Protection Against Harmful DMAs", FAST'15).  The ring has gone round one and
a half times: the oldest range lies in the middle of the addresses, the newest right above it.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import LIMIT_64BIT, NR_MEASURED, pack, replace
from iova_variants.opstream import OpStream, new_ops


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, then replace range after range from the middle on; ``seed`` has no effect."""
    ops = new_ops(nr_live + NR_MEASURED, limit_pfn=LIMIT_64BIT)
    ops["slot"][:nr_live] = np.arange(nr_live)
    pack(ops[:nr_live])
    replace(ops[nr_live:], (nr_live // 2 + np.arange(NR_MEASURED // 2)) % nr_live)
    return OpStream(ops, nr_ageing=nr_live)
