"""Which cells of the grid are measured, and why are the others not?"""

from __future__ import annotations

from asv_runner.benchmarks.mark import SkipNotImplemented

from benchmarks._common import Cells, begin_cell, counted, generate, load
from iova_lab.workloads import SizeError

MEASURED, NO_SUCH_SIZE, TOO_LONG = 0.0, 1.0, 2.0


class Coverage(Cells):
    """0: measured; 1: the workload has no such size; 2: the window exceeds the node budget."""

    unit = "reason"

    def exists(self, variant: str, workload: str, nr_live: int) -> bool:
        return True

    def setup(self, variant: str, workload: str, nr_live: int) -> None:
        begin_cell()
        load(variant)

    def track_why_not(self, variant: str, workload: str, nr_live: int) -> float:
        try:
            counted(variant, generate(workload, nr_live))
        except SizeError:
            return NO_SUCH_SIZE
        except SkipNotImplemented:
            return TOO_LONG
        return MEASURED
