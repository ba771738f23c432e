"""The command blocks of README.md: every line parses, and those that take seconds run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from iova_lab.cli import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: Every indented line, in order, without its comment.
LINES = [shlex.split(line, comments=True) for line in re.findall(r"^    (\S.*)$", README, re.M)]
COMMANDS = [words[1:] for words in LINES if words and words[0] == "iova-lab"]
#: Those that measure no time and boot nothing, in README's order: one may need another's file.
QUICK = ("list", "new", "example", "trace")


def test_readme_has_blocks() -> None:
    assert len(COMMANDS) > 15
    assert {words[0] for words in COMMANDS} >= {"try", "new", "replay", "compare", "trace", *QUICK}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
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
    assert len(quick) >= 6
    for words in quick:
        done = subprocess.run(
            [sys.executable, "-m", "iova_lab.cli", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        # An example of what a variant gets wrong may end with status 1, in full.
        assert "Traceback" not in done.stderr, words
        assert done.stdout, (words, done.stderr)
        assert done.returncode == 0 or words[0] == "example", (words, done.stderr)


def test_the_packages_are_those_that_the_makefile_asks_for() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    wanted = set(re.findall(r"need .*? ([a-z0-9.-]+);? *\\?$", makefile, re.M))
    (install,) = [
        words for words in LINES if words[:3] == ["sudo", "apt", "install"] and "make" in words
    ]
    assert {"git", "gcc", "libc6-dev", "python3-venv"} <= set(install)
    assert {"git", "libc6-dev"} <= wanted


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 150
