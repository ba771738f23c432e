"""What is a trace file, and how is one read and written that is larger than memory?

docs/traces.md has the format: an .npz file with ``meta``, and ``ops`` or an array for each field of
it.  Rows pass through in pieces, both ways; `numpy.load` reads the same file at once.
"""

from __future__ import annotations

import io
import json
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from iova_lab.basics.errors import IovaLabError
from iova_lab.basics.writing import replacing

#: Of a file with ``ops``, and of one with an array for each field.
VERSION, COLUMNS_VERSION = 1, 2

TRACE_DTYPE = np.dtype(
    [
        ("t_ns", "<u8"),
        ("pfn", "<u8"),
        ("limit_pfn", "<u8"),
        ("size", "<u4"),
        ("dom", "<u2"),
        ("cpu", "<u2"),
        ("op", "u1"),
        ("flags", "u1"),
    ]
)
OPS = ("alloc_fast", "free_fast", "alloc", "free", "reserve")
#: Codes 0 and 1 are the fast level: alloc_iova_fast and free_iova_fast.
ALLOC_FAST, FREE_FAST, ALLOC, FREE, RESERVE = range(len(OPS))
WENT_ON, IN_INTERRUPT, SIZE_ALIGNED = 1 << 0, 1 << 1, 1 << 3

ROWS_AT_ONCE = 1 << 18

Rows = npt.NDArray[np.void]


class TraceError(IovaLabError, ValueError):
    """A file that is not a trace, or a broken one; the message has the fault and its place."""


@dataclass(frozen=True)
class TraceFile:
    """A trace file's header; `pieces` reads its rows."""

    path: Path
    nr_rows: int
    meta: dict[str, Any]

    @property
    def synthetic(self) -> str | None:
        """How it was made, if nobody recorded it."""
        said = self.meta.get("synthetic")
        return None if said is None else str(said)

    @property
    def approximate(self) -> str | None:
        """What was assumed of it, if no probe saw the allocator."""
        said = self.meta.get("approximate")
        return None if said is None else str(said)

    def pieces(self, on_progress: Callable[[int], object] = lambda nr_rows: None) -> Iterator[Rows]:
        """All rows, at most `ROWS_AT_ONCE` at once; ``on_progress`` gets how many have been read.

        Raises `TraceError`.
        """
        with _opened(self.path) as archive, ExitStack() as stack:
            files = {
                name: stack.enter_context(archive.open(f"{name}.npy")) for name in _arrays(archive)
            }
            for name, file in files.items():
                _header(self.path, file, name)
            done = 0
            while done < self.nr_rows:
                nr_rows = min(ROWS_AT_ONCE, self.nr_rows - done)
                rows = _next_rows(self.path, files, nr_rows, done)
                _check_codes(self.path, rows, done)
                done += nr_rows
                yield rows
                on_progress(done)
            for file in files.values():
                file.read(1)  # the end is where the sum of all bytes is checked


def _arrays(archive: zipfile.ZipFile) -> tuple[str, ...]:
    """The arrays that should have the rows: all fields in one, or one for each."""
    names, fields = set(archive.namelist()), TRACE_DTYPE.names or ()
    is_whole = "ops.npy" in names or not any(f"{name}.npy" in names for name in fields)
    return ("ops",) if is_whole else fields


def _dtype(name: str) -> np.dtype[Any]:
    return TRACE_DTYPE if name == "ops" else TRACE_DTYPE[name]


def _next_rows(path: Path, files: Mapping[str, IO[bytes]], nr_rows: int, done: int) -> Rows:
    found = {}
    for name, file in files.items():
        dtype = _dtype(name)
        data = file.read(nr_rows * dtype.itemsize)
        if len(data) < nr_rows * dtype.itemsize:
            raise TraceError(f"{path}: truncated: row {done:,} and on are missing")
        found[name] = np.frombuffer(bytearray(data), dtype)
    if "ops" in found:
        return found["ops"]
    rows = np.empty(nr_rows, TRACE_DTYPE)
    for name, column in found.items():
        rows[name] = column
    return rows


def _check_codes(path: Path, rows: Rows, first: int) -> None:
    unknown = np.flatnonzero(rows["op"] >= len(OPS))
    if len(unknown):
        row = unknown[0]
        raise TraceError(f"{path}: row {first + row} has the unknown op code {rows['op'][row]}")


