"""Where do the kernels come from?

From any suite of Debian's archive, by `iova_lab.debian`: packages are checked against the signed
lists, unpacked under ``build/kernel/`` and never installed.  A kernel that is there is used as it
is, without a network: so a measurement can be repeated on the same one.  Or from your own files,
by `own`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from iova_lab.basics.locking import alone
from iova_lab.basics.reading import read_json
from iova_lab.basics.writing import replacing_folder
from iova_lab.debian import DebianError, apt, suites
from iova_lab.debian.index import Package
from iova_lab.kernel import KernelError, layout, own, toolchain, tools
from iova_lab.kernel.files import CACHE, Kernel

NEWEST = "newest"
_STAMP = "packages.json"
_ORIGIN = "origin.json"
_WRITTEN_BY = "`iova-lab kernel fetch --newest`"


@dataclass(frozen=True)
class _Origin:
    suite: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Offer:
    """A kernel that a suite has."""

    release: str
    suite: str


def get(name: str, *, newest: bool = False) -> Kernel:
    """The kernel of a name: a series, a suite, "newest", "running", or a path.

    A series, such as "6.1": the newest in the cache, else the first suite's newest.  A suite, such
    as "sid", or "newest": the newest by the lists of packages that are there.  With ``newest`` the
    lists are fetched again.  A path: a kernel tree that is built, or a vmlinuz with its headers.

    Raises `KernelError`, for all programs that are missing at once.
    """
    if lacking := tools.missing():
        raise KernelError(lacking)
    found = _debian(name, newest=newest) if _is_debian(name) else own.get(name)
    toolchain.check(found)
    return found


def _is_debian(name: str) -> bool:
    return bool(re.fullmatch(r"\d+\.\d+", name)) or name in (*suites.SUITES, NEWEST)


def _debian(name: str, *, newest: bool) -> Kernel:
    with alone(CACHE):
        try:
            found = None if newest else _cached(name)
            return found or _fetched(name)
        except DebianError as error:
            raise KernelError(str(error)) from None


def cached() -> dict[str, Kernel]:
    """The kernels that are there, by release."""
    return {path.parent.name: _open(path.parent) for path in CACHE.glob(f"*/{_STAMP}")}


def _cached(name: str) -> Kernel | None:
    there = cached()
    if name in suites.SUITES or name == NEWEST:
        offer = _newest(name, refresh=False)
        return there.get(offer.release) if offer else None
    fitting = [release for release in there if layout.series(release) == name]
    return there[max(fitting, key=layout.version)] if fitting else None


def _open(root: Path) -> Kernel:
    sums = read_json(root / _STAMP, dict[str, str], written_by=_WRITTEN_BY)
    path = root / _ORIGIN
    origin = read_json(path, _Origin, written_by=_WRITTEN_BY) if path.exists() else _Origin()
    root, release = root.resolve(), root.name
    return Kernel(
        release=release,
        root=root,
        vmlinuz=layout.image(root, release),
        modules=root / "lib/modules" / release,
        headers=root / "usr/src" / f"linux-headers-{release}",
        packages=sums,
        suite=origin.suite,
        needs=origin.needs,
    )


# ---- what Debian has ----


def _fetched(name: str) -> Kernel:
    offer = _newest(name, refresh=True)
    if offer is None:
        raise KernelError(f"Debian has no kernel {name} with headers; it has: {_known()}")
    root = CACHE / offer.release
    if not (root / _STAMP).exists():
        _fetch(offer, root)
    return _open(root)


def _newest(name: str, *, refresh: bool) -> _Offer | None:
    """The newest kernel that fits a name; of a series that of the first suite that has any.

    Raises `DebianError` where nothing fits and the lists of a suite can't be fetched.
    """
    failure = None
    found: list[_Offer] = []
    for suite in [name] if name in suites.SUITES else suites.in_order():
        try:
            releases = layout.releases(_index(suite, refresh=refresh))
        except DebianError as error:
            failure = failure or error
            continue
        is_any = name in (suite, NEWEST)
        found += [_Offer(one, suite) for one in releases if is_any or layout.series(one) == name]
        if found and name != NEWEST:
            break
    if failure and not found:
        raise failure
    return max(found, key=lambda offer: layout.version(offer.release), default=None)


def _index(suite: str, *, refresh: bool) -> Mapping[str, list[Package]]:
    return apt.packages(suite, layout.is_part, refresh=refresh)


def _known() -> str:
    """Series and the suites that have them, of the lists that are there."""
    found: dict[str, list[str]] = {}
    for suite in suites.SUITES:
        for release in layout.releases(apt.listed(suite, layout.is_part)):
            names = found.setdefault(layout.series(release), [])
            names += [suite] if suite not in names else []
    by_age = sorted(found, key=layout.version)
    return ", ".join(f"{one} ({', '.join(found[one])})" for one in by_age) or "none"


def _fetch(offer: _Offer, root: Path) -> None:
    index = _index(offer.suite, refresh=False)
    release = offer.release
    with replacing_folder(root) as partial:
        sums = apt.unpack(offer.suite, layout.packages(release, index), partial)
        layout.settle(partial, release)
        tools.run("depmod", ["-b", partial, release])
        layout.free_headers(partial, release)
        origin = {"suite": offer.suite, "needs": layout.needs(release, index)}
        (partial / _ORIGIN).write_text(json.dumps(origin, indent=1), encoding="utf-8")
        (partial / _STAMP).write_text(json.dumps(sums, indent=1), encoding="utf-8")
