"""Is every file that a user may have edited read by a schema, and rejected in one line?"""

from __future__ import annotations

import json
import os
import string
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import iova_variants
from iova_lab.basics.errors import InvalidTypeError, InvalidValueError
from iova_lab.basics.reading import FileError, read_arrays, read_rows, read_table
from iova_lab.commands.cli import main
from iova_lab.contention import store
from iova_lab.traces import history
from iova_variants.opstream import OpStream, StreamError, new_ops

STEP: dict[str, Any] = {"op": "alloc", "slot": 0, "size": "0x1", "limit_pfn": "0xfffff"}
GOOD: dict[str, Any] = {
    "variant": "mainline",
    "says": "x",
    "start_pfn": "0x1",
    "granule": 4096,
    "fail_alloc_at": 0,
    "steps": [STEP, {"op": "free", "slot": 0}],
}


@pytest.mark.parametrize(
    ("change", "member"),
    [
        ({"granule": 4096.5}, "granule: Expected `int`, got `float`"),
        ({"granule": 2**64 + 4096}, "granule: "),
        ({"granule": 4095}, "granule: 4095 is not a power of two"),
        ({"granule": None}, "granule: Expected `int`, got `null`"),
        ({"start_pfn": 1}, "start_pfn: Expected `str`, got `int`"),
        ({"start_pfn": "0x1" + "0" * 16}, "start_pfn: "),
        ({"start_pfn": "one"}, "start_pfn: "),
        ({"fail_alloc_at": -1}, "fail_alloc_at: "),
        ({"steps": []}, "steps: Expected `array` of length >= 1"),
        ({"steps": None}, "steps: Expected `array`, got `null`"),
        ({"steps": [STEP | {"size": 1}]}, "steps[0].size: Expected `str`, got `int`"),
        ({"steps": [STEP, STEP | {"op": "take"}]}, "steps[1].op: Invalid enum value 'take'"),
        ({"steps": [STEP | {"slot": 7}]}, "steps[0].slot: 7 is not below the number of steps"),
        ({"steps": [STEP | {"dom": 2**16}]}, "steps[0].dom: "),
        ({"steps": [STEP | {"sizes": 1}]}, "steps[0]: Object contains unknown field `sizes`"),
    ],
)
@pytest.mark.parametrize("command", [("replay", "mainline"), ("example",)], ids=" ".join)
def test_a_history_is_rejected_with_the_member_and_what_was_expected(
    change: dict[str, Any], member: str, command: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(GOOD | change))
    done = CliRunner().invoke(main, [*command, str(path)])
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(f"iova-lab: {path}: {member}")
    assert done.stderr.endswith("; `iova-lab try` writes such a file\n")


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"\0" * 9, b"[" * 100_000, b"{}", b"null", b"[]", b"1e999", b'{"steps":'],
    ids=repr,
)
def test_what_is_no_history_is_one_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"broken\.json: .*; `iova-lab try` writes such a file"):
        history.read(path)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(string.printable, max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@pytest.mark.slow
@given(st.sampled_from([*GOOD, *(f"step.{key}" for key in STEP)]), VALUES)
@settings(max_examples=200, deadline=None)
def test_a_mutated_history_is_read_or_rejected(
    tmp_path_factory: pytest.TempPathFactory, member: str, value: Any
) -> None:
    key = member.removeprefix("step.")
    steps = [STEP | {key: value}] if member != key else GOOD["steps"]
    row = GOOD | {"steps": steps} if member != key else GOOD | {key: value}
    path = tmp_path_factory.mktemp("mutated") / "history.json"
    path.write_text(json.dumps(row))
    try:
        saved = history.read(path)
    except FileError:
        return
    assert saved.history.stream().nr_slots <= len(saved.history.steps)


def test_what_was_saved_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "history.json"
    path.write_text(json.dumps(GOOD))
    saved = history.read(path)
    again = history.save(saved.history, tmp_path / "again.json", variant="mainline", says="x")
    assert history.read(again) == saved


# ---- files of JSON lines, tables, arrays ----

GOLDEN = Path(__file__).parent / "golden" / "contention"
DEEP = "[" * 99_999


@pytest.mark.parametrize(
    "name", ["services", "host", "sweep", "lockups", "validation", "published"]
)
def test_every_member_of_a_row_that_is_read_has_a_type(name: str, tmp_path: Path) -> None:
    row = read_rows(GOLDEN / f"{name}.jsonl")[0]
    first = json.dumps(row)
    path = tmp_path / f"{name}.jsonl"
    unread = {"code", "doubts", "machine", "arch", "ram", "max_section_ns", "max_stretch_ns"}
    for member in row.keys() - unread:
        broken = [1] if row[member] is None or isinstance(row[member], (str, dict)) else "x"
        path.write_text(f"{first}\n{json.dumps(row | {member: broken})}\n")
        with pytest.raises(FileError, match=rf"{name}\.jsonl: line 2.*; `iova-lab contention"):
            store.read(tmp_path, name)


@pytest.mark.parametrize(
    "text", ["x", "[]", "3", "null", DEEP, '{"a": 1}x', '{"a" 1}', "\0"], ids=len
)
def test_a_line_that_is_no_row_is_named(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"a": 1}}\n{text}\n')
    with pytest.raises(FileError, match=r"rows\.jsonl: line 2: .*; x writes such a file") as error:
        read_rows(path, written_by="x")
    assert "\n" not in str(error.value)


