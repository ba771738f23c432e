"""Do the callers of an rcache get what the judge, behind it, cannot see?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from iova_variants import REFUSED, VariantError
from iova_variants.opstream import Op, OpFlag, OpStream

#: The largest size that an rcache takes, in pfns.
MAX_CACHED = 32
Rows = npt.NDArray[np.intp]


def check_callers(stream: OpStream, pfns: npt.NDArray[np.uint64]) -> None:
    """Hold what the callers of an rcache got to what the judge, behind it, cannot see.

    Limits, alignment, and that no range is handed out again before it was freed.  Raises
    `VariantError` with the first op that is wrong.
    """
    ops = stream.ops
    wrong = [
        ("ends above its limit, from the rcache", _above_limit(ops, pfns)),
        ("is not aligned, from the rcache", _misaligned(ops, pfns)),
        ("was handed out twice by the rcache", _handed_out_twice(ops, pfns)),
    ]
    found = [(int(rows.min()), reason) for reason, rows in wrong if len(rows)]
    if found:
        op, reason = min(found)
        raise VariantError(f"op {op}: pfn {int(pfns[op]):#x} {reason}")


def _given(ops: npt.NDArray[np.void], pfns: npt.NDArray[np.uint64]) -> Rows:
    return np.flatnonzero((ops["op"] == Op.ALLOC) & (pfns != REFUSED))


def _above_limit(ops: npt.NDArray[np.void], pfns: npt.NDArray[np.uint64]) -> Rows:
    """Limits below the size of a cached class are left out: the rcache's check of them wraps."""
    rows = _given(ops, pfns)
    limits, size = ops["limit_pfn"][rows], ops["size"][rows]
    pfn_hi = pfns[rows] + size - np.uint64(1)
    wraps = ~_is_past(ops[rows]) & (size <= MAX_CACHED) & (limits + np.uint64(1) < _rounded(size))
    return np.compress((pfn_hi > limits) & ~wraps, rows)


def _misaligned(ops: npt.NDArray[np.void], pfns: npt.NDArray[np.uint64]) -> Rows:
    rows = _given(ops, pfns)
    aligned = ~_is_past(ops[rows]) | (ops["flags"][rows] & OpFlag.SIZE_ALIGNED > 0)
    return np.compress(aligned & (pfns[rows] % _rounded(ops["size"][rows]) != 0), rows)


def _is_past(ops: npt.NDArray[np.void]) -> npt.NDArray[np.bool_]:
    """Of allocs: made by alloc_iova(), which aligns only where that is asked for."""
    past: npt.NDArray[np.bool_] = ops["flags"] & (OpFlag.PAST_RCACHE | OpFlag.PACKED) > 0
    return past


def _rounded(sizes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """The next powers of two."""
    return np.exp2(np.ceil(np.log2(sizes))).astype(np.uint64)


def _handed_out_twice(ops: npt.NDArray[np.void], pfns: npt.NDArray[np.uint64]) -> Rows:
    """Rows that fill what is filled: in each domain, fills and frees of a pfn take turns."""
    rows = np.flatnonzero((ops["op"] != Op.FIND) & (pfns != REFUSED))
    rows = rows[np.lexsort((rows, pfns[rows], ops["dom"][rows]))]
    fills, pfn, dom = ops["op"][rows] != Op.FREE, pfns[rows], ops["dom"][rows]
    again = fills[1:] & fills[:-1] & (pfn[1:] == pfn[:-1]) & (dom[1:] == dom[:-1])
    return np.compress(again, rows[1:])
