"""Over how much address space do the live ranges lie?"""

from __future__ import annotations

from asv_runner.benchmarks.mark import SkipNotImplemented

from benchmarks._common import Cells, counted


class Span(Cells):
    """Pfns from the lowest to the highest live one after the window, per live pfn."""

    fake_too = False
    unit = "pfns/pfn"

    def track_span_per_pfn(self, variant: str, workload: str, nr_live: int) -> float:
        result = counted(variant, self.stream)
        if not result.nr_live_pfns:
            raise SkipNotImplemented(f"{workload} ends with no live range")
        return result.span / result.nr_live_pfns
