"""What git has of results/ and reports/: what a user has measured may lie beside it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def committed(pattern: str) -> list[Path]:
    """Return the committed files whose paths below the checkout match."""
    command = ["git", "ls-files", pattern]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    return [ROOT / line for line in listed.stdout.splitlines()]


def copy_results(target: Path) -> Path:
    """Copy the committed results into ``target``, which is made; returns it."""
    for path in committed("results"):
        copy = target / path.relative_to(ROOT / "results")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return target
