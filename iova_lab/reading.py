"""Read JSON that a user may have edited: a schema, and one line for whatever does not fit it.

msgspec checks types, ranges and unknown members while it parses, and names the member that does
not fit.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import msgspec

from iova_lab.errors import InvalidValueError

T = TypeVar("T")


class FileError(InvalidValueError):
    """A file that does not fit its schema: the message has file, member, what was expected."""


def read_json(path: Path, schema: type[T], *, written_by: str) -> T:
    """Read one JSON file as ``schema``.  ``written_by`` is the command that makes such files.

    Raises `FileError`; `OSError` for a file that can't be read.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=schema)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise wrong(path, str(error) or "nested too deeply", written_by) from None


def wrong(path: Path, reason: str, written_by: str) -> FileError:
    """Return the error for a file; of msgspec's reason the member comes first."""
    what, _, member = reason.partition(" - at `$")
    place = member.rstrip("`").removeprefix(".")
    text = f"{place}: {what}" if place else what
    first, *_ = text.splitlines()
    return FileError(f"{path}: {first}; {written_by} writes such a file")
