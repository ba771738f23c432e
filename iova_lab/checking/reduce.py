"""A stream of a hundred thousand ops broke it: which few of them does it take?

Hypothesis shrinks only what it drew itself, and what the workloads and the soak find is not that.
So whole lives of ranges (a fill, and all that names it) are left out, half of them at a time, then
a quarter, and so on; values stay as they are.  The domain where it broke is tried alone first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from iova_lab.checking.standalone import Verdict
from iova_lab.traces.history import History, history_of
from iova_variants.opstream import Op, OpStream


def reduce(
    stream: OpStream,
    verdict: Verdict,
    judged: Callable[[History], Verdict],
    *,
    seconds: float = 15.0,
) -> tuple[History, Verdict] | None:
    """Return a short history with the same mistake, or None where it does not come again."""
    deadline = time.monotonic() + seconds
    last = min(verdict.op, len(stream.ops) - 1)
    doms = stream.ops["dom"][: last + 1]
    best: tuple[History, Verdict] | None = None

    def breaks(lives: Sequence[Sequence[int]]) -> bool:
        nonlocal best
        history = history_of(stream, sorted(row for life in lives for row in life))
        found = judged(history)
        if found.kind == verdict.kind:
            best = history, found
        return found.kind == verdict.kind

    lives = _lives(stream, np.flatnonzero(doms == doms[last]).tolist())
    if not breaks(lives):
        lives = _lives(stream, range(last + 1))
        if not doms.any() or not breaks(lives):
            return None
    size = len(lives) // 2
    while size and time.monotonic() < deadline:
        left = _left(lives, size, breaks, deadline)
        size = size // 2 if len(left) == len(lives) else min(size, len(left) // 2)
        lives = left
    return best


def _left(
    lives: list[list[int]],
    size: int,
    breaks: Callable[[Sequence[Sequence[int]]], bool],
    deadline: float,
) -> list[list[int]]:
    """Leave out ``size`` lives wherever it breaks without them too."""
    at = 0
    while at < len(lives) and time.monotonic() < deadline:
        less = lives[:at] + lives[at + size :]
        if less and breaks(less):
            lives = less
        else:
            at += size
    return lives


def _lives(stream: OpStream, rows: Sequence[int]) -> list[list[int]]:
    """The ops from each fill of a slot to its free, in the order of the fills."""
    current: dict[int, list[int]] = {}
    lives: list[list[int]] = []
    for row, slot, op in zip(rows, stream.ops["slot"][rows], stream.ops["op"][rows], strict=True):
        if op in (Op.ALLOC, Op.RESERVE):
            current[slot] = []
            lives.append(current[slot])
        current[slot].append(row)
    return lives
