"""Requests of an NVMe disk from a recorded trace, with a window in the middle of its load.

The tree level of a recording has few frees or none: on 6.12 the rcache kept every range, so what
reached the tree there is a start-up.  The window is one of the fast level instead: what the driver
asked.  Without an rcache all of it reaches the tree, size-aligned as alloc_iova_fast() passes it
on; with one, what the rcache misses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from iova_lab.traces.trace import TRACE_DIR, Trace, read_fast_trace
from iova_variants.opstream import Op, OpFlag, OpStream

#: The domain of the NVMe disk in the traces of 6.1 and 6.12, the busiest one.
DISK = 1

#: Live ranges when the window begins and when it ends, the five reserved ones among them.  The
#: median over all calls of the disk is 100 on 6.12 and 77 on 6.1; on 7.3 it is 90 over the calls
#: for blocks of 4K, the first half, and 16 over the rest.
NR_LIVE = 100

#: Calls that the window has at least: ten generated windows, and two block sizes.
NR_CALLS = 12_000


@dataclass(frozen=True)
class Disk:
    """The workload of the NVMe disk in one of the lab's recordings, of one size.

    ``dom`` is the disk's domain there.  The window begins at the call ``first`` or before; without
    it, where as many calls are left out before the window as behind it.
    """

    file: str
    dom: int = DISK
    first: int | None = None

    def recorded(self) -> Trace:
        """The calls with the addresses that the kernel returned."""
        return disk_window(self)

    def generate(self, nr_live: int, *, seed: int = 0) -> OpStream:
        """Return the recorded calls of the disk; neither argument has an effect."""
        return self.recorded().stream


@cache
def disk_window(disk: Disk) -> Trace:
    """The disk's calls from the start of the recording to the end of the window.

    The window is `NR_CALLS` of the disk's calls, and as many more on either side as it takes to
    begin and end with `NR_LIVE` live ranges: so it has a free for each alloc.
    """
    calls = _of_domain(read_fast_trace(TRACE_DIR / disk.file).trace, disk.dom)
    live = np.cumsum(np.where(calls.stream.ops["op"] == Op.FREE, -1, 1))
    places = np.flatnonzero(live == NR_LIVE) + 1
    first = (len(live) - NR_CALLS) // 2 if disk.first is None else disk.first
    begin = places[places <= first].max()
    end = places[places >= first + NR_CALLS].min()
    return _until(calls, int(begin), int(end))


def _of_domain(trace: Trace, dom: int) -> Trace:
    """One domain of a trace, as if there were no other."""
    chosen = trace.stream.ops["dom"] == dom
    ops = trace.stream.ops[chosen]
    ops["dom"] = 0
    ops["flags"][ops["op"] == Op.ALLOC] = OpFlag.SIZE_ALIGNED
    _, ops["slot"] = np.unique(ops["slot"], return_inverse=True)
    nr_slots = int(ops["slot"].max()) + 1
    return replace(
        trace,
        stream=replace(trace.stream, ops=ops, nr_slots=nr_slots, nr_domains=1),
        recorded=trace.recorded[chosen],
        rows=trace.rows[chosen],
        t_ns=trace.t_ns[chosen],
    )


def _until(trace: Trace, begin: int, end: int) -> Trace:
    """The first ``end`` calls, those from ``begin`` on measured."""
    ops = trace.stream.ops[:end]
    nr_slots = int(ops["slot"].max()) + 1  # slots are numbered as they come
    return replace(
        trace,
        stream=replace(trace.stream, ops=ops, nr_ageing=begin, nr_slots=nr_slots),
        recorded=trace.recorded[:end],
        rows=trace.rows[:end],
        t_ns=trace.t_ns[:end],
    )
