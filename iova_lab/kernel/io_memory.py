"""What did the livepatch count and record?  Read from the memory that it shares with the host.

The layouts are those of harness/kernel/io/report.h; a test compiles that and compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from iova_lab.kernel.shared import GuestMemory, u64, whole_pages
from iova_lab.traces.file import TRACE_DTYPE, Rows

MAGIC = 0x314F49424C41564F
CALLS = ("alloc_fast", "free_fast", "alloc", "free", "reserve")
NR_SIZES = 24
NR_BUCKETS = 256
MAX_PHASES = 256
HEADER_DTYPE = np.dtype(
    [
        *u64("magic max_phases phases_at max_rows rows_at"),
        *u64("nr_phases nr_rows nr_unrecorded nr_domains nr_put"),
        ("nr_left", "<i8"),
        *u64("granule start_pfn floor"),
    ]
)
COST_DTYPE = np.dtype(
    [*u64("nr nr_failed nr_pfns instructions worst"), ("buckets", "<u4", (NR_BUCKETS,))]
)
PHASE_DTYPE = np.dtype(
    [
        ("name", "S32"),
        ("calls", COST_DTYPE, (len(CALLS),)),
        ("holds", COST_DTYPE),
        ("sizes", "<u8", (NR_SIZES,)),
        *u64("nr_tree_allocs nr_tree_frees nr_flushes"),
    ]
)

#: One record of an array of these, such as a phase or a cost.
Struct = np.void


@dataclass(frozen=True)
class Report:
    """All that a guest left: its ``header``, its complete ``phases``, and recorded ``rows``."""

    header: dict[str, int]
    phases: npt.NDArray[Struct]
    rows: Rows

    def phase(self, name: str) -> Struct | None:
        """What was counted in the phase of this name, None if it did not end."""
        return next((one for one in self.phases if one["name"] == name.encode()), None)


class IoMemory(GuestMemory):
    """The memory of one boot; ``max_rows`` is how many calls it can record, 0 for none."""

    def __init__(self, path: Path, max_rows: int = 0) -> None:
        phases_at = whole_pages(HEADER_DTYPE.itemsize)
        rows_at = phases_at + whole_pages(MAX_PHASES * PHASE_DTYPE.itemsize)
        super().__init__(path, rows_at + max_rows * TRACE_DTYPE.itemsize)
        header = np.zeros(1, HEADER_DTYPE)
        header["magic"] = MAGIC
        header["max_phases"], header["phases_at"] = MAX_PHASES, phases_at
        header["max_rows"], header["rows_at"] = max_rows, rows_at
        self._write(0, header)

    def read(self) -> Report:
        """Return what is there, complete phases alone."""
        (header,) = self._read(0, HEADER_DTYPE, 1)
        found = {name: int(header[name]) for name in HEADER_DTYPE.names or ()}
        phases = self._read(found["phases_at"], PHASE_DTYPE, found["nr_phases"])
        rows = self._read(found["rows_at"], TRACE_DTYPE, found["nr_rows"])
        return Report(found, phases, rows)


def lowest(bucket: int) -> int:
    """The lowest value of a bucket: each value below 16 has its own, then eight a power of two."""
    if bucket < 16:
        return bucket
    power, eighth = divmod(bucket - 16, 8)
    return (8 + eighth) << (power + 1)


def quantile(buckets: npt.NDArray[np.uint32], share: float) -> int:
    """The highest value of the bucket in which this share of all is reached; 0 for none."""
    total = int(buckets.sum())
    if not total:
        return 0
    bucket = int(np.searchsorted(np.cumsum(buckets), share * total))
    return lowest(bucket + 1) - 1
