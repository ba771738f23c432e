"""How long does the measured window take?"""

from __future__ import annotations

from functools import cache

from benchmarks._common import Cells, ReplayClock, counted, generate
from iova_lab.measuring.timing import best_window


@cache
def check_affordable(variant: str, workload: str, nr_live: int) -> None:
    """Raise NotImplementedError if the window would visit more nodes than the budget."""
    counted(variant, generate(workload, nr_live))


class Latency(ReplayClock, Cells):
    """Seconds inside the measured window; each sample is the fastest of several replays."""

    def setup(self, variant: str, workload: str, nr_live: int) -> None:
        super().setup(variant, workload, nr_live)
        check_affordable(variant, workload, nr_live)

    def time_window(self, variant: str, workload: str, nr_live: int) -> None:
        self.seconds += best_window(variant, self.stream)
