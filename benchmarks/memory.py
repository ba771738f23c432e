"""What memory does a live range take?"""

from __future__ import annotations

from asv_runner.benchmarks.mark import SkipNotImplemented

from benchmarks._common import Cells, counted


class BytesPerRange(Cells):
    """Bytes of domains and whole slabs after the window, per range that is live then."""

    fake_too = False
    unit = "bytes"

    def track_bytes_per_range(self, variant: str, workload: str, nr_live: int) -> float:
        result = counted(variant, self.stream)
        if not result.nr_live:
            raise SkipNotImplemented(f"{workload} ends with no live range")
        return result.bytes / result.nr_live
