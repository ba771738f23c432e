"""What do patches, as they are mailed, make of a text?

git splits an mbox, decodes its mails and applies each to a copy of the needed files in a folder of
its own; the user's tree, index and branch are not touched.  A patch is applied whole as far as
these files go; other files that it changes are named as left out.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from iova_lab.basics import repository
from iova_lab.basics.errors import IovaLabError, NotFoundError
from iova_lab.linux.source import Text


class ApplyError(IovaLabError, ValueError):
    """A patch that does not apply; the message is git's reason, in one line."""


@dataclass(frozen=True)
class Step:
    """One patch of a series, applied: ``text`` is what it makes; ``left_out`` are other files."""

    subject: str
    text: Text
    left_out: tuple[str, ...]


def apply(text: Text, patches: Sequence[Path]) -> list[Step]:
    """Apply diffs and mboxes one after the other; one step for each patch that changes the text.

    Raises `NotFoundError`, `ApplyError`: a patch does not apply, or none changes the text.
    """
    steps: list[Step] = []
    left_out: list[str] = []
    now = text
    with tempfile.TemporaryDirectory(prefix="iova-lab-") as name:
        folder = Path(name)
        for subject, patch in _patches(patches, folder):
            files, others = _applied(now.files, subject, patch, folder / "tree")
            left_out += others
            label, origin = f"{text.label}+{_word(subject)}", f"{text.origin}, {subject}"
            before, now = now, replace(now, label=label, files=files, origin=origin)
            if now.used != before.used:
                steps.append(Step(subject, now, tuple(dict.fromkeys(left_out))))
                left_out = []
    if not steps:
        shown = ", ".join(map(str, patches))
        raise ApplyError(f"{shown} changes none of the files that the allocator is made of")
    return steps


def base_commit(patches: Sequence[Path]) -> str | None:
    """Return the commit that `git format-patch --base` noted in a series; None if it did not."""
    for patch in patches:
        found = re.search(rb"^base-commit: ([0-9a-f]{12,64})", _bytes(patch), re.M)
        if found:
            return found[1].decode()
    return None


def _patches(paths: Sequence[Path], folder: Path) -> Iterator[tuple[str, Path]]:
    """Subject and file of every patch; a mail that holds no diff, a cover letter, is skipped."""
    for number, path in enumerate(paths):
        data = _bytes(path)
        if not re.match(rb"From |[A-Z][\w-]*: ", data):
            yield path.stem, path.resolve()
            continue
        mails = folder / f"mails-{number}"
        mails.mkdir()
        _run("mailsplit", "-b", f"-o{mails}", str(path.resolve()), cwd=folder)
        for mail in sorted(mails.glob("[0-9]*")):
            diff = mail.with_suffix(".diff")
            command = ["mailinfo", str(mail.with_suffix(".text")), str(diff)]
            heads = _run(*command, cwd=folder, stdin=mail.read_bytes())
            subject = re.search(r"^Subject: (.*)", heads, re.M)
            if b"\n@@ " in diff.read_bytes():
                yield subject[1] if subject else mail.name, diff


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFoundError(f"{path}: {error.strerror}") from None


def _applied(
    files: Mapping[str, bytes], subject: str, patch: Path, tree: Path
) -> tuple[dict[str, bytes], list[str]]:
    """The files behind a patch, and what else it changes."""
    for path, data in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(data)
    text = patch.read_bytes().decode(errors="replace")
    # Without the first folder, a/ or b/.
    touched = dict.fromkeys(re.findall(r"^(?:---|\+\+\+) [ab]/(\S+)", text, re.M))
    wanted = [path for path in touched if path in files or _is_header(path)]
    others = [path for path in touched if path not in wanted]
    if not wanted:
        return dict(files), others
    include = [f"--include={path}" for path in wanted]
    try:
        _run("apply", "--whitespace=nowarn", *include, str(patch), cwd=tree)
    except ApplyError as error:
        raise ApplyError(f"{subject}: does not apply: {error}") from None
    after = {*files, *wanted}
    return {path: (tree / path).read_bytes() for path in after if (tree / path).exists()}, others


def _is_header(path: str) -> bool:
    """May the text include it?"""
    return path.endswith(".h") and path.startswith(("include/linux/", "drivers/iommu/"))


def _word(subject: str) -> str:
    """A subject as part of a file's name."""
    plain = re.sub(r"^(\[[^]]*\]\s*)?([\w/-]+:\s*)*", "", subject)
    return re.sub(r"[^\w.]+", "-", plain).strip("-")[:32] or "patch"


def _run(*arguments: str, cwd: Path, stdin: bytes = b"") -> str:
    command = ["git", *arguments]
    env = repository.outside(cwd)
    try:
        done = subprocess.run(
            command, cwd=cwd, input=stdin, capture_output=True, check=False, env=env
        )
    except OSError:
        raise ApplyError("git is missing, which applies patches: apt install git") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace")
        errors = re.findall(r"^(?:error|fatal): (.*)", said, re.M)
        raise ApplyError(errors[0] if errors else f"git {arguments[0]} failed")
    return done.stdout.decode(errors="replace")
