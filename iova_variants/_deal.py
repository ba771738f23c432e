"""Which thread runs which op of a stream, so that what one op needs can have happened before it?

Every op keeps its slot's order, whoever runs it: an op waits for the ops on its slot that the
stream has before it.  So a range is freed after it was allocated, by another thread if the stream
says so (a hand-off), and nothing else is promised: who gets which address is up to the CPUs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from iova_lab.basics.errors import InvalidValueError

if TYPE_CHECKING:
    from iova_variants.opstream import OpStream

_ALLOC, _RESERVE = 0, 2


@dataclass(frozen=True)
class Deal:
    """A stream, dealt out.

    ``stream`` is the stream with its slots renamed, so that slots of one thread lie together, and
    with the thread as ``cpu`` where the stream names none.  ``thread`` and ``turn`` have one
    entry per measured op: who runs it, and how many measured ops on its slot come before it.
    ``by_cpu``: the stream's own cpu field decided.
    """

    stream: OpStream
    thread: npt.NDArray[np.uint16]
    turn: npt.NDArray[np.uint32]
    by_cpu: bool

    @property
    def nr_handed_over(self) -> int:
        """Measured ops on a slot whose measured op before was another thread's."""
        slot = self.stream.ops["slot"][self.stream.nr_ageing :]
        order = np.argsort(slot, kind="stable")
        same = slot[order][1:] == slot[order][:-1]
        return int((same & (self.thread[order][1:] != self.thread[order][:-1])).sum())


def deal(stream: OpStream, nr_threads: int) -> Deal:
    """Deal the measured ops of ``stream`` out to ``nr_threads`` threads.

    Ops that name CPUs go to thread ``cpu % nr_threads``.  A stream that runs on one CPU is dealt by
    slot, the slots in turn: a slot stands for a buffer of some driver, and that is on one CPU.
    So pairs of free and alloc stay together.  A slot that alone carries more than half of a
    thread's share is dealt by life (alloc to free), or one thread would do all the work.
    With one thread, the stream is what it was.
    """
    if not 1 <= nr_threads <= 1 << 16:
        raise InvalidValueError(f"{nr_threads} threads are not within 1..65536")
    ops, nr_slots = stream.ops.copy(), stream.nr_slots
    window = ops[stream.nr_ageing :]
    by_cpu = bool(np.any(window["cpu"] != window["cpu"][:1]))
    if by_cpu:
        thread = (window["cpu"] % nr_threads).astype(np.uint16)
    else:
        thread, nr_slots = _by_slot(window, nr_slots, nr_threads)
        ops["cpu"] %= nr_threads
        window["cpu"] = thread
    ops["slot"] = _names(window["slot"], thread, nr_slots)[ops["slot"]]
    turn = _rank(window["slot"]).astype(np.uint32)
    return Deal(replace(stream, ops=ops, nr_slots=nr_slots), thread, turn, by_cpu)


def _names(
    slot: npt.NDArray[np.integer], thread: npt.NDArray[np.uint16], nr_slots: int
) -> npt.NDArray[np.uint32]:
    """Return new names, by which the slots of one thread lie together: no cache line is shared."""
    owner = np.zeros(nr_slots, np.uint16)
    owner[slot[::-1]] = thread[::-1]  # the first op on a slot decides
    names = np.empty(nr_slots, np.uint32)
    names[np.argsort(owner, kind="stable")] = np.arange(nr_slots, dtype=np.uint32)
    return names


def _rank(keys: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """How many entries before this one are equal to it?"""
    order = np.argsort(keys, kind="stable")
    first = np.r_[True, keys[order][1:] != keys[order][:-1]][: len(keys)]
    index = np.arange(len(keys))
    rank = np.empty(len(keys), np.int64)
    rank[order] = index - np.maximum.accumulate(np.where(first, index, 0))
    return rank


def _by_slot(
    window: npt.NDArray[np.void], nr_slots: int, nr_threads: int
) -> tuple[npt.NDArray[np.uint16], int]:
    """Who runs each op; lives of a heavy slot get slots of their own, or each would wait."""
    slots, first, slot, count = np.unique(
        window["slot"], return_index=True, return_inverse=True, return_counts=True
    )
    turn_of_slot = np.empty(len(slots), np.int64)
    turn_of_slot[np.argsort(first)] = np.arange(len(slots))
    thread = turn_of_slot[slot]
    life = _life(window, slot)
    heavy = (count > len(window) / nr_threads / 2)[slot] & (life > 0) & (nr_threads > 1)
    _, own = np.unique(np.stack([slot[heavy], life[heavy]]), axis=1, return_inverse=True)
    window["slot"][heavy] = nr_slots + own
    nr_slots += int(own.max(initial=-1)) + 1
    return (np.where(heavy, thread + life, thread) % nr_threads).astype(np.uint16), nr_slots


def _life(window: npt.NDArray[np.void], slot: npt.NDArray[np.integer]) -> npt.NDArray[np.int64]:
    """Which life of its slot does each op belong to?  One begins with alloc or reserve."""
    begins = (window["op"] == _ALLOC) | (window["op"] == _RESERVE)
    order = np.argsort(slot, kind="stable")
    count = np.cumsum(begins[order])
    first = np.r_[True, slot[order][1:] != slot[order][:-1]][: len(slot)]
    before = np.where(first, count - begins[order], 0)
    life = np.empty(len(slot), np.int64)
    life[order] = count - np.maximum.accumulate(before)
    return life
