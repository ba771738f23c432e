"""Which refused requests had room?  The judge counts them; this names them, so they get niches.

Behind an rcache the judge sees only what reaches the variant.  Here room is what no caller owns,
so a request is found that was refused because the caches hold what it needs.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from iova_variants import REFUSED
from iova_variants.opstream import Op, OpFlag, OpStream

#: Requests of a stream that are looked at, at most: the first ones.
MOST = 30
#: Ranges up to this size are rounded up to a power of two and aligned by the fast API.
CACHED_SIZE = 32


def with_room(stream: OpStream, pfns: npt.NDArray[np.uint64], *, cached: bool) -> list[int]:
    """Indices of refused requests for which there was room; the first `MOST` refusals are checked.

    Nothing for a stream that reserves: what a variant does with an overlap is its own.
    """
    ops = stream.ops
    if (ops["op"] == Op.RESERVE).any():
        return []
    owned: dict[int, tuple[int, int]] = {}
    found = []
    left = MOST
    for index, (op, slot, pfn) in enumerate(
        zip(ops["op"].tolist(), ops["slot"].tolist(), pfns.tolist(), strict=True)
    ):
        if op == Op.FREE:
            owned.pop(slot, None)
        elif op == Op.ALLOC:
            size, aligned = _asked(ops[index], cached)
            if pfn != REFUSED:
                owned[slot] = (pfn, pfn + size - 1)
            elif left:
                left -= 1
                limit = int(ops[index]["limit_pfn"])
                if fits(sorted(owned.values()), size, limit, stream.start_pfn, aligned):
                    found.append(index)
    return found


def _asked(op: np.void, cached: bool) -> tuple[int, bool]:
    """Size and alignment of what is allocated for a request."""
    size, flags = int(op["size"]), int(op["flags"])
    if cached and not flags & OpFlag.PAST_RCACHE:
        small = size < CACHED_SIZE
        return (1 << (size - 1).bit_length() if small else size), True
    return size, bool(flags & OpFlag.SIZE_ALIGNED)


def fits(
    owned: Sequence[tuple[int, int]], size: int, limit_pfn: int, start_pfn: int, aligned: bool
) -> bool:
    """Whether ``size`` pfns fit between disjoint ranges, which are in order, below the limit."""
    mask = -(1 << (size - 1).bit_length()) if aligned else -1
    low = start_pfn
    for begin, end in owned[: bisect.bisect_right(owned, (limit_pfn, 1 << 64))]:
        if _in_gap(low, begin - 1, size, mask):
            return True
        low = max(low, end + 1)
    return _in_gap(low, limit_pfn, size, mask)


def _in_gap(low: int, high: int, size: int, mask: int) -> bool:
    return high - size + 1 >= low and (high - size + 1) & mask >= low
