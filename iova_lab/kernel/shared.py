"""How do op streams get into a guest, and the answers out?

In a file that QEMU shows the guest as memory (ivshmem-plain): nothing is copied, and no disk's
interrupt falls into what is counted.  The layouts are those of harness/kernel/job.h.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from iova_variants.opstream import OpStream


def u64(names: str) -> list[tuple[str, str]]:
    """Fields of 64 bits, one after the other, for a dtype."""
    return [(name, "<u8") for name in names.split()]


MAGIC = 0x31424C41564F49
HEADER_DTYPE = np.dtype(u64("magic nr_jobs"))
JOB_DTYPE = np.dtype(
    [
        ("variant", "S32"),
        *u64("nr_ops nr_slots nr_domains granule start_pfn"),
        *u64("ops_at pfns_at cycles_at result_at"),
    ]
)
RESULT_DTYPE = np.dtype(
    [*u64("magic nr_done"), ("tsc_khz", "<u4"), ("err", "<i4"), ("error", "S104")]
)


def whole_pages(nr_bytes: int) -> int:
    """So many bytes, rounded up to whole pages."""
    return -(-nr_bytes // 4096) * 4096


class GuestMemory:
    """A file that QEMU shows the guest as memory: at least ``nr_bytes``, all of them zeros."""

    def __init__(self, path: Path, nr_bytes: int) -> None:
        self.path = path
        self.size = max(1 << (nr_bytes - 1).bit_length(), 1 << 20)  # as PCI wants it
        with path.open("wb") as file:
            file.truncate(self.size)

    def arguments(self) -> list[str]:
        """What QEMU is given, to show this memory to the guest."""
        backend = f"memory-backend-file,id=lab,share=on,mem-path={self.path},size={self.size}"
        return ["-object", backend, "-device", "ivshmem-plain,memdev=lab"]

    def _write(self, at: int, data: npt.NDArray[np.void]) -> None:
        with self.path.open("r+b") as file:
            file.seek(at)
            data.tofile(file)

    def _read(self, at: int, dtype: npt.DTypeLike, count: int) -> npt.NDArray[Any]:
        return np.fromfile(self.path, dtype, count, offset=at)


class SharedMemory(GuestMemory):
    """The jobs of one boot: ``jobs`` are names of variants and the streams they replay."""

    def __init__(self, path: Path, jobs: Sequence[tuple[str, OpStream]]) -> None:
        self._end = 0
        header_at = self._place(HEADER_DTYPE.itemsize + len(jobs) * JOB_DTYPE.itemsize)
        # Equal streams lie there once.
        streams = {id(stream): stream for _, stream in jobs}
        ops_at = {key: self._place(stream.ops.nbytes) for key, stream in streams.items()}
        self.table = np.concatenate(
            [np.zeros(0, JOB_DTYPE), *(self._job(name, stream, ops_at) for name, stream in jobs)]
        )
        super().__init__(path, self._end)
        self._write(header_at, np.array([(MAGIC, len(jobs))], HEADER_DTYPE))
        self._write(header_at + HEADER_DTYPE.itemsize, self.table)
        for key, stream in streams.items():
            self._write(ops_at[key], stream.ops)

    def _place(self, nr_bytes: int) -> int:
        at = self._end
        self._end += whole_pages(nr_bytes)
        return at

    def _job(self, name: str, stream: OpStream, ops_at: dict[int, int]) -> npt.NDArray[np.void]:
        row = np.zeros(1, JOB_DTYPE)
        nr_ops = len(stream.ops)
        row["variant"] = name.encode()
        row["nr_ops"] = nr_ops
        for field in ("nr_slots", "nr_domains", "granule", "start_pfn"):
            row[field] = getattr(stream, field)
        row["ops_at"] = ops_at[id(stream)]
        row["pfns_at"] = self._place(8 * nr_ops)
        row["cycles_at"] = self._place(4 * nr_ops)
        row["result_at"] = self._place(RESULT_DTYPE.itemsize)
        return row

    def error(self, index: int) -> str | None:
        """What went wrong with one job, None if nothing did."""
        (result,) = self._read(int(self.table[index]["result_at"]), RESULT_DTYPE, 1)
        if result["magic"] != MAGIC:
            return "the guest left no result"
        if not result["err"]:
            return None
        what = bytes(result["error"]).decode() or "failed"
        number = -int(result["err"])
        return f"{what}: {os.strerror(number)} ({errno.errorcode.get(number, number)})"

    def answers(self, index: int) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32], int]:
        """Pfns and cycles, one per op of the job's stream, and cycles per ms."""
        row = self.table[index]
        (result,) = self._read(int(row["result_at"]), RESULT_DTYPE, 1)
        nr_ops = int(row["nr_ops"])
        pfns = self._read(int(row["pfns_at"]), np.uint64, nr_ops)
        cycles = self._read(int(row["cycles_at"]), np.uint32, nr_ops)
        return pfns, cycles, int(result["tsc_khz"])
