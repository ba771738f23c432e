"""What git prints of the checkout that this code is in, if it is in one."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, root: Path | None = None) -> subprocess.CompletedProcess[bytes] | None:
    """``git`` with these arguments in the checkout (or in ``root``); None without git."""
    command = ["git", "-C", str(root or ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, check=False)
    except OSError:
        return None


def output(*arguments: str, root: Path | None = None) -> str | None:
    """What git prints, without white space at both ends; None if it fails, or without git."""
    done = run(*arguments, root=root)
    if done is None or done.returncode:
        return None
    return done.stdout.decode(errors="replace").strip()
