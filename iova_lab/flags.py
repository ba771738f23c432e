"""The compiler flags that a measured commit had, held against those of this checkout.

asv compiles the commit that it measures, and its result file names that commit; the commit's own
iova_variants/_build.py has the flags.
"""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

from iova_variants import _build

ROOT = Path(__file__).resolve().parent.parent
SOURCE = "iova_variants/_build.py"


def at(commit: str) -> str:
    """The flags of ``commit``, in words: this checkout's, old ones, or not known."""
    then = _source_at(commit)
    if then is None:
        return f"the flags of {commit[:12]}, a commit that is not in this repository"
    if flags_in(then) == flags_in((ROOT / SOURCE).read_text(encoding="utf-8")):
        return " ".join(_build.CFLAGS)
    return f"OLD FLAGS, so times are not those of this checkout (`git show {commit[:12]}:{SOURCE}`)"


def _source_at(commit: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), "show", f"{commit}:{SOURCE}"],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout


def flags_in(source: str) -> list[str]:
    """The expressions that the names of ``...CFLAGS`` are set to, but for those of other builds."""
    return [
        ast.unparse(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id in ("CFLAGS", "MACHINE_CFLAGS")
    ]
