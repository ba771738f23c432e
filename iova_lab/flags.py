"""The compiler flags and the code that a measured commit had, held against this checkout's.

asv compiles the commit that it measures, and its result file names that commit; the commit's own
iova_variants/_build.py has the flags.
"""

from __future__ import annotations

import ast
from pathlib import Path

from iova_lab import repository
from iova_variants import _build

SOURCE = "iova_variants/_build.py"


def at(commit: str) -> str:
    """The flags of ``commit``, in words: this checkout's, old ones, or not known."""
    then = repository.output("show", f"{commit}:{SOURCE}")
    if then is None:
        return f"the flags of {commit[:12]}, a commit that is not in this repository"
    if flags_in(then) == flags_in((repository.ROOT / SOURCE).read_text(encoding="utf-8")):
        return " ".join(_build.CFLAGS)
    return f"OLD FLAGS, so times are not those of this checkout (`git show {commit[:12]}:{SOURCE}`)"


def changed_since(commit: str) -> str:
    """Which variants and workloads have another source file now than ``commit`` had, in words."""
    listed = repository.output(
        "diff", "--name-only", commit, "--", "iova_variants/*.c", "iova_lab/workloads/*.py"
    )
    if listed is None:
        return "not known: the commit is not in this repository"
    stems = [Path(line).stem for line in listed.splitlines()]
    names = sorted(stem for stem in stems if not stem.startswith("_"))
    return f"OLD CODE: {', '.join(names)} have changed since" if names else "as in this checkout"


def flags_in(source: str) -> list[str]:
    """The expressions that the names of ``...CFLAGS`` are set to, but for those of other builds."""
    return [
        ast.unparse(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id in ("CFLAGS", "MACHINE_CFLAGS")
    ]
