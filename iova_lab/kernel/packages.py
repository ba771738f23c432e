"""Where do the kernels come from?

From Debian's archive, by ``apt-get download``: packages are checked against the sums of the
archive's signed index, unpacked under ``build/kernel/`` and never installed.  A kernel that is
there is used as it is, without a network: so a measurement can be repeated on the same one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from iova_lab.basics.reading import read_json
from iova_lab.kernel import KernelError, tools

#: The series that the lab speaks of; any other that apt knows can be asked for.
SERIES = ("6.1", "6.12")
CACHE = Path("build/kernel")
_STAMP = "packages.json"


@dataclass(frozen=True)
class Kernel:
    """One unpacked kernel; ``packages`` has file names and their SHA-256."""

    release: str
    root: Path
    packages: dict[str, str]

    @property
    def vmlinuz(self) -> Path:
        return self.root / "boot" / f"vmlinuz-{self.release}"

    @property
    def system_map(self) -> Path:
        return self.root / "boot" / f"System.map-{self.release}"

    @property
    def modules(self) -> Path:
        return self.root / "lib/modules" / self.release

    @property
    def headers(self) -> Path:
        return self.root / "usr/src" / f"linux-headers-{self.release}"

    @cached_property
    def compiler(self) -> str:
        """What its modules must be compiled with, as Debian's headers have it: ``gcc-12``."""
        path = self.headers / ".kernelvariables"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        named = re.search(r"^(?:override )?CC *=.*\b(gcc-\d+)", text, re.MULTILINE)
        return named[1] if named else tools.compiler_here()

    @cached_property
    def dependencies(self) -> dict[str, list[Path]]:
        """Per module, the files to load, in this order; none where it is built in."""
        found: dict[str, list[Path]] = {}
        for line in (self.modules / "modules.dep").read_text().splitlines():
            path, _, needs = line.partition(":")
            order = [*reversed(needs.split()), path]
            found[_module_name(path)] = [self.modules / part for part in order]
        for line in (self.modules / "modules.builtin").read_text().splitlines():
            found.setdefault(_module_name(line), [])
        return found


def _module_name(path: str) -> str:
    return Path(path).name.split(".ko")[0].replace("-", "_")


def get(series: str, *, newest: bool = False) -> Kernel:
    """The kernel of a series, such as "6.1": the one in the cache, else Debian's newest.

    With ``newest`` apt is asked even if there is one.  Raises `KernelError`, for all programs that
    are missing at once.
    """
    if lacking := tools.missing():
        raise KernelError(lacking)
    with alone():
        found = _get(series, newest=newest)
    if lacking := tools.missing(found.compiler):
        raise KernelError(f"kernel {found.release} was compiled with {found.compiler}: {lacking}")
    return found


def _get(series: str, *, newest: bool) -> Kernel:
    cached = sorted(CACHE.glob(f"{series}.*/{_STAMP}"), key=lambda path: version(path.parent.name))
    if cached and not newest:
        return _open(cached[-1].parent)
    release = _newest_release(series)
    root = CACHE / release
    if not (root / _STAMP).exists():
        _fetch(release, root)
    return _open(root)


@contextmanager
def alone() -> Iterator[None]:
    """One process at a time fetches or builds: whoever had to wait finds it done."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _open(root: Path) -> Kernel:
    sums = read_json(root / _STAMP, dict[str, str], written_by="`iova-lab kernel fetch --newest`")
    return Kernel(root.name, root.resolve(), sums)


def version(name: str) -> list[int]:
    """The numbers in a release, to be compared."""
    return [int(number) for number in re.findall(r"\d+", name)]


def _newest_release(series: str) -> str:
    names = set(tools.run("apt-cache", ["pkgnames", "linux-"]).split())
    image = re.compile(rf"linux-image-({re.escape(series)}\.[0-9.]+[-+0-9a-z.]*-amd64)$")
    flavours = ("rt-amd64", "cloud-amd64")
    releases = [
        match[1]
        for name in names
        if (match := image.match(name))
        and not name.endswith(flavours)
        and f"linux-headers-{match[1]}" in names
    ]
    if not releases:
        raise KernelError(
            f"apt knows no kernel {series} with headers: run apt-get update, and see that "
            "/etc/apt has a Debian release that carries it (6.1: bookworm, 6.12: bookworm-security)"
        )
    return max(releases, key=version)


def _package_names(release: str) -> list[str]:
    """The image, its headers, and what these are built from: no other dependency is of use."""
    headers = f"linux-headers-{release}"
    depends = tools.run("apt-cache", ["depends", headers]).split()
    wanted = re.compile(r"linux-(headers-.*-common|kbuild-[\w.+-]+)$")
    return [f"linux-image-{release}", headers, *sorted({n for n in depends if wanted.match(n)})]


def _fetch(release: str, root: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".fetch-") as folder:
        partial = Path(folder) / "root"
        sums = download(_package_names(release), Path(folder) / "debs", partial)
        tools.run("depmod", ["-b", partial, release])
        _free_headers_from_root(partial, release)
        (partial / _STAMP).write_text(json.dumps(sums, indent=1))
        shutil.rmtree(root, ignore_errors=True)
        partial.rename(root)


def download(names: Sequence[str], debs: Path, target: Path) -> dict[str, str]:
    """Fetch packages into ``debs`` and unpack them into ``target``; returns their SHA-256."""
    debs.mkdir()
    debs.chmod(0o755)
    if names:
        tools.run("apt-get", ["download", "-q", *names], cwd=debs)
    sums = {name: _checked(name, debs) for name in names}
    for deb in debs.iterdir():
        tools.run("dpkg-deb", ["-x", deb, target])
    return sums


def _checked(name: str, folder: Path) -> str:
    """SHA-256 of a downloaded package.  Raises `KernelError` unless it is the archive's own."""
    (deb,) = folder.glob(f"{name}_*.deb")
    with deb.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    known = re.findall(r"^SHA256: (\w+)$", tools.run("apt-cache", ["show", name]), re.MULTILINE)
    if found not in known:
        raise KernelError(f"{deb.name} is not what the archive's index says it is: apt-get update")
    return found


def _free_headers_from_root(root: Path, release: str) -> None:
    """Debian's headers name themselves by absolute path; unpacked elsewhere, by relative ones."""
    (makefile,) = root.glob(f"usr/src/linux-headers-{release}/Makefile")
    text = makefile.read_text()
    here = "$(dir $(realpath $(lastword $(MAKEFILE_LIST))))../"
    makefile.write_text(text.replace("include /usr/src/", f"include {here}"))
