"""A device with a 40-bit mask shares its domain with one that has filled the space above.

Masks between 33 and 56 bits are neither "32-bit" nor "all": the kernel has no cached node for them
(it has two, one for each side of 4 GiB, since v4.15, e60aa7b53845), so such a request steps over
every range above its limit.  Gap maxima of "all" and "below 4 GiB" alone (Rik van Riel, May
2026, v2) do not help: every gap above the limit looks large enough.

    |xx 8 xx|.x.x.x.x.x. ... .x.x.x|          free          |xx 8 xx|   free   | start_pfn
    ^ 64-bit limit                             40-bit limit ^

The window takes turns: one of the topmost ranges goes and comes under the 64-bit mask, one of the
low ones under the 40-bit mask, and each turn takes the cached node away from the other.
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import LIMIT_40BIT, LIMIT_64BIT, NR_MEASURED, pack, replace
from iova_variants.opstream import Op, OpStream, new_ops

NR_TOP = 8
NR_BELOW = 8  # few: in ageing, a linear variant passes all the others on the way to each
MIN_NR_LIVE = NR_TOP + NR_BELOW + 1
MAX_NR_LIVE = 2**31  # slots are numbered in 32 bits, and every other range of the filling goes


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, free every other page, add the low ones; then one of each side in turn.

    ``seed`` has no effect.
    """
    nr_scattered = nr_live - NR_TOP - NR_BELOW
    nr_filled = NR_TOP + 2 * nr_scattered
    nr_ageing = nr_filled + nr_scattered + NR_BELOW
    ops = new_ops(nr_ageing + NR_MEASURED, limit_pfn=LIMIT_64BIT)
    ops["slot"][:nr_filled] = np.arange(nr_filled)
    pack(ops[:nr_filled])
    ops["op"][nr_filled : nr_ageing - NR_BELOW] = Op.FREE
    ops["slot"][nr_filled : nr_ageing - NR_BELOW] = np.arange(NR_TOP, nr_filled, 2)
    below = nr_filled + np.arange(NR_BELOW)
    ops["slot"][nr_ageing - NR_BELOW : nr_ageing] = below
    ops["limit_pfn"][nr_ageing - NR_BELOW : nr_ageing] = LIMIT_40BIT
    turns = np.arange(NR_MEASURED // 4) % NR_TOP
    replace(ops[nr_ageing:], np.column_stack([turns, below[turns]]).ravel())
    ops["limit_pfn"][nr_ageing + 3 :: 4] = LIMIT_40BIT
    return OpStream(ops, nr_ageing=nr_ageing)
