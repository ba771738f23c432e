"""The command blocks of README.md: every line parses, what takes seconds runs, and output is real.

An indented block has commands alone; a ``console`` block has commands behind ``$`` with their
output, in which ``...`` stands for lines that are left out.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from iova_lab.commands.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Every indented line, in order, without its comment.
LINES = [shlex.split(line, comments=True) for line in re.findall(r"^    (\S.*)$", README, re.M)]
COMMANDS = [words[1:] for words in LINES if words and words[0] == "iova-lab"]
#: Those that measure no time and boot nothing, in README's order: one may need another's file.
QUICK = ("list", "example", "trace")
#: Each command behind a ``$``, and the output below it.
SESSION = [
    (command, output.rstrip("\n"))
    for block in re.findall(r"^```console\n(.*?)^```$", README, re.M | re.S)
    for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)
]
SHOWN = [shlex.split(command)[1:] for command, _ in SESSION if command.startswith("iova-lab ")]


def test_readme_has_blocks() -> None:
    assert len(COMMANDS) + len(SHOWN) > 10
    names = {words[0] for words in (*COMMANDS, *SHOWN)}
    assert names >= {"try", "new", "replay", "compare", "diagnose", *QUICK}
    assert sum(bool(output) for _, output in SESSION) >= 4


@pytest.mark.parametrize("words", [*COMMANDS, *SHOWN], ids=" ".join)
def test_every_command_parses(words: list[str]) -> None:
    command: click.Command | None = main
    context = click.Context(main)
    rest = list(words)
    while isinstance(command, click.Group):
        name = rest.pop(0)
        command = command.get_command(context, name)
        assert command is not None, name
        context = click.Context(command, info_name=name, parent=context)
    assert command is not None
    command.make_context("iova-lab", rest)


@pytest.mark.parametrize("words", [words for words in LINES if words[0] == "make"], ids=" ".join)
def test_every_make_target_exists(words: list[str]) -> None:
    done = subprocess.run(
        ["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_quick_commands_run_in_order(tmp_path: Path) -> None:
    """From a folder that has the checkout's files, as the reader's has."""
    for name in ("tests", "iova_lab"):
        (tmp_path / name).symlink_to(ROOT / name)
    quick = [words for words in COMMANDS if words[0] in QUICK]
    assert len(quick) >= 4
    for words in quick:
        done = subprocess.run(
            [sys.executable, "-m", "iova_lab", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        # An example of what a variant gets wrong may end with status 1, in full.
        assert "Traceback" not in done.stderr, words
        assert done.stdout, (words, done.stderr)
        assert done.returncode == 0 or words[0] == "example", (words, done.stderr)


@pytest.mark.slow
@pytest.mark.long
def test_the_output_is_what_the_commands_print(tmp_path: Path) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    for command, output in SESSION:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # as on a terminal: what is wrong with a file is there
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stdout, command
        assert_shown(output, done.stdout)


def assert_shown(shown: str, printed: str) -> None:
    """Fail unless ``printed`` has the shown lines, in order and together up to each ``...``."""
    rest = "\n".join(line.rstrip() for line in printed.strip("\n").splitlines()) + "\n"
    for index, part in enumerate(re.split(r"^\.\.\.$\n?", shown, flags=re.M)):
        text = part.strip("\n")
        if not text:
            continue
        assert text in rest, f"{text}\n--- is not in what is printed:\n{printed}"
        before, _, rest = rest.partition(text)
        assert index or not before.strip(), before


def test_output_that_is_not_printed_is_found() -> None:
    assert_shown("a\n...\nc", "a\nb\nc\nd\n")
    for shown in ("b\n...", "a\nc", "c\n...\na", "a\n...\ne"):
        with pytest.raises(AssertionError):
            assert_shown(shown, "a\nb\nc\nd\n")


def test_the_packages_are_those_that_the_makefile_asks_for() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    wanted = set(re.findall(r"need .*? ([a-z0-9.-]+);? *\\?$", makefile, re.M))
    (install,) = [
        words for words in LINES if words[:3] == ["sudo", "apt", "install"] and "make" in words
    ]
    assert {"git", "gcc", "libc6-dev", "python3-venv"} <= set(install)
    assert {"git", "libc6-dev"} <= wanted


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 120
