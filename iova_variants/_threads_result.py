"""What does a replay by N threads return?"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from iova_variants._rcache import RcacheReport
from iova_variants._replayed import asked
from iova_variants.building import Build


@dataclass(frozen=True)
class LockTimes:
    """All acquisitions of one class of locks, in ns.

    A wait lasts from the call until the lock is held, a hold from there to its release; the longest
    section is the longest wait and hold in one, for which a kernel has interrupts off.
    ``nr_queued`` came while another thread held it.  Bin ``b`` of ``waits`` and ``holds`` counts
    what lasted from 2**(b-1) to below 2**b ns, bin 0 what lasted none.
    """

    nr: int
    nr_queued: int
    wait_ns: int
    hold_ns: int
    max_wait_ns: int
    max_hold_ns: int
    max_section_ns: int
    waits: tuple[int, ...]
    holds: tuple[int, ...]

    def __add__(self, other: LockTimes) -> LockTimes:
        return LockTimes(*(_sum_or_max(field.name, self, other) for field in fields(self)))


def _sum_or_max(name: str, one: LockTimes, other: LockTimes) -> Any:
    mine, theirs = getattr(one, name), getattr(other, name)
    if isinstance(mine, tuple):
        return tuple(a + b for a, b in zip(mine, theirs, strict=True))
    return max(mine, theirs) if name.startswith("max_") else mine + theirs


@dataclass(frozen=True)
class ThreadShare:
    """What one thread has done; ``locks`` by class: variant, depot, cpu_cache.

    ``ns`` is from its start to its last op, ``op_ns`` the part of it inside ops.  ``nr_handoffs``
    ops had to wait, outside of themselves, for another thread's op on their slot.
    ``nr_preempted`` counts how often the system took the CPU away: then maxima are its doing.
    """

    cpu: int
    ns: int
    nr_ops: int
    nr_failures: int
    op_ns: int
    max_op_ns: int
    nr_handoffs: int
    handoff_ns: int
    nr_preempted: int
    ops: tuple[int, ...]
    locks: dict[str, LockTimes]


@dataclass(frozen=True)
class PerOp:
    """One entry for each measured op, in the stream's order."""

    op_ns: npt.NDArray[np.uint32]
    op_wait_ns: npt.NDArray[np.uint32]
    op_hold_ns: npt.NDArray[np.uint32]
    pfns: npt.NDArray[np.uint64]

    @classmethod
    def zeros(cls, nr_ops: int) -> Self:
        """Arrays of this length, for the C to fill."""
        inside, wait, hold = (np.zeros(nr_ops, np.uint32) for _ in range(3))
        return cls(inside, wait, hold, np.zeros(nr_ops, np.uint64))


@dataclass(frozen=True)
class ThreadsResult:
    """Counts and times of all threads in the measured window.

    ``ns`` is from the first one's start to the last one's end.  ``oversubscribed``: there were more
    threads than CPUs, so waits include the system's scheduling and show little of the lock.
    ``clock_ns`` is one reading of the clock; ``empty_hold_ns`` what a hold of nothing reads.
    ``nr_live`` ranges are owned at the end; each was found in the domain, and none overlaps.
    ``nr_arenas`` is how often memory was taken from the system within the window: 0, or times have
    that in them.
    ``per_op`` is None unless it was requested; without it the arrays raise `InvalidValueError`.
    """

    variant: str
    build: Build
    shares: tuple[ThreadShare, ...]
    oversubscribed: bool
    ns: int
    clock_ns: float
    empty_hold_ns: float
    nr_live: int
    bytes: int
    nr_arenas: int
    rcache: RcacheReport | None = None
    per_op: PerOp | None = None

    @property
    def op_ns(self) -> npt.NDArray[np.uint32]:
        """Nanoseconds inside each measured op."""
        return self._per_op().op_ns

    @property
    def op_wait_ns(self) -> npt.NDArray[np.uint32]:
        """Nanoseconds that each measured op waited for the variant's lock."""
        return self._per_op().op_wait_ns

    @property
    def op_hold_ns(self) -> npt.NDArray[np.uint32]:
        """Nanoseconds for which each measured op held it."""
        return self._per_op().op_hold_ns

    @property
    def pfns(self) -> npt.NDArray[np.uint64]:
        """Address of each measured op."""
        return self._per_op().pfns

    def _per_op(self) -> PerOp:
        return asked(self.per_op, "replay_threads(..., per_op=True)")

    @property
    def nr_threads(self) -> int:
        """How many there were."""
        return len(self.shares)

    @property
    def nr_ops(self) -> int:
        """Measured ops, of all threads."""
        return sum(share.nr_ops for share in self.shares)

    def total(self, name: str) -> int:
        """Sum of one number of all `shares`."""
        return sum(getattr(share, name) for share in self.shares)

    def lock(self, name: str = "variant") -> LockTimes:
        """One class of locks, over all threads."""
        first, *others = (share.locks[name] for share in self.shares)
        return sum(others, start=first)
