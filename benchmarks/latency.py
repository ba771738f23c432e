"""How long does the measured window take?"""

from __future__ import annotations

import math
import time
from functools import cache

from benchmarks._common import Cells, counted, generate
from iova_variants import replay

NR_REPLAYS = 5
PATIENCE_S = 2.0


@cache
def check_affordable(variant: str, workload: str, nr_live: int) -> None:
    """Raise NotImplementedError if the window would visit more nodes than the budget."""
    counted(variant, generate(workload, nr_live))


class Latency(Cells):
    """Seconds inside the measured window; asv's clock is the replay clock.

    Each sample is the fastest of five replays, each on fresh domains; of fewer where 2 s have
    gone by, of one where a single replay takes as long.  Two processes take at least four samples
    each: with eight, the least and the greatest bound the median with 99 % confidence.
    """

    unit = "seconds"
    number = 1
    rounds = 2
    repeat = (4, 8, 8.0)
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
        best, started = math.inf, time.perf_counter()
        for _ in range(NR_REPLAYS):
            best = min(best, replay(variant, self.stream).ns)
            if time.perf_counter() - started > PATIENCE_S:
                break
        self.seconds += best / 1e9
