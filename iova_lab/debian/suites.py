"""Debian's suites, and a configuration of apt for each that uses nothing of the machine's own.

Of the machine's configuration only the way to the network is taken over: proxies, retries and what
belongs to http and https.  The lists of all suites lie in one folder.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from iova_lab.basics.writing import write_whole
from iova_lab.debian import DebianError

FOLDER = Path("build/debian")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ARCHIVE = "http://deb.debian.org/debian"
SECURITY = "http://deb.debian.org/debian-security"

#: Suite, and its parts in the archive; the oldest suite comes first.
SUITES = {
    "bookworm": ("bookworm", "bookworm-updates", "bookworm-security"),
    "trixie": ("trixie", "trixie-updates", "trixie-security"),
    "sid": ("sid",),
    "experimental": ("experimental",),
}
#: Suites that are complete only together with another one.
_BASE = {"experimental": "sid"}
#: What apt is configured with; %s is the folder.  A mirror may be frozen in time, so the date up to
#: which a list is valid is not looked at; its signature always is.
_CONFIGURATION = """\
APT::Architecture "amd64";
APT::Get::AllowUnauthenticated "false";
APT::Get::List-Cleanup "false";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::AllowInsecureRepositories "false";
Acquire::Check-Valid-Until "false";
Acquire::GzipIndexes "false";
Acquire::Languages "none";
Dir::Cache "%(folder)s/cache";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Etc "%(folder)s/etc";
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "%(folder)s/%(suite)s.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::trusted "/dev/null";
Dir::Etc::trustedparts "/dev/null";
Dir::State "%(folder)s";
Dir::State::lists "%(folder)s/lists";
Dir::State::status "%(folder)s/status";
"""
_NETWORK = ("Acquire::http", "Acquire::https", "Acquire::Retries", "Acquire::Check-Date ")


def here() -> str | None:
    """The suite of this machine; None where it is no Debian."""
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return None
    if release.get("ID") != "debian":
        return None
    name = release.get("VERSION_CODENAME", "")
    return name if name in SUITES and "VERSION_ID" in release else "sid"


def in_order() -> list[str]:
    """All suites: this machine's own first, then from the oldest to the newest."""
    return sorted(SUITES, key=lambda name: name != here())


def parts(suite: str) -> tuple[str, ...]:
    """Parts of the archive that hold ``suite`` and what it stands on."""
    base = _BASE.get(suite)
    return SUITES[suite] + (SUITES[base] if base else ())


def sources(suite: str) -> str:
    """The lines of a sources.list."""
    options = f"[arch=amd64 target=Packages signed-by={KEYRING}]"
    return "".join(
        f"deb {options} {SECURITY if part.endswith('-security') else ARCHIVE} {part} main\n"
        for part in parts(suite)
    )


def environment(suite: str) -> dict[str, str]:
    """The environment in which apt knows ``suite`` and nothing else; its files are written."""
    folder = FOLDER.resolve()
    for name in ("lists/partial", "cache/archives/partial", "etc"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    text = _CONFIGURATION % {"folder": folder, "suite": suite}
    files = {"status": "", f"{suite}.list": sources(suite), f"{suite}.conf": _network() + text}
    for name, content in files.items():
        write_whole(folder / name, content)
    return inherited() | {"APT_CONFIG": str(folder / f"{suite}.conf"), "LC_ALL": "C"}


def inherited() -> dict[str, str]:
    """Return the environment without a sanitizer that was loaded before Python, for Debian's tools.

    Under one gpgv, which apt starts, can hang, and all who want the lists with it.
    """
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}


def _network() -> str:
    """How this machine's apt reaches the network, as lines of configuration."""
    program = shutil.which("apt-config")
    if program is None:
        raise DebianError(
            "apt is missing, which fetches Debian's packages: use a kernel or a tree of your own"
        )
    done = subprocess.run(
        [program, "dump", "Acquire"],
        env=inherited(),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines(keepends=True)
    return "".join(line for line in lines if line.startswith(_NETWORK))
