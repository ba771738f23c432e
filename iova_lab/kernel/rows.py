"""How do rows of results get into a file at once, and whole?  As JSON lines."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

#: One row, as it lies in the file.
Row = dict[str, Any]


def read(path: Path) -> list[Row]:
    """Rows of earlier runs, oldest first; a line that was cut off does not count."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            found.append(json.loads(line))
    return found


def append(path: Path, row: Row) -> None:
    """Add one row; what an interrupted run left of a line is ended first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+b") as file:
        if file.tell():
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")
        file.write(json.dumps(row).encode() + b"\n")
