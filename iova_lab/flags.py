"""The compiler flags and the code that a measured commit had, held against this checkout's.

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


def changed_since(commit: str) -> str:
    """Which variants and workloads have another source file now than ``commit`` had, in words."""
    listed = _git(
        "diff", "--name-only", commit, "--", "iova_variants/*.c", "iova_lab/workloads/*.py"
    )
    if listed is None:
        return "not known: the commit is not in this repository"
    stems = [Path(line).stem for line in listed.splitlines()]
    names = sorted(stem for stem in stems if not stem.startswith("_"))
    return f"OLD CODE: {', '.join(names)} have changed since" if names else "as in this checkout"


def _source_at(commit: str) -> str | None:
    return _git("show", f"{commit}:{SOURCE}")


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, check=True
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
