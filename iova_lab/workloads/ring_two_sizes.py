"""A ring of small and large buffers, with long-lived ranges between the two.

A network card maps a small buffer and a large one per packet, oldest first, beside ranges that stay
for good (rings as in the traces behind EiovaR: Malka, Amit, Tsafrir, FAST'15).  The small ones lie
above the long-lived ranges and the large ones below.  A large one does not fit where a small one
went; an allocator that starts where the last range went, or at the top, walks from the small ones
over everything that is long-lived, once per packet.

    |xx small xx|xxxxxxxxxxxx long-lived xxxxxxxxxxxx|xxxx large xxxx|   free   | start_pfn
    ^ 64-bit limit
"""

from __future__ import annotations

import numpy as np

from iova_variants.making import LIMIT_64BIT, NR_MEASURED, pack, replace
from iova_variants.opstream import OpFlag, OpStream, new_ops

NR_PACKETS = 128  # in the ring, each with a small and a large buffer
SMALL, LARGE = 1, 4  # pfns; 4 hold a 9000-byte frame
MIN_NR_LIVE = 4  # one packet, and as much that stays


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Fill, then packet after packet: its buffers go, two new ones come; no randomness."""
    nr_packets = min(NR_PACKETS, nr_live // 4)
    first_large = nr_live - nr_packets
    ops = new_ops(nr_live + NR_MEASURED, limit_pfn=LIMIT_64BIT, size=SMALL)
    ops["slot"][:nr_live] = np.arange(nr_live)
    ops["size"][first_large:nr_live] = LARGE
    # The last of the long-lived ones ends where a large one is aligned.
    ops["size"][first_large - 1] += -first_large % LARGE
    pack(ops[:nr_live])
    packets = np.arange(NR_MEASURED // 4) % nr_packets
    replace(ops[nr_live:], np.column_stack([packets, first_large + packets]).ravel())
    ops["size"][nr_live + 3 :: 4] = LARGE
    ops["flags"][nr_live + 1 :: 2] = OpFlag.SIZE_ALIGNED
    return OpStream(ops, nr_ageing=nr_live)
