"""Where does the kernel's text come from?  From ``SOURCE``, one of these::

    DIR                 a kernel tree as it is now, or a folder with the needed files alone
    DIR@REV             the same files at a commit, by `git show`: nothing is checked out
    debian-6.12         Debian's package linux-source-6.12

``+lab-rbtree`` behind any of them leaves out the tree's own red-black tree and takes the lab's;
``+candidate`` takes the lab's candidate, behind the kernel's API, in the place of the file;
``+own-rcache`` replays through the file's own per-CPU caches, where a replay asks for such.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from iova_lab.basics import repository
from iova_lab.linux import debian, dropin
from iova_lab.linux.errors import SourceError
from iova_variants.building import OWN_RCACHE

ALLOCATOR, HEADER = "drivers/iommu/iova.c", "include/linux/iova.h"
RBTREE = ("lib/rbtree.c", "include/linux/rbtree.h", "include/linux/rbtree_augmented.h")
#: Part of rbtree.h until v5.17.
RBTREE_TYPES = "include/linux/rbtree_types.h"
#: Needed by a text that includes the second.
MAPLE = ("lib/maple_tree.c", "include/linux/maple_tree.h")
#: Where a tree notes its release.
MAKEFILE = "Makefile"
NEEDED = (ALLOCATOR, HEADER, *RBTREE)
OPTIONAL = (RBTREE_TYPES, *MAPLE, MAKEFILE)

LAB_RBTREE = "+lab-rbtree"

#: Reads one file of a source by its path in the tree; None if it is not there.
Read = Callable[[str], bytes | None]


@dataclass(frozen=True)
class Text:
    """The files of one source.

    ``label`` is short and names the source in tables; ``release`` is the kernel's, or "-";
    ``files`` holds bytes by path in the tree; ``origin`` is for messages.  ``own_rcache``: an
    rcache in front of it is the file's own.
    """

    label: str
    release: str
    files: Mapping[str, bytes]
    origin: str
    own_rcache: bool = False

    @property
    def has_maple(self) -> bool:
        """Does the text include the maple tree?"""
        return MAPLE[1].removeprefix("include/") in included(self.files)

    @property
    def used(self) -> Mapping[str, bytes]:
        """``files`` without a maple tree that the text does not include."""
        unused = () if self.has_maple else MAPLE
        return {path: data for path, data in self.files.items() if path not in unused}

    @property
    def has_rbtree(self) -> bool:
        """Does the red-black tree come from the tree as well?"""
        return RBTREE[0] in self.files


def included(files: Mapping[str, bytes], paths: Iterable[str] = (ALLOCATOR, HEADER)) -> set[str]:
    """Headers that these files include between angle brackets."""
    return {
        name.decode()
        for path in paths
        for name in re.findall(rb"^\s*#\s*include\s*<([\w./-]+)>", files.get(path, b""), re.M)
    }


def read(source: str) -> Text:
    """Read the needed files of ``SOURCE``.  Raises `SourceError`."""
    outer = source.removesuffix(OWN_RCACHE)
    inner = outer.removesuffix(dropin.SUFFIX)
    plain = inner.removesuffix(LAB_RBTREE)
    text = _collect(*_located(plain), needs_rbtree=plain == inner)
    files = dict(text.files)
    if plain != inner:
        files = {path: data for path, data in files.items() if "rbtree" not in path}
    if inner != outer:
        files[ALLOCATOR] = dropin.text().encode()
    label = text.label + source[len(plain) :]
    return replace(text, label=label, files=files, own_rcache=outer != source)


def paths(read_file: Read) -> tuple[str, ...]:
    """Files of which a change changes the text that ``read_file`` reads."""
    texts = {path: read_file(path) or b"" for path in (ALLOCATOR, HEADER)}
    maple = MAPLE * ("linux/maple_tree.h" in included(texts))
    return (ALLOCATOR, HEADER, *RBTREE, RBTREE_TYPES, *maple)


def digests(source: str) -> tuple[str, dict[str, str]]:
    """Release of a source, and a digest of each of its files.  Raises `SourceError`."""
    found = read(source)
    files = sorted(found.used.items())
    return found.release, {path: hashlib.sha256(data).hexdigest()[:16] for path, data in files}


def stamp(source: str) -> tuple[tuple[str, int, int], ...]:
    """Return what tells whether the files of a folder have changed since; () where they can't."""
    plain = source
    for suffix in (OWN_RCACHE, dropin.SUFFIX, LAB_RBTREE):
        plain = plain.removesuffix(suffix)
    folder = Path(plain).expanduser()
    found = []
    for path in (*NEEDED, *OPTIONAL):
        try:
            stat = (folder / path).stat()
        except OSError:
            continue
        found.append((path, stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _located(source: str) -> tuple[str, Read, str]:
    """Label of a source without suffixes, what reads one of its files, and its origin."""
    if series := re.fullmatch(r"debian-(\d+\.\d+)", source):
        folder = debian.folder(series[1], (*NEEDED, *OPTIONAL))
        return source, of_folder(folder), f"Debian's linux-source-{series[1]}"
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder.resolve().name, of_folder(folder), str(folder)
    before, at, revision = source.rpartition("@")
    tree = Path(before).expanduser()
    if not at or not tree.is_dir():
        raise SourceError(
            f"no such folder: {source}; a source is DIR, DIR@REV or debian-6.12 (`iova-lab list "
            "--linux`)"
        )
    name = commit(tree, revision)
    shown = name[:12] if name.startswith(revision) else revision.replace("/", "-")
    return f"{tree.resolve().name}@{shown}", of_revision(tree, name), f"{tree} at {revision}"


def of_revision(tree: Path, revision: str) -> Read:
    """Return what reads one file at a revision."""
    return lambda path: git(tree, "show", f"{revision}:./{path}")


def commit(tree: Path, revision: str) -> str:
    """The full name of a commit.  Raises `SourceError` where ``tree`` has none of that name."""
    found = git(tree, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    if found is not None:
        return found.decode().strip()
    if git(tree, "rev-parse", "--git-dir") is None:
        raise SourceError(f"{tree} is not in a git repository, so it has no commit {revision}")
    raise SourceError(f"{tree} has no commit {revision!r}")


def git(tree: Path, *arguments: str) -> bytes | None:
    """What git prints in ``tree``; None if it fails.  Raises `SourceError` without git."""
    command = ["git", "-C", str(tree), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, check=False, env=repository.environment()
        )
    except OSError:
        raise SourceError("git is missing, which reads commits: apt install git") from None
    return None if done.returncode else done.stdout


def of_folder(folder: Path) -> Read:
    """Return what reads one file of a folder."""

    def read_file(path: str) -> bytes | None:
        try:
            return (folder / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise SourceError(f"{folder / path}: {error.strerror}") from None

    return read_file


def _collect(label: str, read_file: Read, origin: str, *, needs_rbtree: bool) -> Text:
    found = {path: data for path in (*NEEDED, *OPTIONAL) if (data := read_file(path)) is not None}
    if ALLOCATOR not in found and HEADER not in found:
        raise SourceError(f"{origin} is not a kernel tree: no {ALLOCATOR}")
    headers = included(found)
    has_maple = "linux/maple_tree.h" in headers
    needs_rbtree = needs_rbtree and ("linux/rbtree.h" in headers or not has_maple)
    needed = (ALLOCATOR, HEADER, *MAPLE * has_maple, *RBTREE * needs_rbtree)
    missing = [path for path in needed if path not in found]
    if set(missing) == set(RBTREE):
        raise SourceError(
            f"{origin} has no {RBTREE[0]}: add {LAB_RBTREE} to the name to take the lab's"
        )
    if missing:
        raise SourceError(f"{origin} has no {missing[0]}")
    release = _release(found.pop(MAKEFILE, b""))
    return Text(label, release, found, origin)


def _release(makefile: bytes) -> str:
    """The kernel's release by its Makefile, or "-"."""
    text = makefile.decode(errors="replace")
    numbers = [
        match[1]
        for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL")
        if (match := re.search(rf"^{name} *= *(\d+)", text, re.M))
    ]
    extra = re.search(r"^EXTRAVERSION *= *(\S+)", text, re.M)
    if len(numbers) < 2:
        return "-"
    if numbers[2:] == ["0"]:
        numbers.pop()
    return "v" + ".".join(numbers) + (extra[1] if extra else "")