def open_trace(path: str | Path) -> TraceFile:
    """Read the header of a trace file.  Raises `TraceError` with one line if it is not one."""
    path = Path(path)
    with _opened(path) as archive:
        names = set(archive.namelist())
        arrays = _arrays(archive)
        missing = [name for name in (*arrays, "meta") if f"{name}.npy" not in names]
        if missing:
            raise TraceError(f"{path}: not a trace: it has no {' and no '.join(missing)}")
        with archive.open("meta.npy") as file:
            meta = _meta(path, file)
        lengths = {}
        for name in arrays:
            with archive.open(f"{name}.npy") as file:
                lengths[name] = _header(path, file, name)
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
            raise TraceError(f"{path}: not a trace: its arrays differ in length: {shown}")
        return TraceFile(path, lengths[arrays[0]], meta)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """An .npz file is a zip archive.  Whatever is wrong with it becomes a `TraceError`."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except TraceError:
        raise
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or 'not a trace: not an .npz file'}") from None
    except (zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError) as error:
        raise TraceError(f"{path}: truncated, or not a trace (.npz): {error}") from None
    except (NotImplementedError, RuntimeError) as error:  # a way to pack, or to encrypt
        raise TraceError(f"{path}: not a trace: {error}") from None


def _header(path: Path, file: IO[bytes], name: str) -> int:
    try:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise TraceError(f"{path}: not a trace: {reason}") from None
    if dtype != _dtype(name):
        raise TraceError(f"{path}: {name} have dtype {dtype}, not {_dtype(name)}")
    if len(shape) != 1:
        raise TraceError(f"{path}: {name} have {len(shape)} dimensions, not 1")
    return shape[0]


def _meta(path: Path, file: IO[bytes]) -> dict[str, Any]:
    try:
        text = np.lib.format.read_array(io.BytesIO(file.read()), allow_pickle=False)
        meta = json.loads(str(text))
    except json.JSONDecodeError as error:
        raise TraceError(f"{path}: meta is not JSON: {error}") from None
    except ValueError as error:
        raise TraceError(f"{path}: not a trace: {error}") from None
    if not isinstance(meta, dict):
        raise TraceError(f"{path}: meta is not a JSON object: {meta!r}")
    absent = {"kernel", "granule", "start_pfn"} - set(meta)
    if absent:
        raise TraceError(f"{path}: meta has no {', '.join(sorted(absent))}")
    for name in ("granule", "start_pfn"):
        if not isinstance(meta[name], int):
            raise TraceError(f"{path}: meta has {name} {meta[name]!r}, which is not a number")
    if meta.get("version", VERSION) not in (VERSION, COLUMNS_VERSION):
        raise TraceError(
            f"{path}: a trace of version {meta['version']!r}; this reads {VERSION} and"
            f" {COLUMNS_VERSION}"
        )
    return meta


def write_trace(
    target: Path, nr_rows: int, pieces: Iterable[Rows], meta: dict[str, Any]
) -> TraceFile:
    """Write ``nr_rows`` rows; the file is there whole, or not at all."""
    meta = {"ops": list(OPS), **meta, "version": VERSION}
    with (
        replacing(target) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=4) as archive,
    ):
        with archive.open("ops.npy", "w", force_zip64=True) as file:
            header = {
                "descr": np.lib.format.dtype_to_descr(TRACE_DTYPE),
                "fortran_order": False,
                "shape": (nr_rows,),
            }
            np.lib.format.write_array_header_1_0(file, header)
            for rows in pieces:
                file.write(np.ascontiguousarray(rows).tobytes())
        _write_array(archive, "meta", np.array(json.dumps(meta)))
    return TraceFile(target, nr_rows, meta)


def pack_trace(source: TraceFile, target: Path) -> TraceFile:
    """Write the same rows in half of the bytes: a column for each field, compressed by LZMA.

    All rows are in memory at once.  Raises `TraceError`.
    """
    rows = np.concatenate([np.empty(0, TRACE_DTYPE), *source.pieces()])
    meta = source.meta | {"version": COLUMNS_VERSION}
    with (
        replacing(target) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_LZMA) as archive,
    ):
        for name in TRACE_DTYPE.names or ():
            _write_array(archive, name, np.ascontiguousarray(rows[name]))
        _write_array(archive, "meta", np.array(json.dumps(meta)))
    return TraceFile(target, len(rows), meta)


def _write_array(archive: zipfile.ZipFile, name: str, array: npt.NDArray[Any]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        np.lib.format.write_array(file, array, allow_pickle=False)
