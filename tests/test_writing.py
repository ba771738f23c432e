"""Files that are there whole or not at all, and rows of JSON lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from iova_lab.basics.packing import pack_rows
from iova_lab.basics.reading import FileError, packed, read_rows, row_files
from iova_lab.basics.writing import (
    append_row,
    replacing,
    replacing_folder,
    write_rows,
    write_whole,
)


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


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "root"

    def fill(name: str, *, fail: bool = False) -> None:
        with replacing_folder(folder) as partial:
            write_whole(partial / name, "text")
            if fail:
                raise RuntimeError

    fill("first")
    fill("second")
    with pytest.raises(RuntimeError):
        fill("third", fail=True)
    assert list(tmp_path.iterdir()) == [folder]
    assert list(folder.iterdir()) == [folder / "second"]


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


def test_packed_rows_are_read_before_later_ones(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for row in ({"key": "b", "n": 1}, {"key": "a", "n": 2}, {"key": "b", "n": 3}):
        append_row(path, row)
    assert row_files(tmp_path, "*.jsonl") == [path]
    pack_rows(path, lambda row: str(row["key"]))
    assert list(tmp_path.iterdir()) == [packed(path)]
    assert row_files(tmp_path, "*.jsonl") == [path]
    first = packed(path).read_bytes()
    append_row(path, {"key": "a", "n": 4})
    assert [row["n"] for row in read_rows(path)] == [2, 3, 4]
    pack_rows(path, lambda row: str(row["key"]))
    assert [row["n"] for row in read_rows(path)] == [4, 3]
    assert packed(path).read_bytes() != first
    append_row(path, {"key": "a", "n": 2})
    pack_rows(path, lambda row: str(row["key"]))
    assert packed(path).read_bytes() == first  # no date, and no name


def test_packed_rows_that_are_cut_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_row(path, {"key": "a"})
    pack_rows(path, lambda row: str(row["key"]))
    packed(path).write_bytes(packed(path).read_bytes()[:-9])
    with pytest.raises(FileError, match=r"rows\.jsonl\.gz: truncated, or not a gzip file"):
        read_rows(path, written_by="x")


def test_nothing_is_packed_into_nothing(tmp_path: Path) -> None:
    pack_rows(tmp_path / "rows.jsonl", str)
    assert not list(tmp_path.iterdir())


def test_without_a_key_all_rows_stay_in_their_order(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    for number in (2, 1, 2):
        append_row(path, {"n": number})
        pack_rows(path, None)
    assert [row["n"] for row in read_rows(path)] == [2, 1, 2]
