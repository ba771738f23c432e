"""What is left to a variant behind the kernel's per-CPU caches, and what does an op cost there?

The caches of v7.3 return the same addresses as those of v6.7, so counts are of both.  They allocate
a magazine when a free first needs one; `iova-lab report rcache` is about their memory.
"""

from __future__ import annotations

from typing import ClassVar

from benchmarks._common import VARIANTS, WORKLOADS, Cells, ReplayClock, counted
from iova_lab.measuring.timing import best_window


class Behind(Cells):
    """Cells whose requests go through an rcache, as on a kernel's fast path."""

    params = (VARIANTS, WORKLOADS, [100, 1_000, 10_000])
    fake_too = False
    rcache: ClassVar[str] = "6.7"


class HitRate(Behind):
    """Share of the window's requests that the caches answer; the rest reach the variant."""

    unit = "hits/request"

    def track_hit_rate(self, variant: str, workload: str, nr_live: int) -> float:
        rate = counted(variant, self.stream, self.rcache).hit_rate
        assert rate is not None
        return rate


class Nodes(Behind):
    """Nodes visited per op of the window, those that the caches answer counted as ops."""

    unit = "nodes/op"

    def track_nodes_per_op(self, variant: str, workload: str, nr_live: int) -> float:
        return counted(variant, self.stream, self.rcache).nodes_per_op


class Worst(Behind):
    """Nodes visited by the op of the window that visited the most; one that flushes is one op."""

    unit = "nodes"

    def track_worst_op(self, variant: str, workload: str, nr_live: int) -> float:
        return float(counted(variant, self.stream, self.rcache).worst)


class LatencyBehind67(ReplayClock, Behind):
    """Seconds inside the measured window, with the caches of v6.7."""

    def time_window(self, variant: str, workload: str, nr_live: int) -> None:
        self.seconds += best_window(variant, self.stream, rcache=self.rcache)


class LatencyBehind73(LatencyBehind67):
    """As `LatencyBehind67`, with the caches of v7.3."""

    rcache = "7.3"
