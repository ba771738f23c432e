"""The few files that are needed of Debian's ``linux-source-X`` packages.

They lie under ``build/linux/``, fetched once from the first suite of `iova_lab.debian` that has the
package, which is read as a stream and not kept.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import IO, cast

from iova_lab.basics.locking import alone
from iova_lab.basics.writing import replacing_folder
from iova_lab.debian import DebianError, apt, suites
from iova_lab.linux.errors import SourceError

CACHE = Path("build/linux")
_STAMP = "package.json"
_PACKAGE = re.compile(r"linux-source-(\d+\.\d+)")


def folder(series: str, paths: Collection[str]) -> Path:
    """Return the folder with ``paths`` of a series, such as "6.12"; fetched if it is not there.

    Raises `SourceError`: no such package, or apt fails.
    """
    target = CACHE / f"debian-{series}"
    if _holds(target, paths):
        return target
    with alone(CACHE):
        if _holds(target, paths):
            return target
        try:
            _fetch(f"linux-source-{series}", target, paths)
        except (DebianError, SourceError) as error:
            if not (target / _STAMP).exists():  # else what was fetched before has to do
                raise SourceError(str(error)) from None
    return target


def _holds(target: Path, paths: Collection[str]) -> bool:
    """Were all of ``paths`` asked for when the folder was made?"""
    try:
        stamp = json.loads((target / _STAMP).read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return set(paths) <= set(stamp.get("paths", ()))


def known(look: Callable[[str, Callable[[str], bool]], Iterable[str]] = apt.packages) -> list[str]:
    """Series that Debian has a source package of, oldest first; none without apt or a network."""
    found: set[str] = set()
    for suite in suites.SUITES:
        with contextlib.suppress(DebianError):
            found |= set(look(suite, lambda name: bool(_PACKAGE.fullmatch(name))))
    series = [name.removeprefix("linux-source-") for name in found]
    return sorted(series, key=lambda name: [int(part) for part in name.split(".")])


def _fetch(package: str, target: Path, paths: Collection[str]) -> None:
    with replacing_folder(target) as partial:
        deb = apt.download(_suite_of(package), [package], partial.parent)[package]
        _extract(deb, partial, set(paths))
        stamp = {"package": deb.name, "sha256": apt.sha256(deb), "paths": sorted(paths)}
        (partial / _STAMP).write_text(json.dumps(stamp, indent=1), encoding="utf-8")


def _suite_of(package: str) -> str:
    """The first suite that has a package.  Raises `SourceError` if none has."""
    failures = []
    for suite in suites.in_order():
        try:
            if apt.packages(suite, package.__eq__, refresh=True):
                return suite
        except DebianError as error:
            failures.append(str(error))
    there = ", ".join(f"debian-{series}" for series in known(apt.listed))
    reason = f" ({failures[0]})" if failures else ""
    raise SourceError(f"Debian has no package {package}; it has: {there or 'none'}{reason}")


def _extract(deb: Path, target: Path, paths: set[str]) -> None:
    """Take ``paths`` out of the archive of sources that is in the package."""
    left = set(paths)
    for path, data in _sources(deb):
        if path in left:
            left.remove(path)
            out = target / path
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_bytes(data())
        if not left:
            break
    if not target.exists():
        raise SourceError(f"{deb.name} holds no sources")


def scan(series: str, is_wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Fetch the package of a series and yield each file that is wanted; nothing is kept.

    Raises `SourceError`: no such package, or apt fails.
    """
    package = f"linux-source-{series}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".scan-") as folder:
        try:
            deb = apt.download(_suite_of(package), [package], Path(folder))[package]
        except DebianError as error:
            raise SourceError(str(error)) from None
        for path, data in _sources(deb):
            if is_wanted(path):
                yield path, data()


def _sources(deb: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Path in the tree, and what reads it, of each file of the archive in a package, in order."""
    command = ["dpkg-deb", "--fsys-tarfile", str(deb)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=suites.inherited()) as process:
        assert process.stdout is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as package:
                for member in package:
                    if member.isfile() and re.search(r"/linux-source-[^/]*\.tar\.", member.name):
                        yield from _files(cast(IO[bytes], package.extractfile(member)))
                        break
        finally:
            process.kill()  # nothing behind the sources is needed


def _files(archive: IO[bytes]) -> Iterator[tuple[str, Callable[[], bytes]]]:
    with tarfile.open(fileobj=archive, mode="r|*") as sources:
        for member in sources:
            if member.isfile():
                data = cast(IO[bytes], sources.extractfile(member))
                yield member.name.partition("/")[2], data.read
