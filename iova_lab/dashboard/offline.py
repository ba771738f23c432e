"""Can asv's dashboard draw itself without a network?

asv's page loads its scripts from content networks and shows only an error without them.  Here the
same packages are fetched from the npm registry, once, checked against the digests below, and put
beside the page with their licences.  None is in this repository.

    python -m iova_lab.dashboard.offline build/npm    # fetch only, as `make` does
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from iova_lab.basics.errors import IovaLabError

NPM_TIMEOUT_S = 60


class OfflineError(IovaLabError, RuntimeError):
    """The page stays as asv made it; the message says what is missing."""


@dataclass(frozen=True)
class Package:
    """One npm package, its digest as the registry states it, and the files the page loads.

    ``files`` maps the end of the address in asv's page to the file in the package.
    """

    name: str
    version: str
    sha512: str
    files: dict[str, str]

    @property
    def archive(self) -> str:
        return f"{self.name}-{self.version}.tgz"


PACKAGES = (
    Package(
        "jquery",
        "3.3.1",
        "Ubldcmxp5np52/ENotGxlLe6aGMvmF4R8S6tZjsP6Knsaxd/xp3Zrh50cG93lR6nPXyUFwzN3ZSOQI0wRJNdGg==",
        {"jquery-3.3.1.min.js": "dist/jquery.min.js"},
    ),
    Package(
        "flot",
        "0.8.3",
        "xg2otcTJDvS+ERK+my4wxG/ASq90QURXtoM4LhacCq0jQW2jbyjdttbRNqU2cPykrpMvJ6b2uSp6SAgYAzj9tQ==",
        {
            "jquery.flot.min.js": "jquery.flot.js",
            "jquery.flot.time.min.js": "jquery.flot.time.js",
            "jquery.flot.selection.min.js": "jquery.flot.selection.js",
            "jquery.flot.categories.min.js": "jquery.flot.categories.js",
        },
    ),
    Package(
        "flot-orderbars",
        "1.0.0",
        "Jv51fvzevUjNXEeozpwEKfPjhiZhfiJddv0WHjduUTCmSF+7T5K7C9c9Y1wIVmUhDBv5fLMjgbwKecT0GIKPZA==",
        {"jquery.flot.orderBars.js": "js/jquery.flot.orderBars.js"},
    ),
    Package(
        "stupid-table-plugin",
        "1.1.3",  # the registry has no 1.0.1, which asv names
        "2Vk7XouQPxUQPRe9w0Fu7ZZ8kHLK7rDoLMsCgtKxRNJ7f4dSOGvW9CkHsq5wD6QsaEnWoyLBYH3xOEsrK3yWBg==",
        {"stupidtable.min.js": "stupidtable.min.js"},
    ),
    Package(
        "blueimp-md5",
        "2.19.0",
        "DRQrD6gJyy8FbiE4s+bDoXS9hiW3Vbx5uCdwvcCf3zLHL+Iv7LtGHLpr+GZV8rHG8tK766FGYBwRbu8pELTt+w==",
        {"md5.min.js": "js/md5.min.js"},
    ),
    Package(
        "bootstrap",
        "3.1.1",
        "TAzqS8E/ISpVHP29gYhy+1NSV+FJwApDVQhDfgLYsIuUDJiqJzH2DfORN5tiu+Ie2iBLrzEG34t4Rf465cigqg==",
        {
            "bootstrap.min.js": "dist/js/bootstrap.min.js",
            "bootstrap.min.css": "dist/css/bootstrap.min.css",
        },
    ),
)

#: A script or stylesheet that is loaded from elsewhere: what precedes the address, and the address.
REMOTE_TAG = re.compile(r'(<(?:script|link)\b[^>]*?\b(?:src|href)=")(https?://[^"]*)"[^>]*>')

#: A package's own licence, and not that of something inside it that the page doesn't load.
LICENCE = re.compile(r"package/(LICEN[CS]E|COPYING)[^/]*", re.IGNORECASE)


def is_intact(path: Path, package: Package) -> bool:
    """Is ``path`` the archive of ``package``, to the last bit?"""
    if not path.is_file():
        return False
    digest = hashlib.sha512(path.read_bytes()).digest()
    return base64.b64encode(digest).decode() == package.sha512


def fetch(cache: Path, packages: tuple[Package, ...] = PACKAGES) -> None:
    """Have every archive in ``cache``, intact.  Raises `OfflineError`."""
    missing = [package for package in packages if not is_intact(cache / package.archive, package)]
    if not missing:
        return
    # The second: what `pip install 'iova-lab[npm]'` brings, also where the venv isn't active.
    npm = shutil.which("npm") or shutil.which("npm", path=sysconfig.get_path("scripts"))
    if npm is None:
        raise OfflineError("npm is missing (apt install npm, or pip install -e '.[npm]')")
    cache.mkdir(parents=True, exist_ok=True)
    command = [npm, "pack", "--silent", "--fetch-retries=0", f"--pack-destination={cache}"]
    command += [f"{package.name}@{package.version}" for package in missing]
    try:
        subprocess.run(command, capture_output=True, check=True, timeout=NPM_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise OfflineError("the npm registry is out of reach") from error
    for package in missing:
        if not is_intact(cache / package.archive, package):
            raise OfflineError(f"{package.archive} is not the file that was expected")


def unpack(cache: Path, vendor: Path, packages: tuple[Package, ...] = PACKAGES) -> None:
    """Put the files that the page loads into ``vendor``, each under the name the page has."""
    vendor.mkdir(parents=True, exist_ok=True)
    for package in packages:
        with tarfile.open(cache / package.archive) as archive:
            for name, path in package.files.items():
                member = archive.extractfile(f"package/{path}")
                if member is None:
                    raise OfflineError(f"{package.archive} has no file {path}")
                (vendor / name).write_bytes(member.read())


def localise(page: str, vendor: Path) -> str:
    """Let the page load from ``vendor`` what it would load from elsewhere.

    Raises `OfflineError` for a script that ``vendor`` does not have: asv has changed its page.
    """

    def local_tag(tag: re.Match[str]) -> str:
        name = tag[2].rsplit("/", 1)[1]
        if not (vendor / name).is_file():
            raise OfflineError(f"asv's page loads {tag[2]}, which is not among our packages")
        return f'{tag[1]}{vendor.name}/{name}">'

    return REMOTE_TAG.sub(local_tag, page)


def licences(cache: Path, folder: Path, packages: tuple[Package, ...] = PACKAGES) -> None:
    """Put into ``folder`` the licence of each package, and asv's own, whose files the page has.

    A package without such a file has its package.json there, which names the licence.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        with tarfile.open(cache / package.archive) as archive:
            names = [name for name in archive.getnames() if LICENCE.fullmatch(name)]
            for name in names or ["package/package.json"]:
                member = archive.extractfile(name)
                assert member is not None
                target = f"{package.name}-{package.version}-{Path(name).name}"
                (folder / target).write_bytes(member.read())
    distribution = metadata.distribution("asv")
    for path in distribution.files or []:
        if path.name.startswith("LICENSE"):
            text = Path(path.locate()).read_bytes()
            (folder / f"asv-{distribution.version}-{path.name}").write_bytes(text)


def add(html: Path, cache: Path) -> None:
    """Have all that the page in ``html`` loads beside it.  Raises `OfflineError`; it then stays."""
    vendor, index = html / "offline", html / "index.html"
    fetch(cache)
    unpack(cache, vendor)
    licences(cache, vendor / "licences")
    page = localise(index.read_text(encoding="utf-8"), vendor)
    index.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    try:
        fetch(Path(sys.argv[1]))
    except OfflineError as problem:
        sys.exit(f"note: the dashboard will need a network to draw itself: {problem}")
