"""The compiler flags and the code that a measured commit had, held against this checkout's.

asv compiles the commit that it measures, and its result file names that commit; the commit's own
iova_variants/building.py has the flags.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from iova_lab import workloads
from iova_lab.basics import repository
from iova_lab.measuring import c_text, code_digest, python_text
from iova_variants import building

SOURCE = "iova_variants/building.py"
#: Where older commits have them.
OLD_SOURCE = "iova_variants/_build.py"
#: Label of a number that was measured with code that this checkout no longer has.
OLD = "OLD CODE"


def at(commit: str) -> str:
    """The flags of ``commit``, in words: this checkout's, old ones, or not known."""
    for source in (SOURCE, OLD_SOURCE):
        then = repository.output("show", f"{commit}:{source}")
        if then is not None:
            break
    else:
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
    """Variants and workloads that are not what ``commit`` had; None if that is not known.

    A variant is its C file and the headers of iova_variants/ that this includes, apart from
    comments and layout; one whose machine code is proven to be the same (`code_digest.same_code`)
    is not old.  A workload is its module apart from imports, comments and docstrings; one that
    ``commit`` did not have was not measured there, and is not old.  Nor is one of a single size
    whose stream is pinned, and was the same (`_same_stream`).
    """
    listed = repository.output("diff", "--name-only", commit, "--", "iova_variants", _WORKLOADS)
    if listed is None:
        return None
    then = {path: _then(commit, path) for path in listed.splitlines() if path.endswith(_CODE)}
    changed = {path: text for path, text in then.items() if _differs(path, text)}
    variants = _variants_with({k: text for k, text in changed.items() if k.endswith(_C)})
    stems = {Path(path).stem for path in changed if path.startswith(_WORKLOADS)}
    asked = {stem for stem in stems if not stem.startswith("_")}
    asked -= _same_stream(asked, _then(commit, _PINS), _now(_PINS))
    return sorted((variants - code_digest.same_code(commit)) | asked)


def _same_stream(names: set[str], then: str, now: str) -> set[str]:
    """Those of one size whose pinned streams, of all seeds, are the same in both texts.

    `tests.support.pin` writes the pins, and a test makes every stream anew.
    """
    before, after = (json.loads(text or "{}") for text in (then, now))
    found = set()
    for name in names:
        pins = {key: digest for key, digest in after.items() if key.split()[0] == name}
        same = pins and all(before.get(key) == digest for key, digest in pins.items())
        if same and len({key.split()[1] for key in pins}) == 1 and _has_one_size(name):
            found.add(name)
    return found


def _has_one_size(name: str) -> bool:
    found = workloads.find(name)
    return found is not None and found.min_nr_live == found.max_nr_live


_WORKLOADS = "iova_lab/workloads"
_PINS = "tests/golden/streams.json"
_C = (".c", ".h")
_CODE = (*_C, ".py")


def _differs(path: str, then: str) -> bool:
    """Is this C, or a workload, that is not what it was?"""
    if path.endswith(_C):
        return c_text.bare(then) != c_text.bare(_now(path))
    if not path.startswith(_WORKLOADS) or not then:
        return False
    return python_text.bare(then) != python_text.bare(_now(path))


def _then(commit: str, path: str) -> str:
    return _shown(repository.ROOT, commit, path)


@cache
def _shown(root: Path, commit: str, path: str) -> str:
    return repository.output("show", f"{commit}:{path}", root=root) or ""


def _now(path: str) -> str:
    here = repository.ROOT / path
    return here.read_text(encoding="utf-8") if here.exists() else ""


def _variants_with(changed: dict[str, str]) -> set[str]:
    """Variants that are one of these files, or include one: now, or as their texts were then."""
    names = {Path(path).name for path in changed}
    folder = repository.ROOT / "iova_variants"
    now = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.[ch]"))}
    then = now | {Path(path).name: text for path, text in changed.items()}
    return {
        Path(name).stem
        for name in then
        if name.endswith(".c") and names & (c_text.reached(name, now) | c_text.reached(name, then))
    }


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
