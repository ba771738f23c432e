"""Write files and folders that are there whole or not at all, and rows of JSON lines."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from iova_lab.basics.reading import Row

#: Separators of a row: git tracks thousands of them, and spaces are a sixth of their bytes.
COMPACT = (",", ":")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside ``path`` to write to, which replaces ``path`` in one step if all went well."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """A name beside ``folder`` to make a folder of, which replaces it if all went well."""
    # Programs that were interrupted may still write there: that must not hide why they were.
    with tempfile.TemporaryDirectory(
        dir=folder.parent, prefix=f".{folder.name}-", ignore_cleanup_errors=True
    ) as name:
        partial = Path(name) / folder.name
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)


def write_whole(path: Path, text: str) -> Path:
    """Write ``text`` as UTF-8, whole or not at all, in a folder that is made; returns ``path``.

    Compressed if the name ends in .gz, as `iova_lab.basics.reading` reads it; the same text gives
    the same bytes.
    """
    data = text.encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        partial.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
    return path


def append_row(path: Path, row: Row) -> None:
    """Add one row of JSON; what an interrupted run left of a line is ended first.

    `iova_lab.basics.reading.read_rows` leaves out such a beginning of a row.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(row, separators=COMPACT).encode() + b"\n")


def write_rows(path: Path, rows: Iterable[Row], key: Callable[[Row], str]) -> None:
    """Write the last row of each key, in the order of the keys, in place of all that was there."""
    write_whole(path, last_of_each(rows, key))


def last_of_each(rows: Iterable[Row], key: Callable[[Row], str]) -> str:
    """The last row of each key as JSON lines, in the order of the keys."""
    last = {key(row): row for row in rows}
    return json_lines(last[one] for one in sorted(last))


def json_lines(rows: Iterable[Row]) -> str:
    """Rows as text, as `append_row` writes them."""
    return "".join(json.dumps(row, separators=COMPACT) + "\n" for row in rows)
