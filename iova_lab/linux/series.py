"""What is before and what is after a change of the kernel's text: commits, a series, a diff?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iova_lab.basics.errors import InvalidValueError
from iova_lab.linux import PREFIX, source, unit
from iova_lab.linux.apply import apply, base_commit
from iova_lab.linux.errors import SourceError


@dataclass(frozen=True)
class Series:
    """States of the text, each to be compared with the first; all but the first are a change.

    ``variants`` are names or paths as `iova_variants.load` takes them; ``notes`` are for the user.
    """

    variants: tuple[str, ...]
    notes: tuple[str, ...] = ()


def of_commits(tree: str, revisions: str | None, base: str | None) -> Series:
    """Take a range ``REV1..REV2``, or what lies in the tree against ``base``.

    Without ``base`` that is HEAD for a tree with changes that are not committed, else ``HEAD^``.
    Raises `SourceError`, `InvalidValueError`.
    """
    folder = Path(tree).expanduser()
    if revisions is not None:
        first, dots, last = revisions.partition("..")
        if not dots or not first:
            raise InvalidValueError(f"{revisions!r} is no range of commits REV1..REV2")
        found = changing(folder, first, last or "HEAD")
        short = [commit[:12] for commit in found]
        return Series(tuple(f"{PREFIX}{tree}@{name}" for name in (base or first, *short)))
    if base is None:
        paths = source.paths(source.of_folder(folder))
        changed = source.git(folder, "status", "--porcelain", "--", *paths)
        if changed is None:
            raise SourceError(f"{tree} is not in a git repository: name what is compared by --base")
        base = "HEAD" if changed else "HEAD^"
    return Series((f"{PREFIX}{tree}@{base}", f"{PREFIX}{tree}"))


def changing(folder: Path, first: str, last: str) -> list[str]:
    """Return the commits of a range that change the text, oldest first.  Raises `SourceError`."""
    paths = source.paths(source.of_revision(folder, last))
    listed = source.git(
        folder, "rev-list", "--reverse", "--topo-order", f"{first}..{last}", "--", *paths
    )
    if listed is None:
        raise SourceError(f"{folder} has no commits {first}..{last}")
    commits = listed.decode().split()
    if not commits:
        raise SourceError(f"{folder}: no commit of {first}..{last} changes {', '.join(paths[:2])}")
    return commits


def of_patches(wanted: str, patches: Sequence[Path], base: str | None = None) -> Series:
    """Take a source, and the same after each patch of diffs and mboxes.

    A series that names its base commit is applied to that commit of a tree, if the tree has it.
    Raises `SourceError`, `ApplyError`, `TextError`.
    """
    notes = []
    noted = base or base_commit(patches)
    tree = Path(wanted).expanduser()
    if noted and tree.is_dir():
        if base or source.git(tree, "cat-file", "-e", f"{noted}^{{commit}}") is not None:
            wanted = f"{wanted}@{noted}"
            notes.append(f"applied to {wanted}")
        else:
            notes.append(f"base commit {noted[:12]} is not in {wanted}: applied to what is there")
    text = source.read(wanted)
    steps = apply(text, patches)
    left_out = [(step.subject, ", ".join(step.left_out)) for step in steps if step.left_out]
    notes += [f"{subject}: left out {paths}" for subject, paths in left_out]
    states = [unit.write(step.text) for step in steps]
    return Series((f"{PREFIX}{wanted}", *map(str, states)), tuple(notes))
