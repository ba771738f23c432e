"""Rows of a frame with the types that its columns have.

pandas knows a value of a frame only as one that a frame may hold.  A class of rows names the
columns of a frame once, and their types: a NamedTuple, a dataclass, or a schema that files are read
by.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import pandas as pd

Row = TypeVar("Row")


def columns_of(row: Callable[..., object]) -> list[str]:
    """Names of the columns, in order, that a class of rows has; a schema has its base's as well."""
    fields: tuple[str, ...] | None = getattr(row, "__struct_fields__", None)
    return list(inspect.get_annotations(row) if fields is None else fields)


def grouped(names: Iterable[object], alike: Callable[[str, str], bool]) -> list[list[str]]:
    """Put each name into the first group whose first name is ``alike``; order is kept."""
    groups: dict[str, list[str]] = {}  # by their first names
    for name in map(str, names):
        first = next((known for known in groups if alike(name, known)), name)
        groups.setdefault(first, []).append(name)
    return list(groups.values())


def rows_of(frame: pd.DataFrame, row: Callable[..., Row]) -> Iterator[Row]:
    """Make a ``row`` of each row of the frame; other columns are left out.

    Raises `KeyError` for a column that the frame lacks.
    """
    columns = (frame[name] for name in columns_of(row))
    return (row(*values) for values in zip(*columns, strict=True))
