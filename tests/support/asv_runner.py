"""Run asv in a folder that `iova-lab linux asv` has written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def runner(folder: Path, home: Path) -> Callable[..., str]:
    """Return ``asv(*arguments, status=0)``, which fails unless asv ends so: what it printed.

    ``home`` is where asv keeps what it knows of the machine, ``here``.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment["HOME"] = str(home)

    def asv(*arguments: str, status: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "asv", *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    asv("machine", "--yes", "--machine", "here")
    return asv
