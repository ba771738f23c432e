"""Every command with odd input: one or two lines, a status that is not 0, and never a traceback.

The commands are those of the command line itself, so a new one is tested as soon as it is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from iova_lab.commands import arguments, cli
from iova_lab.kernel import tools
from tests.support import command_line

ROOT = Path(__file__).parent.parent

ODD = {
    "empty": b"",
    "binary": bytes(range(256)) * 9,
    "deep": b"[" * 99_999,
    "deep lines": b'{"a": 1}\n' + b'{"a":' * 99_999,
    "no object": b'["a", 1]\n3\n',
    "text": "grün, und kein JSON\n".encode(),
}
#: Of these a compiler reports the same as of "text".
NO_C = {"deep", "deep lines", "no object"}
#: Parameters that name what is written, and not what is read.
WRITTEN = {"out", "json_path", "text", "picture", "folder"}
#: What fits a required parameter, so that the command gets as far as the one that is odd.
FITTING: dict[click.ParamType[Any], str] = {
    arguments.VARIANT: "null",
    arguments.WORKLOAD: "near_empty",
    arguments.CELL: "near_empty",
    arguments.EXAMPLE: "max32-lost-reset",
    arguments.C_FILE: "null",
}
SUFFIXES: dict[click.ParamType[Any], tuple[str, ...]] = {
    arguments.VARIANT: (".c",),
    arguments.C_FILE: (".c",),
    arguments.WORKLOAD: (".npz", ".json"),
    arguments.CELL: (".npz", ".json"),
    arguments.EXAMPLE: (".json",),
}
#: Commands that need no file and no argument for what they do.
NEED_NOTHING = {
    ("contention", "sweep"),
    ("contention", "validate"),
    ("doctor",),
    ("kernel", "probes"),
    ("linux", "callers"),
    ("linux", "releases"),
    ("list",),
    ("rcache",),
    ("soak",),
    ("worst-study",),
}
#: These measure if they find no results, or none of this cell, and then write them.
MEASURES = {
    ("contention", "sweep"),
    ("contention", "validate"),
    ("compare",),
    ("linux", "releases"),
    ("rcache",),
    ("worst-study",),
}
#: What a command needs to read its --results at all.
ALSO = {
    ("changes",): ["--from", "HEAD"],
    ("contention", "sweep"): ["--stored", "--workloads", "near_empty", "--lockups", ""],
}

#: Words of every command that is no group.
COMMANDS = [
    words
    for words, command in command_line.COMMANDS.items()
    if not isinstance(command, click.Group)
]


def parameters(words: tuple[str, ...]) -> list[click.Parameter]:
    found: click.Command = cli.main
    for word in words:
        assert isinstance(found, click.Group)
        found = found.commands[word]
    return found.params


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working folder, on a machine without what a booted kernel needs."""
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    monkeypatch.setattr(tools, "_which", lambda program: None)


def faults(words: list[str]) -> list[str]:
    """What is wrong with how a command rejects what it is given."""
    done = CliRunner().invoke(cli.main, words)
    lines = done.stderr.strip().splitlines()
    shown = f"iova-lab {' '.join(words)}: status {done.exit_code}: {done.stderr[-900:]}"
    if done.exit_code == 2 and lines[:1] and lines[0].startswith("Usage:"):
        return [] if any(line.startswith("Error: ") for line in lines) else [shown]
    fine = done.exit_code == 1 and lines and "Traceback" not in done.output
    compiled = any("not compile" in line for line in lines)  # the compiler's own lines follow
    most = 30 if compiled or words[0] == "try" else 2
    return [] if fine and len(lines) <= most and max(map(len, lines)) < 700 else [shown]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_with_nothing_to_do_fails(words: tuple[str, ...]) -> None:
    if words in NEED_NOTHING:
        pytest.skip("it needs nothing")
    assert not faults(list(words))
    assert not list(Path().iterdir()), "it left something in an empty working folder"


def test_the_table_of_the_documentation_has_every_command() -> None:
    text = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`([a-z-]+)`", row)}
    assert named == set(cli.main.commands)


def fitting(parameter: click.Parameter) -> str:
    kind = parameter.type
    if isinstance(kind, click.Choice):
        return str(next(iter(kind.choices)))
    if isinstance(kind, (click.IntRange, click.types.IntParamType)):
        return "2"
    if kind is arguments.POSITIVE:
        return "100"
    return FITTING[kind] if isinstance(kind, arguments._Named) else "null"


def given(words: tuple[str, ...], odd: click.Parameter, value: str) -> list[str]:
    """The command with ``value`` for one parameter, and what fits for all that are required."""
    out = list(words)
    for one in parameters(words):
        text = value if one is odd else fitting(one) if one.required else None
        if text is None:
            continue
        out += [text] if one.param_type_name == "argument" else [one.opts[-1], text]
    return [*out, *ALSO.get(words, [])]


def odd_files(folder: Path, suffix: str) -> Iterator[str]:
    yield str(folder / f"missing{suffix}")
    (folder / f"folder{suffix}").mkdir(exist_ok=True)
    yield str(folder / f"folder{suffix}")
    for name, content in ODD.items():
        if suffix == ".c" and name in NO_C:
            continue
        path = folder / f"{name.replace(' ', '_')}{suffix}"
        path.write_bytes(content)
        yield str(path)


def is_read(parameter: click.Parameter) -> bool:
    return parameter.name not in WRITTEN and (
        isinstance(parameter.type, click.Path) or parameter.type in SUFFIXES
    )


READERS = [words for words in COMMANDS if any(map(is_read, parameters(words)))]


@pytest.mark.slow
@pytest.mark.parametrize("words", READERS, ids=" ".join)
def test_an_odd_file_is_rejected(words: tuple[str, ...], tmp_path: Path) -> None:
    wrong = []
    for parameter in filter(is_read, parameters(words)):
        if parameter.name == "results" and words in MEASURES:
            continue
        for suffix in SUFFIXES.get(parameter.type, (".npz", ".txt")):
            for value in odd_files(tmp_path, suffix):
                wrong += faults(given(words, parameter, value))
    assert not wrong, "\n".join(wrong)


#: Folder of results/ that a command reads, if it is not all of it.
PLACES = {"contention": "contention", "kernel": "kernel", "promises": "promises"}
STORES = [words for words in COMMANDS if any(p.name == "results" for p in parameters(words))]


@pytest.mark.parametrize("odd", ["empty", "binary", "deep", "deep lines", "no object"])
@pytest.mark.parametrize("words", STORES, ids=" ".join)
def test_results_that_are_all_odd_are_rejected(
    words: tuple[str, ...], odd: str, tmp_path: Path
) -> None:
    if words in MEASURES:
        pytest.skip("it measures what it does not find")
    results = tmp_path / "results"
    for path in (ROOT / "results").rglob("*"):
        if path.is_file() and path.parent.name not in ("ops", "pyperf"):
            copy = results / path.relative_to(ROOT / "results")
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(ODD[odd])
    (option,) = (one for one in parameters(words) if one.name == "results")
    assert not faults(given(words, option, str(results / PLACES.get(words[0], ""))))
