"""Read files that a user may have edited, cut off or confused: each has a schema.

A schema is a dataclass, a `msgspec.Struct` or a plain type.  msgspec checks types and ranges and
names the place that does not fit; what does not fit is one `FileError`, with one line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from iova_lab.basics.errors import InvalidValueError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

#: One row of a file of JSON lines.
Row = dict[str, Any]


class FileError(InvalidValueError):
    """A file that does not fit its schema: the message has file, member, what was expected."""


def read_json(path: Path, schema: type[T], *, written_by: str) -> T:
    """Read one JSON file as ``schema``.  ``written_by`` is the command that makes such files.

    NaN and Infinity are numbers, as in files of asv.  Raises `FileError`, also for a file that
    can't be read.
    """
    return convert(_parse(path, _read(path, written_by), "", written_by), schema, path, written_by)


def convert(
    value: Any,
    schema: type[T],
    path: Path,
    written_by: str,
    place: str = "",
    *,
    strict: bool = True,
) -> T:
    """Turn parsed JSON from ``path`` into ``schema``; ``place`` is where in the file it lies.

    Not ``strict``: a number may stand there as text.
    """
    try:
        return msgspec.convert(value, schema, strict=strict, str_keys=True)
    except msgspec.ValidationError as error:
        raise wrong(path, _placed(str(error), place), written_by) from None
    except RecursionError:
        raise wrong(path, _placed("nested too deeply", place), written_by) from None


def read_rows(path: Path, *schemas: type[Any], written_by: str = "iova-lab") -> list[Row]:
    """Read a file of JSON lines, oldest first; each row has the members of every schema.

    Rows that were `packed` come first.  Other members are kept.  A row that was cut off, by a
    process that ended while writing, does not count.  A file that is not there has no rows.  Raises
    `FileError` with the number of the line.
    """
    found = []
    for part in (packed(path), path):
        if part.exists():
            found += _rows(part, schemas, written_by)
    return found


def packed(path: Path) -> Path:
    """Where `iova_lab.basics.packing.pack_rows` puts the rows of ``path``, compressed."""
    return path.with_name(f"{path.name}.gz")


def row_files(folder: Path, pattern: str) -> list[Path]:
    """The files of rows that match ``pattern``, sorted, those whose rows are `packed` too.

    All are named without ``.gz``: `read_rows` reads both parts.
    """
    compressed = (path.with_suffix("") for path in folder.glob(f"{pattern}.gz"))
    return sorted({*folder.glob(pattern), *compressed})


def _rows(path: Path, schemas: tuple[type[Any], ...], written_by: str) -> list[Row]:
    found = []
    for number, line in enumerate(_read(path, written_by).split(b"\n"), start=1):
        if not line.strip() or _is_cut(line):
            continue
        place = f"line {number}"
        row = _parse(path, line, place, written_by)
        for schema in schemas:
            convert(row, schema, path, written_by, place)
        found.append(convert(row, Row, path, written_by, place))
    return found


def read_table(
    path: Path, schema: type[Any], *, written_by: str, dtype: dict[str, type] | None = None
) -> pd.DataFrame:
    """Read a CSV file with a head; each row has the members of ``schema``, and may have others.

    An empty field is one that the row lacks, NaN in the frame.  ``dtype`` as in `pandas.read_csv`.
    Raises `FileError` with the number of the line.
    """
    import pandas as pd  # not for whoever reads JSON

    try:
        text = _read(path, written_by).decode()
        table = csv.DictReader(io.StringIO(text), restkey="more values than columns", strict=True)
        for row in table:
            place = f"line {table.line_num}"
            if table.restkey in row:
                raise wrong(path, f"{place}: {table.restkey}", written_by)
            given = {name: value for name, value in row.items() if value}
            convert(given, schema, path, written_by, place, strict=False)
    except UnicodeDecodeError as error:
        raise wrong(path, f"not text: {error}", written_by) from None
    except csv.Error as error:
        raise wrong(path, f"not CSV: {error}", written_by) from None
    if not table.fieldnames:
        raise wrong(path, "empty", written_by)
    # One variant is called null.
    return pd.read_csv(io.StringIO(text), keep_default_na=False, na_values=[""], dtype=dtype)


def read_arrays(path: Path, *names: str, written_by: str) -> dict[str, npt.NDArray[Any]]:
    """Read all arrays of an .npz file, ``names`` among them.  Raises `FileError`."""
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("one array")
        with archive:
            found = {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise wrong(path, f"truncated, or not an archive of arrays: {error}", written_by) from None
    except OSError as error:
        raise wrong(path, error.strerror or "truncated", written_by) from None
    for name in names:
        if name not in found:
            raise wrong(path, f"no array named {name}", written_by)
    return found


def wrong(path: Path, reason: str, written_by: str) -> FileError:
    """Return the error for a file; of msgspec's reason the member comes first."""
    first, *_ = _placed(reason, "").splitlines()
    return FileError(f"{path}: {first}; {written_by} writes such a file")


def _read(path: Path, written_by: str) -> bytes:
    try:
        data = path.read_bytes()
        return gzip.decompress(data) if path.suffix == ".gz" else data
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise wrong(path, "truncated, or not a gzip file", written_by) from None
    except OSError as error:
        raise wrong(path, str(error.strerror), written_by) from None


def _parse(path: Path, text: bytes, place: str, written_by: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        reason = "nested too deeply"
    except json.JSONDecodeError as error:
        reason = f"truncated, or not JSON: {error}"
    except ValueError as error:  # not UTF-8, or a number of thousands of digits
        reason = f"not JSON: {error}"
    raise wrong(path, _placed(reason, place), written_by)


def _placed(reason: str, place: str) -> str:
    """Put the member that msgspec names, and the line, before the reason."""
    what, _, member = reason.partition(" - at `$")
    where = ", ".join(filter(None, (place, member.rstrip("`").removeprefix("."))))
    return f"{where}: {what}" if where else what


def _is_cut(line: bytes) -> bool:
    """Is this the beginning of a row?"""
    if not line.startswith(b"{"):
        return False
    try:
        msgspec.json.decode(line.rstrip(b"+-.0123456789eE"))  # of a number, a part is malformed
    except (msgspec.DecodeError, RecursionError) as error:
        return "truncated" in str(error)
    return False
