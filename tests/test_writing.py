"""Files that are there whole or not at all, and rows of JSON lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from iova_lab.basics.reading import read_rows
from iova_lab.basics.writing import append_row, replacing, write_rows, write_whole


def test_a_file_is_replaced_with_all_of_its_text(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.json"
    assert write_whole(path, "first") == path
    write_whole(path, "gr\u00fcn")
    assert path.read_text(encoding="utf-8") == "gr\u00fcn"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "file", "before")

    def write_half() -> None:
        with replacing(path) as partial:
            partial.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_text_that_cannot_be_encoded_replaces_nothing(tmp_path: Path) -> None:
    path = write_whole(tmp_path / "file", "before")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "\ud800")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_cut_row_is_left_out_and_gone_after_compaction(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for row in ({"key": "b", "n": 1}, {"key": "a", "n": 2}):
        append_row(path, row)
    with path.open("a") as file:
        file.write('{"key": "c", ')
    append_row(path, {"key": "b", "n": 3})
    rows = read_rows(path)
    assert [row["n"] for row in rows] == [1, 2, 3]
    write_rows(path, rows, lambda row: str(row["key"]))
    assert path.read_text() == '{"key":"a","n":2}\n{"key":"b","n":3}\n'
