"""What did the livepatch count and record?  Read from the memory that it shares with the host.

The layouts are those of harness/kernel/io/report.h; a test compiles that and compares.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from iova_lab.traces.file import TRACE_DTYPE, Rows

MAGIC = 0x314F49424C41564F
CALLS = ("alloc_fast", "free_fast", "alloc", "free", "reserve")
NR_SIZES = 24
NR_BUCKETS = 256
MAX_PHASES = 256
HEADER_DTYPE = np.dtype(
    [
        ("magic", "<u8"),
        ("max_phases", "<u8"),
        ("phases_at", "<u8"),
        ("max_rows", "<u8"),
        ("rows_at", "<u8"),
        ("nr_phases", "<u8"),
        ("nr_rows", "<u8"),
        ("nr_unrecorded", "<u8"),
        ("nr_domains", "<u8"),
        ("nr_put", "<u8"),
        ("nr_left", "<i8"),
        ("granule", "<u8"),
        ("start_pfn", "<u8"),
        ("floor", "<u8"),
    ]
)
COST_DTYPE = np.dtype(
    [
        ("nr", "<u8"),
        ("nr_failed", "<u8"),
        ("nr_pfns", "<u8"),
        ("instructions", "<u8"),
        ("worst", "<u8"),
        ("buckets", "<u4", (NR_BUCKETS,)),
    ]
)
PHASE_DTYPE = np.dtype(
    [
        ("name", "S32"),
        ("calls", COST_DTYPE, (len(CALLS),)),
        ("holds", COST_DTYPE),
        ("sizes", "<u8", (NR_SIZES,)),
        ("nr_tree_allocs", "<u8"),
        ("nr_tree_frees", "<u8"),
        ("nr_flushes", "<u8"),
    ]
)
_PAGE = 4096

#: One record of an array of these, such as a phase or a cost.
Struct = np.void
Phases = npt.NDArray[np.void]


@dataclass(frozen=True)
class Report:
    """All that a guest left: its ``header``, its complete ``phases``, and recorded ``rows``."""

    header: dict[str, int]
    phases: Phases
    rows: Rows

    def phase(self, name: str) -> Struct | None:
        """What was counted in the phase of this name, None if it did not end."""
        return next((one for one in self.phases if one["name"] == name.encode()), None)


class IoMemory:
    """The memory of one boot; ``max_rows`` is how many calls it can record, 0 for none."""

    def __init__(self, path: Path, max_rows: int = 0) -> None:
        self.path = path
        phases_at = _PAGE
        rows_at = phases_at + -(-MAX_PHASES * PHASE_DTYPE.itemsize // _PAGE) * _PAGE
        end = rows_at + max_rows * TRACE_DTYPE.itemsize
        self.size = max(1 << (end - 1).bit_length(), 1 << 20)  # as PCI wants it
        header = np.zeros(1, HEADER_DTYPE)
        header["magic"] = MAGIC
        header["max_phases"], header["phases_at"] = MAX_PHASES, phases_at
        header["max_rows"], header["rows_at"] = max_rows, rows_at
        with path.open("wb") as file:
            file.truncate(self.size)
            header.tofile(file)

    def arguments(self) -> list[str]:
        """What QEMU is given, to show this memory to the guest."""
        backend = f"memory-backend-file,id=lab,share=on,mem-path={self.path},size={self.size}"
        return ["-object", backend, "-device", "ivshmem-plain,memdev=lab"]

    def read(self) -> Report:
        """Return what is there, complete phases alone."""
        (header,) = self._read(0, HEADER_DTYPE, 1)
        found = {name: int(header[name]) for name in HEADER_DTYPE.names or ()}
        phases = self._read(found["phases_at"], PHASE_DTYPE, found["nr_phases"])
        rows = self._read(found["rows_at"], TRACE_DTYPE, found["nr_rows"])
        return Report(found, phases, rows)

    def _read(self, at: int, dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        return np.fromfile(self.path, dtype, count, offset=at)


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
