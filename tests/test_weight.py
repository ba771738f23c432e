"""What git has is small, file by file and in all, and nothing is made of something else in it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
#: A clone takes this much, and its history; docs/decisions has what is left out.
MAX_BYTES = 12_000_000


def tracked(*options: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", *options], cwd=ROOT, capture_output=True, check=True, text=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_git_tracks_at_most_12_mb() -> None:
    sizes = {path: path.lstat().st_size for path in tracked()}
    largest = sorted(sizes.items(), key=lambda pair: -pair[1])[:10]
    assert sum(sizes.values()) <= MAX_BYTES, largest


def test_git_has_of_a_report_what_a_repository_shows() -> None:
    assert {path.suffix for path in tracked("reports")} == {".md", ".png", ".txt"}


def test_git_tracks_nothing_that_is_made() -> None:
    assert tracked("--cached", "--ignored", "--exclude-standard") == []


#: The most lines of one file, by its suffix; tests may be longer.
MAX_LINES = {".py": 300, ".c": 450, ".h": 450}


@pytest.mark.parametrize("suffix", MAX_LINES)
def test_no_file_of_code_is_longer_than_one_idea_needs(suffix: str) -> None:
    code = [path for path in tracked(f"*{suffix}") if not path.is_relative_to(ROOT / "tests")]
    nr_lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in code}
    assert len(nr_lines) > 10
    assert {path: nr for path, nr in nr_lines.items() if nr > MAX_LINES[suffix]} == {}
