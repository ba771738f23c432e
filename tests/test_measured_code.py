"""Does a page tell which of its numbers are of code that this checkout does not have?"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from iova_lab import flags, repository


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_changed_variants_and_workloads_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["iova_variants/anchor.c", "iova_variants/maple.c", "iova_lab/workloads/ring.py"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "base")
    commit = git(tmp_path, "rev-parse", "HEAD")
    monkeypatch.setattr(repository, "ROOT", tmp_path)
    assert flags.changed_since(commit) == "as in this checkout"
    for name in (names[0], names[2]):
        (tmp_path / name).write_text("after\n")
    assert flags.changed_since(commit) == "OLD CODE: anchor, ring have changed since"
    assert flags.changed_since("0" * 40) == "not known: the commit is not in this repository"
