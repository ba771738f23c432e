"""How much does a time differ from itself, measured at another time of the same run?

Two cells of an asv run are minutes or hours apart.  One variant is timed a second time in the same
cells: the lab's reports claim no difference of times that is smaller than what that shows.
"""

from __future__ import annotations

import os

from benchmarks import latency
from benchmarks._common import NR_LIVE, WORKLOADS, Cells

AGAIN = ["mainline"]


class Drift(latency.Latency):
    """As `latency.Latency`, of one variant, at another time: asv runs modules in turn."""

    params = (AGAIN, WORKLOADS, NR_LIVE)


class Load(Cells):
    """The machine's one-minute load average, this process included."""

    params = (AGAIN, WORKLOADS, NR_LIVE)
    unit = "processes"

    def track_load(self, variant: str, workload: str, nr_live: int) -> float:
        return os.getloadavg()[0]
