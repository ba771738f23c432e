"""What does pyperf say of this machine?  Asked through its documented command line."""

from __future__ import annotations

import subprocess
import sys


def pyperf_lines(*arguments: str) -> list[str]:
    """What ``python -m pyperf`` prints."""
    command = [sys.executable, "-m", "pyperf", *arguments]
    # What systemctl and the like print when they are missing is of no use to anybody.
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def advice() -> list[str]:
    """What ``pyperf system show`` would have tuned or warns of, one line each."""
    lines: list[str] = []
    wanted = False
    for line in pyperf_lines("system", "show"):
        if line in ("Advices", "Warnings", "Errors"):
            wanted = True
        elif line.endswith("state") or line.startswith(("Run ", "OK!")):
            wanted = False
        elif wanted and line and not line.startswith("="):
            lines.append(line)
    return lines
