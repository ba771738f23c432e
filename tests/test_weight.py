"""What git has is small, and nothing of it is made from something else that it has."""

from __future__ import annotations

import subprocess
from pathlib import Path

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
