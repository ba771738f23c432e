"""Is a mistake of the user one line, a bug of the lab a traceback, and help there at once?"""

from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import iova_lab
from iova_lab.basics.errors import InvalidValueError, NotFoundError
from iova_lab.commands import cli
from iova_lab.reports.kinds import kinds
from tests.support.command_line import COMMANDS

HEAVY = ("pandas", "matplotlib", "scipy", "asv", "pyperf", "simpy", "rich.progress")
USERS_FILE = OSError(errno.EACCES, "Permission denied", "/home/user/results.json")
OWN_FILE = OSError(errno.ENOENT, "No such file", str(Path(iova_lab.__file__).parent / "gone.json"))


def run_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> tuple[int, str]:
    def fail() -> None:
        raise error

    monkeypatch.setitem(cli.main.commands, "fail", click.Command("fail", callback=fail))
    done = CliRunner().invoke(cli.main, ["fail"])
    return done.exit_code, done.stderr


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (NotFoundError("no variant named 'x'"), "no variant named 'x'"),
        (InvalidValueError("seed -1 is negative"), "seed -1 is negative"),
        (USERS_FILE, "/home/user/results.json: Permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        (MemoryError("no room for 8 TiB"), "not enough memory: no room for 8 TiB"),
        (MemoryError(), "not enough memory"),
    ],
)
def test_a_mistake_of_the_user_is_one_line(
    error: Exception, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_with(monkeypatch, error) == (1, f"iova-lab: {text}\n")


@pytest.mark.parametrize(
    "error",
    [
        LookupError("dom"),
        KeyError("dom"),
        ValueError("shapes (3,) (4,)"),
        TypeError("int"),
        ZeroDivisionError(),
        RecursionError(),
        OSError(errno.EBADF, "Bad file descriptor"),
        OWN_FILE,
        RuntimeError("generator"),
    ],
    ids=repr,
)
def test_a_bug_of_the_lab_is_a_traceback_and_called_one(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, shown = run_with(monkeypatch, error)
    assert status == cli.BUG > 127  # `git bisect run` stops
    assert shown.startswith("Traceback (most recent call last):")
    assert f"{type(error).__name__}" in shown
    assert "a bug of the lab" in shown.splitlines()[-1]


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    status, shown = run_with(monkeypatch, KeyboardInterrupt())
    assert status == 130
    assert shown == "iova-lab: interrupted; what was written so far is whole\n"


def loaded_after(code: str) -> set[str]:
    """Which of `HEAVY` a fresh interpreter has imported after ``code``."""
    code = f"import sys\n{code}\nprint('loaded:', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.rpartition("loaded:")[2].split()
    return {name for name in (*HEAVY, "numpy") if name in loaded}


def test_the_command_line_is_there_before_anything_heavy() -> None:
    assert loaded_after("import iova_lab.commands.cli") == set()


@pytest.mark.slow
def test_no_help_imports_anything_heavy() -> None:
    # One process: what any of them imports stays imported.
    asked = [*([*path, "--help"] for path in COMMANDS), ["--help"]]
    code = f"""
import contextlib, io, json
from iova_lab.commands.cli import main
for words in json.loads({json.dumps(json.dumps(asked))}):
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        main(words, standalone_mode=False)
    assert "Usage:" in shown.getvalue(), words"""
    assert loaded_after(code) <= {"numpy"}  # for the names of rcaches


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["replay", "nowhere.c", "ring"],
        ["replay", "mainline", "nowhere.json"],
        ["example", "nowhere.json"],
        ["trace", "info", "nowhere.npz"],
        *(["report", name, "--results", "nowhere"] for name, kind in kinds().items() if kind.needs),
        ["report", "all", "--results", "nowhere"],
        ["compare-pages", "nowhere"],
        ["list"],
    ],
    ids=" ".join,
)
def test_a_missing_file_is_found_before_anything_heavy_is_imported(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = f"""
import contextlib
from iova_lab.commands.cli import main
with contextlib.suppress(SystemExit):
    main({words!r})"""
    drawing = {"pandas", "matplotlib", "scipy", "asv", "pyperf", "simpy"}
    assert loaded_after(code) & drawing == set()


@pytest.mark.parametrize("place", ["click", "iova_lab.commands.claims"])
def test_ctrl_c_while_modules_are_imported_ends_quietly(place: str, tmp_path: Path) -> None:
    # The import of `place` is when Ctrl-C arrives.
    code = f"""
import importlib.abc, os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == {place!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
sys.argv = ["iova-lab", "list"]
from iova_lab.__main__ import start
start()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.slow
def test_the_reader_of_the_output_may_leave() -> None:
    command = f"{sys.executable} -m iova_lab list | head -n 1"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert re.match(r"variant +kernel", done.stdout)
    assert done.stderr == ""


def test_the_installed_program_begins_where_ctrl_c_is_heeded() -> None:
    import tomllib

    with (Path(__file__).parent.parent / "pyproject.toml").open("rb") as file:
        scripts = tomllib.load(file)["project"]["scripts"]
    assert scripts == {"iova-lab": "iova_lab.__main__:start"}
