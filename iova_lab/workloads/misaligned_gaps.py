"""Many gaps are large enough, but none holds an aligned block.

Multimedia devices map buffers of many sizes; the gaps between them are large and misaligned.  Here
every gap has six pages and no aligned four, and four aligned pages are requested.  An allocator
that prunes by the size of gaps alone (Rik van Riel, May 2026, v2) visits all of them; one that
keeps the largest block that can be aligned (Peng Zhang, September 2022, v3) visits none.

    pfn mod 8:  7 | 6 5 4 3 2 1 | 0 7 | 6 5 4 3 2 1 | 0 7 | ...     below: free
                x | . . . . . . | x x | . . . . . . | x x |

Eight single pages at the very top go and come between the requests, as on any busy device: so
an allocator that remembers where it was starts at the top again.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import LIMIT_48BIT, NR_MEASURED, pack
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops

NR_MOVING = 8  # a multiple of 8, so that the pattern below begins at pfn 7 mod 8
NR_TOP = NR_MOVING + 1  # and the page above the first gap
GAP, ISLAND, ASKED = 6, 2, 4
MIN_NR_LIVE = NR_TOP + 1
MAX_NR_LIVE = (LIMIT_48BIT - NR_TOP) // (GAP + ISLAND)


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, free the gaps, then cycles: a page goes and comes, a block comes and goes.

    ``seed`` has no effect.
    """
    nr_gaps = nr_live - NR_TOP
    nr_filled = nr_live + nr_gaps
    nr_ageing = nr_filled + nr_gaps
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_48BIT)
    ops["slot"][:nr_filled] = np.arange(nr_filled)
    ops["size"][NR_TOP:nr_filled:2] = GAP
    ops["size"][NR_TOP + 1 : nr_filled : 2] = ISLAND
    pack(ops[:nr_filled])
    ops["op"][nr_filled:nr_ageing] = Op.FREE
    ops["slot"][nr_filled:nr_ageing] = np.arange(NR_TOP, nr_filled, 2)
    window = ops[nr_ageing:].reshape(-1, 4)
    window["op"][:, [0, 3]] = Op.FREE
    window["slot"][:, 0:2] = (np.arange(len(window)) % NR_MOVING)[:, np.newaxis]
    window["slot"][:, 2:4] = nr_filled
    window["size"][:, 2] = ASKED
    window["flags"][:, 2] = OpFlag.SIZE_ALIGNED
    return OpStream(ops, nr_ageing=nr_ageing)
