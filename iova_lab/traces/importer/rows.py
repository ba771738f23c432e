"""How do rows wait on disk until it is known how many there are, and how far each one went?"""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from iova_lab.traces.file import ROWS_AT_ONCE, TRACE_DTYPE, WENT_ON, Rows
from iova_lab.traces.importer.calls import Row

_ROW = struct.Struct("<QQQIHHBB")
_FLAGS_AT = 33
assert _ROW.size == TRACE_DTYPE.itemsize == _FLAGS_AT + 1


def packed(rows: Iterable[Row]) -> Rows:
    """Rows whose times count from the beginning already, as an array."""
    return np.frombuffer(b"".join(_ROW.pack(*row) for row in rows), TRACE_DTYPE)


class RowFile:
    """Rows in a file without a name, which nobody has to clean up; memory holds one piece."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (closed in __exit__)
        self._piece = bytearray()
        self.nr_rows = 0
        self._nr_written = 0
        self._first_ns = 0

    def __enter__(self) -> RowFile:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def add(self, row: Row) -> bool:
        """Append one row, times count from the first; True once the piece should be written."""
        if not self.nr_rows:
            self._first_ns = row.time_ns
        # Another CPU's record may have begun a little before the first.
        t_ns = max(row[0] - self._first_ns, 0)
        self._piece += _ROW.pack(t_ns, *row[1:])
        self.nr_rows += 1
        return len(self._piece) >= ROWS_AT_ONCE * _ROW.size

    def went_on(self, indices: list[int]) -> None:
        """Flag earlier rows, and empty the list."""
        for index in indices:
            if index >= self._nr_written:
                self._piece[(index - self._nr_written) * _ROW.size + _FLAGS_AT] |= WENT_ON
            else:
                at = index * _ROW.size + _FLAGS_AT
                flags = os.pread(self._file.fileno(), 1, at)[0] | WENT_ON
                os.pwrite(self._file.fileno(), bytes([flags]), at)
        indices.clear()

    def flush(self) -> None:
        """Write the piece."""
        at, view = self._nr_written * _ROW.size, memoryview(bytes(self._piece))
        while view:
            written = os.pwrite(self._file.fileno(), view, at)
            view, at = view[written:], at + written
        self._piece.clear()
        self._nr_written = self.nr_rows

    def pieces(self, on_progress: Callable[[int], object]) -> Iterator[Rows]:
        """All rows, piece by piece; ``on_progress`` gets how many."""
        self.flush()
        for first in range(0, self.nr_rows, ROWS_AT_ONCE):
            nr_rows = min(ROWS_AT_ONCE, self.nr_rows - first)
            data = os.pread(self._file.fileno(), nr_rows * _ROW.size, first * _ROW.size)
            yield np.frombuffer(data, TRACE_DTYPE)
            on_progress(first + nr_rows)
