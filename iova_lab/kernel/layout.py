"""Which of Debian's packages make a kernel, and where in them its files lie.

In 6.1 and 6.12 an image has everything: ``boot/vmlinuz-RELEASE`` and ``lib/modules``.  In 7.2 and
7.3 it is empty and depends on packages for the image, the modules and the rest, all of them under
``usr/lib/modules``.
Both follow from what the packages depend on, so no series is listed here.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from iova_lab.debian.index import Package
from iova_lab.kernel import KernelError

#: The usual flavour alone: neither real-time nor for clouds.
_HEADERS = re.compile(r"linux-headers-(\d+\.\d+(?:[.+~-][\w.+~-]*)?-amd64)")
_OTHER_FLAVOURS = re.compile(r"-(rt|cloud|dbg)-amd64$")
#: Packages that are a part of one kernel: "linux-base" without a number is not.
_PART = re.compile(r"linux-(image|binary(-unsigned)?|modules|base|headers|kbuild)-\d.*")
_IMAGES = (
    "linux-image-{}",
    "linux-image-{}-unsigned",
    "linux-binary-{}",
    "linux-binary-unsigned-{}",
)

Index = Mapping[str, Sequence[Package]]


def is_part(name: str) -> bool:
    """Is this the name of a package of some kernel?"""
    return bool(_PART.fullmatch(name))


def series(release: str) -> str:
    """``6.12`` of ``6.12.117+deb12-amd64``; the release itself where it has no such numbers."""
    found = re.match(r"\d+\.\d+", release)
    return found[0] if found else release


def version(release: str) -> list[int]:
    """The numbers in a release, to be compared; a release candidate precedes its release."""
    text = re.sub(r"[-~]rc(\d+)", r".-1.\1", release.removesuffix("-amd64"))
    return [*map(int, re.findall(r"(?<=\.)-1|\d+", text)), 0]


def releases(index: Index) -> list[str]:
    """The releases that have an image and headers, the oldest first.

    Headers that only depend on those of a release are an alias, such as "6.12-amd64" of the newest.
    """
    found = []
    for name in index:
        match = _HEADERS.fullmatch(name)
        if match is None or _OTHER_FLAVOURS.search(name):
            continue
        alias = any(_HEADERS.fullmatch(need) for need in _depends(name, index))
        if not alias and any(form.format(match[1]) in index for form in _IMAGES):
            found.append(match[1])
    return sorted(found, key=version)


def packages(release: str, index: Index) -> list[str]:
    """The packages of a kernel: image, modules and headers, and what these are made of."""
    image = next(name for form in _IMAGES if (name := form.format(release)) in index)
    found: list[str] = []
    left = [image, f"linux-modules-{release}", f"linux-headers-{release}"]
    while left:
        name = left.pop(0)
        if name in index and name not in found:
            found.append(name)
            left += [need for need in _depends(name, index) if _PART.fullmatch(need)]
    return sorted(found)


def needs(release: str, index: Index) -> list[str]:
    """Packages beside those of the kernel that a build of modules takes: compiler, libraries."""
    builders = [
        name for name in packages(release, index) if re.match(r"linux-(headers|kbuild)", name)
    ]
    found = {need for name in builders for need in _depends(name, index)}
    return sorted(need for need in found if not _PART.fullmatch(need) and need != "linux-base")


def _depends(name: str, index: Index) -> list[str]:
    return [need for package in index[name] for need in package.depends]


# ---- where the files lie ----


def settle(root: Path, release: str) -> None:
    """Make ``lib`` a link where the modules lie under ``usr/lib``: depmod reads ``lib/modules``."""
    if (root / "usr/lib/modules" / release / "kernel").is_dir():
        if not (root / "lib").is_symlink():
            shutil.rmtree(root / "lib", ignore_errors=True)
        (root / "lib").unlink(missing_ok=True)
        (root / "lib").symlink_to("usr/lib")


def image(root: Path, release: str) -> Path:
    """The kernel's image.  Raises `KernelError` where the packages hold none."""
    places = [f"boot/vmlinuz-{release}", f"usr/lib/modules/{release}/vmlinuz"]
    for place in places:
        if (root / place).exists():
            return root / place
    raise KernelError(f"kernel {release} has no image in its packages; looked for: {places}")


def free_headers(root: Path, release: str) -> None:
    """Let the headers name each other by relative paths: Debian's are absolute."""
    makefile = root / "usr/src" / f"linux-headers-{release}" / "Makefile"
    here = "lab_headers := $(dir $(realpath $(lastword $(MAKEFILE_LIST))))../\n"
    text = makefile.read_text(encoding="utf-8").replace("/usr/src/", "$(lab_headers)")
    makefile.write_text(here + text, encoding="utf-8")
