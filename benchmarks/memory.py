"""What memory does a live range take?"""

from __future__ import annotations

from benchmarks._common import Cells, counted_live


class BytesPerRange(Cells):
    """Bytes of domains and whole slabs after the window, per range that is live then."""

    fake_too = False
    unit = "bytes"

    def track_bytes_per_range(self, variant: str, workload: str, nr_live: int) -> float:
        return counted_live(variant, workload, self.stream).bytes_per_range
