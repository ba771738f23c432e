"""What git prints of the checkout that this code is in, if it is in one."""

from __future__ import annotations

import os
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


def environment() -> dict[str, str]:
    """Of a git that is not to look into the repository of a hook or alias that runs the lab."""
    return {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}


def outside(folder: Path) -> dict[str, str]:
    """Of a git that patches ``folder``, and prints plain English.

    Inside a work tree it would look for the paths from that one's root, and skip all others.
    """
    return environment() | {"GIT_CEILING_DIRECTORIES": str(folder.parent), "LC_ALL": "C"}
