"""Which requests are refused, which of them could have been met, and which are met wrongly?"""

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
        return float(counted(variant, self.stream).nr_spurious or 0)


class AboveLimit(Cells):
    """Requests of the window that were answered with an address above their limit."""

    fake_too = False
    unit = "requests"

    def track_above_limit(self, variant: str, workload: str, nr_live: int) -> float:
        return float(counted(variant, self.stream).nr_above_limit or 0)
