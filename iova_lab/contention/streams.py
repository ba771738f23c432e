"""How does a window become long enough for threads to meet in it?

1200 ops are over in a tenth of a millisecond.  A workload whose window ends with the slots filled
that were filled when it began can go on with the window of the next seed; others (a start-up, a
trace) can only be repeated from the beginning, in fresh domains.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from iova_lab import workloads
from iova_variants.opstream import Op, OpStream


def is_closed(stream: OpStream) -> bool:
    """Does the window leave the same slots filled as it found?"""
    window = stream.ops[stream.nr_ageing :]
    _, first = np.unique(window["slot"], return_index=True)
    _, last = np.unique(window["slot"][::-1], return_index=True)
    fills = np.isin(window["op"], (Op.ALLOC, Op.RESERVE))
    was_filled = ~fills[first]
    is_filled = (window["op"] != Op.FREE)[::-1][last]
    return bool((was_filled == is_filled).all())


def long_stream(workload: str, nr_live: int, nr_windows: int, seed: int = 0) -> OpStream:
    """Make ``workload`` with ``nr_windows`` windows one after the other, if they fit together.

    If they don't, one window; the header is the first one's.  Raises as `workloads.generate`.
    """
    stream = workloads.generate(workload, nr_live, seed)
    if not is_closed(stream):
        return stream
    parts = [stream.ops]
    for index in range(1, nr_windows):
        more = workloads.generate(workload, nr_live, seed + index)
        parts.append(more.ops[more.nr_ageing :])
    return dataclasses.replace(stream, ops=np.concatenate(parts))
