"""The few files that are needed of Debian's ``linux-source-X`` packages, by ``apt-get download``.

They lie under ``build/linux/``, fetched once; a package is checked against the sums of the
archive's signed index, read as a stream, and not kept.  What the machine's own apt does not know is
looked for in sid and experimental, by an index of the lab's own: no configuration is changed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO, cast

from iova_lab.linux.errors import SourceError

CACHE = Path("build/linux")
_STAMP = "package.json"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_UNRELEASED = "".join(
    f"deb [signed-by={_KEYS}] http://deb.debian.org/debian {suite} main\n"
    for suite in ("sid", "experimental")
)


def folder(series: str, paths: Collection[str]) -> Path:
    """Return the folder with ``paths`` of a series, such as "6.12"; fetched if it is not there.

    Raises `SourceError`: no such package, or apt fails.
    """
    target = CACHE / f"debian-{series}"
    if not (target / _STAMP).exists():
        _fetch(f"linux-source-{series}", target, paths)
    return target


def known() -> list[str]:
    """Series that apt has a source package of, oldest first; none without apt."""
    if shutil.which("apt-cache") is None:
        return []
    names = [*_names(_options(own=False)), *_names(_options(own=True))]
    found = {match[1] for name in names if (match := re.fullmatch(r"linux-source-([\d.]+)", name))}
    return sorted(found, key=lambda name: [int(part) for part in name.split(".")])


def _names(options: Sequence[str]) -> list[str]:
    return _run("apt-cache", *options, "pkgnames", "linux-source-").split()


def _options(*, own: bool) -> list[str]:
    """Options of apt: none, or those that make it use the lab's index of sid and experimental."""
    if not own:
        return []
    index = CACHE.resolve() / "apt"
    (index / "lists/partial").mkdir(parents=True, exist_ok=True)
    (index / "sources.list").write_text(_UNRELEASED, encoding="utf-8")
    values = {
        "Dir::Etc::sourcelist": index / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": index / "lists",
        "Dir::Cache": index,
        "Acquire::Languages": "none",
        "Acquire::Check-Valid-Until": "false",  # a mirror may be frozen in time
    }
    return [word for name, value in values.items() for word in ("-o", f"{name}={value}")]


def _fetch(package: str, target: Path, paths: Collection[str]) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".fetch-") as name:
        work = Path(name)
        deb, digest = _download(package, work)
        partial = work / "files"
        _extract(deb, partial, set(paths))
        stamp = {"package": deb.name, "sha256": digest}
        (partial / _STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")
        shutil.rmtree(target, ignore_errors=True)
        partial.rename(target)


def _download(package: str, work: Path) -> tuple[Path, str]:
    options = _options_for(package)
    _run("apt-get", *options, "download", "-q", package, cwd=work)
    (deb,) = work.glob("*.deb")
    with deb.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    sums = re.findall(r"^SHA256: (\w+)$", _run("apt-cache", *options, "show", package), re.M)
    if digest not in sums:
        raise SourceError(f"{deb.name} is not what the archive's index has: apt-get update")
    return deb, digest


def _options_for(package: str) -> list[str]:
    """Options by which apt knows a package.  Raises `SourceError` if it does not."""
    if shutil.which("apt-get") is None:
        raise SourceError(f"apt is missing, which fetches {package}: name a kernel tree instead")
    for own in (False, True):
        options = _options(own=own)
        if own:
            _run("apt-get", *options, "update", "-q")
        if package in _names(options):
            return options
    there = ", ".join(f"debian-{series}" for series in known())
    raise SourceError(f"apt knows no package {package}; it has: {there or 'none (apt-get update)'}")


def _extract(deb: Path, target: Path, paths: set[str]) -> None:
    """Take ``paths`` out of the archive of sources that is in the package."""
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as package:
            for member in package:
                if member.isfile() and re.search(r"/linux-source-[^/]*\.tar\.", member.name):
                    _extract_sources(cast(IO[bytes], package.extractfile(member)), target, paths)
                    break
        process.kill()  # nothing behind the sources is needed
    if not target.exists():
        raise SourceError(f"{deb.name} holds no sources")


def _extract_sources(archive: IO[bytes], target: Path, paths: set[str]) -> None:
    left = set(paths)
    with tarfile.open(fileobj=archive, mode="r|*") as sources:
        for member in sources:
            path = member.name.partition("/")[2]
            if path in left and member.isfile():
                left.remove(path)
                out = target / path
                out.parent.mkdir(parents=True, exist_ok=True)
                with cast(IO[bytes], sources.extractfile(member)) as data:
                    out.write_bytes(data.read())
            if not left:
                return


def _run(program: str, *arguments: str, cwd: Path | None = None) -> str:
    command: Sequence[str] = [program, *arguments]
    done = subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        reason = lines[-1] if lines else f"exit status {done.returncode}"
        shown = " ".join(word for word in arguments if not re.search(r"^-|=", word))
        raise SourceError(f"{program} {shown} failed: {reason}")
    return done.stdout
