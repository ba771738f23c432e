"""Do rows of a frame have the values and the types that their class names?"""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import pandas as pd
import pytest

from iova_lab.measuring.frames import columns_of, rows_of


class Size(NamedTuple):
    """Two of three columns, in another order."""

    nr_live: int
    variant: str


class Stored(msgspec.Struct):
    """The same, as a schema."""

    nr_live: int
    variant: str


class Timed(Stored, kw_only=True):
    """One column more than its base."""

    ns: float


FRAME = pd.DataFrame({"variant": ["a", "b"], "value": [0.5, 1.5], "nr_live": [100, 1000]})


@pytest.mark.parametrize("row", [Size, Stored])
def test_rows_have_the_columns_that_their_class_names(row: type[Size] | type[Stored]) -> None:
    found: list[Size | Stored] = list(rows_of(FRAME, row))
    assert found == [row(100, "a"), row(1000, "b")]
    assert {type(one.nr_live) for one in found} == {int}
    assert list(rows_of(FRAME[:0], row)) == []


def test_a_schema_has_the_columns_of_its_base() -> None:
    assert columns_of(Timed) == ["nr_live", "variant", "ns"]


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(KeyError, match="nr_live"):
        list(rows_of(FRAME.drop(columns="nr_live"), Size))
