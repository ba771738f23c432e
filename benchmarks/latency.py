"""How long does the measured window take?"""

from __future__ import annotations

from functools import cache

from benchmarks._common import Cells, counted, generate
from iova_lab.measuring.timing import best_window


@cache
def check_affordable(variant: str, workload: str, nr_live: int) -> None:
    """Raise NotImplementedError if the window would visit more nodes than the budget."""
    counted(variant, generate(workload, nr_live))


class Latency(Cells):
    """Seconds inside the measured window; asv's clock is the replay clock.

    Each sample is the fastest of several replays.  Four processes take at least two samples each:
    with eight, the least and the greatest bound the median with 99 % confidence.
    """

    unit = "seconds"
    number = 1
    rounds = 4
    repeat = (2, 4, 4.0)
    warmup_time = 0.0
    timeout = 1800

    def setup(self, variant: str, workload: str, nr_live: int) -> None:
        super().setup(variant, workload, nr_live)
        check_affordable(variant, workload, nr_live)
        self.seconds = 0.0

    def timer(self) -> float:
        """Seconds that this cell's replays have put on the clock."""
        return self.seconds

    def time_window(self, variant: str, workload: str, nr_live: int) -> None:
        self.seconds += best_window(variant, self.stream)
