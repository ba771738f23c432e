"""Which requests are refused, and which of them could have been met?"""

from __future__ import annotations

from benchmarks._common import Cells, counted


class Failures(Cells):
    """Requests of the window that were refused."""

    fake_too = False
    unit = "requests"

    def track_failures(self, variant: str, workload: str, nr_live: int) -> float:
        return float(counted(variant, self.stream).nr_failures)


class SpuriousFailures(Cells):
    """Requests of the window that were refused although an exhaustive search finds a fit."""

    fake_too = False
    unit = "requests"

    def track_spurious_failures(self, variant: str, workload: str, nr_live: int) -> float:
        return float(counted(variant, self.stream).nr_spurious)
