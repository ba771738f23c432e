"""Is every file that a user may have edited read by a schema, and rejected in one line?"""

from __future__ import annotations

import json
import os
import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

import iova_variants
from iova_lab.cli import main
from iova_lab.errors import InvalidTypeError, InvalidValueError
from iova_lab.opstream import OpStream, StreamError, new_ops
from iova_lab.reading import FileError
from iova_lab.trial import history

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
