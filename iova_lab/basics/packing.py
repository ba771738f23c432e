"""Files of rows that git has in a sixth of their bytes.

Rows are appended to a file of text, which a process that is killed leaves readable.  When a command
ends, they go into a compressed file beside it; `iova_lab.basics.reading.read_rows` reads both.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from iova_lab.basics.reading import Row, packed, read_rows
from iova_lab.basics.writing import json_lines, last_of_each, write_whole


def pack_rows(
    path: Path, key: Callable[[Row], str] | None, keep: Callable[[Row], bool] = lambda row: True
) -> None:
    """Compress the last row of each key, in the order of the keys, and remove ``path``.

    Without a ``key`` all rows are kept as they came; rows that ``keep`` refuses are dropped.  The
    same rows give the same bytes.  Without rows there is no file.
    """
    if rows := list(filter(keep, read_rows(path))):
        write_whole(packed(path), json_lines(rows) if key is None else last_of_each(rows, key))
    else:
        packed(path).unlink(missing_ok=True)
    path.unlink(missing_ok=True)
