"""Over how much address space do the live ranges lie?"""

from __future__ import annotations

from benchmarks._common import Cells, counted_live


class Span(Cells):
    """Pfns from the lowest to the highest live one after the window, per live pfn."""

    fake_too = False
    unit = "pfns/pfn"

    def track_span_per_pfn(self, variant: str, workload: str, nr_live: int) -> float:
        return counted_live(variant, workload, self.stream).span_per_pfn
