"""What does a unified diff make of one of the lab's variants?

git's own ``apply`` does it, on a copy of the variant and of the headers beside it, so that a patch
of range_variant.h works as well.  However the paths in the diff are written
(``a/iova_variants/x.c``, ``iova_variants/x.c``, ``x.c``), only the file's name counts.
"""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
from pathlib import Path

import iova_variants
from iova_lab.basics import repository
from iova_lab.basics.errors import IovaLabError, NotFoundError
from iova_lab.measuring import c_text
from iova_variants.building import VARIANT_DIR

#: Folders that a path in a diff may have in front of the file's name.
_MOST_FOLDERS = 8
#: The contract is what both sides stand on: compiled into the harness, so not to be patched.
_CONTRACT = "iova_variant.h"


class PatchError(IovaLabError, ValueError):
    """A diff that can't be applied; the message is git's reason, in one line."""


def apply(diff: Path, onto: str, folder: Path) -> tuple[Path, Path]:
    """Copy variant ``onto`` into ``folder`` twice, and apply ``diff`` to the second.

    Returns the C files of both.  Raises `NotFoundError` for an unknown variant, `PatchError`.
    """
    if onto not in iova_variants.names():
        known = ", ".join(iova_variants.names())
        raise NotFoundError(f"--onto: no variant named {onto!r}; there are: {known}")
    if not diff.is_file():
        raise NotFoundError(f"no such file: {diff}")
    before, after = (_copy(onto, folder / name) for name in ("before", "after"))
    _apply(diff.resolve(), after.parent)
    names = [path.name for path in after.parent.iterdir()]
    _, differ, only_there = filecmp.cmpfiles(after.parent, before.parent, names, shallow=False)
    changed = sorted(differ + only_there)
    if _CONTRACT in changed:
        raise PatchError(
            f"{diff}: {_CONTRACT} is the contract of all variants: it can't be patched"
        )
    if not changed:
        raise PatchError(f"{diff} changes nothing in {onto}.c or its headers")
    texts = {path.name: path.read_text(encoding="utf-8") for path in after.parent.iterdir()}
    if not c_text.reached(after.name, texts) & set(changed):
        raise PatchError(f"{diff} patches {', '.join(changed)}, which {onto}.c does not include")
    return before, after


def _copy(onto: str, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for source in [VARIANT_DIR / f"{onto}.c", *VARIANT_DIR.glob("*.h")]:
        shutil.copy(source, folder)
    return folder / f"{onto}.c"


def _apply(diff: Path, folder: Path) -> None:
    """Apply with as many folders taken off each path as it takes until git finds the files."""
    said = []
    for nr_folders in range(_MOST_FOLDERS):
        done = _git(diff, folder, nr_folders)
        if done.returncode == 0 and not done.stderr.startswith("Skipped patch"):
            return
        said.append(done.stderr)
    if kernel := _kernels_own(diff):
        raise PatchError(f"{diff.name} {kernel}")
    raise PatchError(f"{diff.name} does not apply: {_reason(said)}")


#: Functions of the kernel's drivers/iommu/iova.c by what of the lab stands for them.
_IN_THE_LAB = {
    "mainline.c and range_variant.h": (
        *("alloc_iova", "__alloc_and_insert_iova_range", "iova_insert_rbtree", "remove_iova"),
        *("__free_iova", "private_find_iova", "find_iova", "free_iova", "reserve_iova"),
        *("init_iova_domain", "put_iova_domain", "__get_cached_rbnode", "iova_find_limit"),
    ),
    "range_anchored.h": ("__cached_rbnode_insert_update",),
    "range_max32.h": ("__cached_rbnode_delete_update",),
    "harness/rcache.c": (
        *("alloc_iova_fast", "free_iova_fast", "iova_rcache_insert", "iova_rcache_get"),
        *("__iova_rcache_insert", "__iova_rcache_get", "free_cpu_cached_iovas"),
    ),
    "harness/rcache_depot.c": (
        *("iova_depot_push", "iova_depot_work_func", "free_global_cached_iovas"),
    ),
    "harness/magazine.h": ("iova_magazine_alloc", "iova_magazine_free_pfns"),
}


def _kernels_own(diff: Path) -> str | None:
    """What a diff against the kernel's own files touches, and what of the lab stands for that."""
    text = diff.read_text(encoding="utf-8", errors="replace")
    files = list(dict.fromkeys(re.findall(r"^\+\+\+ (?:b/)?(\S+)", text, re.M)))
    kernel = [path for path in files if re.search(r"(^|/)(drivers|include|lib|mm|kernel)/", path)]
    if not kernel:
        return None
    functions = list(dict.fromkeys(re.findall(r"^@@[^@]*@@.*?(\w+)\(", text, re.M)))
    lab = [
        f"{', '.join(found)} is {home}"
        for home, names in _IN_THE_LAB.items()
        if (found := [f"{name}()" for name in functions if name in names])
    ]
    touched = f" in {', '.join(f'{name}()' for name in functions)}" if functions else ""
    here = f"; here {'; '.join(lab)}" if lab else ""
    return (
        f"patches the kernel's own {', '.join(kernel)}{touched}{here}; the lab can't apply that: "
        "make the same change in a copy (`iova-lab new mine --from mainline`), then try mine.c"
    )


def _git(diff: Path, folder: Path, nr_folders: int) -> subprocess.CompletedProcess[str]:
    git = shutil.which("git")
    if git is None:
        raise PatchError("git is missing, which applies patches: apt install git")
    return subprocess.run(
        [git, "apply", "-v", f"-p{nr_folders}", "--whitespace=nowarn", diff],
        cwd=folder,
        env=repository.outside(folder),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def _reason(said: list[str]) -> str:
    """The most telling of git's reasons: a hunk that does not fit rather than a missing file."""
    errors = [line for text in said for line in re.findall(r"^error: (.*)", text, re.M)]
    fits_not = [line for line in errors if line.startswith("patch failed")]
    others = [
        line
        for line in errors
        if not re.search(r"No such file|removes .* component|unable to find filename", line)
    ]
    missing = [line for line in errors if line.endswith("No such file or directory")]
    for found in (fits_not, others, missing, errors):
        if found:
            return str(min(found, key=len) if found is missing else found[0])
    return (said[0].strip().splitlines() or ["git says nothing"])[-1]