def test_a_row_that_was_cut_off_anywhere_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    row = '{"a": -1.5e-07, "b": [true, null], "c": "x\\"y", "d": {"e": 12}}'
    for end in range(1, len(row)):
        path.write_text(f'{{"a": 1}}\n{row[:end]}\n{{"a": 2}}\n{row[:end]}')
        assert read_rows(path) == [{"a": 1}, {"a": 2}], row[:end]


@pytest.mark.parametrize("text", [DEEP, "[]", '{"built": 1}', "\0", '{"chunk": 0}'], ids=len)
def test_a_soak_does_not_go_on_from_a_broken_file(text: str, tmp_path: Path) -> None:
    (tmp_path / "seed-0").mkdir()
    (tmp_path / "seed-0" / "null.jsonl").write_text(text + "\n")
    done = CliRunner().invoke(main, ["soak", "null", "--ops", "1", "--out", str(tmp_path)])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert "null.jsonl: line 1" in line
    assert line.endswith("; `iova-lab soak` writes such a file")


class _Counted(msgspec.Struct):
    variant: str
    nodes: float
    nr_live: int = 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("variant\nnull\n", "line 2: Object missing required field `nodes`"),
        ("variant,nodes\nnull,many\n", "line 2, nodes: Expected `float`, got `str`"),
        ("variant,nodes\nnull,1,2\n", "line 2: more values than columns"),
        ('variant,nodes\n"null,1\n', "not CSV: "),
        ("variant,nodes,nr_live\nnull,1,\nnull,2,1.5\n", "line 3, nr_live: Expected `int`"),
        ("\xff", "not text: "),
    ],
)
def test_a_broken_table_is_one_line(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(FileError, match=f"table.csv: {reason}.*; x writes such a file") as error:
        read_table(path, _Counted, written_by="x")
    assert "\n" not in str(error.value)


def test_a_table_keeps_the_variant_that_is_called_null(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("variant,nodes,nr_live\nnull,1.5,\n")
    frame = read_table(path, _Counted, written_by="x")
    assert frame["variant"].to_list() == ["null"]
    assert frame["nodes"].to_list() == [1.5]
    assert frame["nr_live"].isna().all()


@pytest.mark.parametrize("name", ["cut.npz", "one.npy", "other.npz", "text.npz", "gone.npz"])
def test_broken_arrays_are_one_line(name: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", a=np.zeros(9))
    np.save(tmp_path / "one.npy", np.zeros(9))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "other.npz").read_bytes()[:-9])
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(FileError, match=f"{name}: .*; x writes such a file") as error:
        read_arrays(tmp_path / name, "kinds", written_by="x")
    assert "\n" not in str(error.value)


# ---- the Python interface ----


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"granule": 4096.0}, "granule 4096.0 is a float, not a whole number"),
        ({"start_pfn": "1"}, "start_pfn '1' is a str, not a whole number"),
        ({"start_pfn": None}, "start_pfn None is a NoneType, not a whole number"),
    ],
)
def test_a_domain_takes_whole_numbers(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidTypeError, match=text):
        iova_variants.Domain("mainline", **arguments)
    with pytest.raises(InvalidTypeError, match=text):
        OpStream(new_ops(1, limit_pfn=9), **arguments)


def test_calls_of_a_domain_take_whole_numbers_and_numpy_has_some() -> None:
    number: Any = 1.5
    with iova_variants.Domain("mainline", np.uint32(4096), np.int64(1)) as domain:  # type: ignore[arg-type]
        for call in (
            lambda: domain.alloc(number, 99),
            lambda: domain.alloc(1, number),
            lambda: domain.free(number),
            lambda: domain.find(number),
            lambda: domain.reserve(number, 9),
        ):
            with pytest.raises(InvalidTypeError, match=r"1\.5 is a float, not a whole number"):
                call()
        found: Any = np.uint64(99)
        assert domain.alloc(np.int32(1), found) == 99  # type: ignore[arg-type]
        domain.free(found)
        assert domain.find(99) is None


def test_a_granule_beyond_64_bits_is_rejected() -> None:
    with pytest.raises(StreamError, match=r"granule \d+ is not within 0\.\."):
        OpStream(new_ops(1, limit_pfn=9), granule=2**64 + 4096)


def test_an_unknown_build_is_named_with_those_there_are() -> None:
    build: Any = "fast"
    with pytest.raises(InvalidValueError, match="no build named 'fast'; there are: timed, counted"):
        iova_variants.load("mainline", build=build)


@pytest.mark.parametrize("build", ["sanitized", "tsan"])
def test_a_sanitized_build_is_refused_where_it_would_end_the_process(
    build: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IOVA_LAB_BUILD", raising=False)
    if "LD_PRELOAD" in os.environ:
        pytest.skip("this process has a sanitizer")
    with pytest.raises(iova_variants.VariantLoadError, match="LD_PRELOAD="):
        iova_variants.load("mainline", build=build)
