"""The compiler flags and the code that a measured commit had, held against this checkout's.

asv compiles the commit that it measures, and its result file names that commit; the commit's own
iova_variants/building.py has the flags.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from pathlib import Path

from iova_lab.basics import repository
from iova_variants import building

SOURCE = "iova_variants/building.py"
#: Where older commits have them.
OLD_SOURCE = "iova_variants/_build.py"
#: Label of a number that was measured with code that this checkout no longer has.
OLD = "OLD CODE"


def at(commit: str) -> str:
    """The flags of ``commit``, in words: this checkout's, old ones, or not known."""
    then = None
    for source in (SOURCE, OLD_SOURCE):
        then = then or repository.output("show", f"{commit}:{source}")
    if then is None:
        return f"the flags of {commit[:12]}, a commit that is not in this repository"
    if flags_in(then) == flags_in((repository.ROOT / SOURCE).read_text(encoding="utf-8")):
        return " ".join(building.CFLAGS)
    return f"OLD FLAGS, so times are not those of this checkout (`git show {commit[:12]}:{source}`)"


def changed_since(commit: str) -> str:
    """Which variants and workloads have another source file now than ``commit`` had, in words."""
    names = old_names(commit)
    if names is None:
        return "not known: the commit is not in this repository"
    return f"{OLD}: {', '.join(names)} have changed since" if names else "as in this checkout"


def old_names(commit: str) -> list[str] | None:
    """Variants and workloads with another source file than ``commit`` had; None if not known."""
    listed = repository.output(
        "diff", "--name-only", commit, "--", "iova_variants/*.c", "iova_lab/workloads/*.py"
    )
    if listed is None:
        return None
    stems = [Path(line).stem for line in listed.splitlines()]
    return sorted(stem for stem in stems if not stem.startswith("_"))


def labelled(text: str, names: Iterable[str]) -> str:
    """``text`` with the label `OLD` behind each of ``names`` that stands in it as a word.

    A command, between backticks, stays as it is.
    """
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    if not words:
        return text
    name = re.compile(rf"(?<![\w./-])({words})(?![\w/-]|\.\w| \({OLD}\))")
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part[:1] == "`" else name.sub(rf"\1 ({OLD})", part) for part in parts)


def flags_in(source: str) -> list[str]:
    """The expressions that the names of ``...CFLAGS`` are set to, but for those of other builds."""
    return [
        ast.unparse(node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name) and target.id in ("CFLAGS", "MACHINE_CFLAGS")
    ]
