"""What does a window cost on the wall, with one thread on the domain and with two?

As many CPUs as threads, or the cell is skipped: threads that share a CPU measure the system's
scheduling.  What is compared is the same build: its lock is timed, so one thread is slower here
than in `latency`.
"""

from __future__ import annotations

import os

from benchmarks._common import VARIANTS, Cells, ReplayClock
from benchmarks.latency import check_affordable
from iova_lab.measuring.timing import LEAST_REPLAYS, fastest_within
from iova_variants import Deal, deal, replay_threads

#: The common case, a random one, CPUs that free what others map, and a lock held for long.
CONTENDED = ["cross_cpu", "full_32bit", "near_empty", "random_replace"]
SIZES = [100, 10_000]
THREADS = [1, 2]

#: More than the least number of replays only within this.
SHORT_S = 0.05


class Contended(Cells):
    """One cell: a variant, a workload, its size, and so many threads on one domain."""

    params = (VARIANTS, CONTENDED, SIZES, THREADS)
    param_names = ("variant", "workload", "nr_live", "threads")

    def setup(self, variant: str, workload: str, nr_live: int, threads: int = 1) -> None:
        if threads > len(os.sched_getaffinity(0)):
            raise NotImplementedError(f"fewer than {threads} CPUs: threads would take turns")
        super().setup(variant, workload, nr_live)
        check_affordable(variant, workload, nr_live)
        self.dealt: Deal = deal(self.stream, threads)


class ContendedWindow(ReplayClock, Contended):
    """Seconds from the first thread's start to the last one's end; asv's clock is that one."""

    def time_window(self, variant: str, workload: str, nr_live: int, threads: int) -> None:
        ns = fastest_within(
            lambda: replay_threads(variant, self.dealt, threads=threads).ns, short_s=SHORT_S
        )
        self.seconds += ns / 1e9


class ContendedWait(Contended):
    """Mean wait for the variant's lock: median of several replays, for the system may interfere."""

    fake_too = False  # it takes no lock
    unit = "ns"

    def track_mean_wait(self, variant: str, workload: str, nr_live: int, threads: int) -> float:
        waits = []
        for _ in range(2 * LEAST_REPLAYS + 1):
            lock = replay_threads(variant, self.dealt, threads=threads).lock()
            waits.append(lock.wait_ns / lock.nr)
        return float(sorted(waits)[len(waits) // 2])
