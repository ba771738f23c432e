"""apt, with lists of the lab's own: update them, look into them, fetch and unpack packages.

Several processes may do so at once: one works, the others wait and find it done.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from iova_lab.basics.locking import alone
from iova_lab.debian import DebianError, index, suites
from iova_lab.debian.index import Package


def update(suite: str) -> None:
    """Fetch the lists of ``suite`` where the archive has newer ones.  Raises `DebianError`."""
    if not suites.KEYRING.exists():
        raise DebianError(f"{suites.KEYRING} is missing: apt install debian-archive-keyring")
    with alone(suites.FOLDER):
        _run("apt-get", ["update", "-q"], suite)


def packages(
    suite: str, wanted: Callable[[str], bool], *, refresh: bool = False
) -> dict[str, list[Package]]:
    """All versions of the packages of ``suite`` whose names are ``wanted``, by name.

    The lists are fetched where there are none.  With ``refresh`` newer ones are fetched, and where
    that fails the old ones stay in use.  Raises `DebianError` where there are none at all.
    """
    lists = suites.FOLDER / "lists"
    there = all(index.files(lists, (part,)) for part in suites.parts(suite))
    if refresh or not there:
        try:
            update(suite)
        except DebianError:
            if not there:
                raise
    return listed(suite, wanted)


def listed(suite: str, wanted: Callable[[str], bool]) -> dict[str, list[Package]]:
    """As `packages`, of the lists that are there: nothing is fetched."""
    return _read(suites.SUITES[suite], wanted)


def _read(parts: tuple[str, ...], wanted: Callable[[str], bool]) -> dict[str, list[Package]]:
    found: dict[str, list[Package]] = {}
    for path in index.files(suites.FOLDER / "lists", parts):
        for package in index.parse(path.read_text(encoding="utf-8"), wanted):
            found.setdefault(package.name, []).append(package)
    return found


def dependencies(suite: str, names: Iterable[str], status: Path | None = None) -> list[str]:
    """Names of ``names`` and all that they depend on, less what ``status`` has installed.

    ``status`` is dpkg's file; by default nothing is installed.  Raises `DebianError`.
    """
    packages(suite, lambda name: False)
    options = ["-o", f"Dir::State::status={status}"] if status else []
    printed = _run("apt-get", [*options, "--simulate", "-q", "install", *names], suite)
    return re.findall(r"^Inst (\S+)", printed, re.MULTILINE)


def download(suite: str, names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Fetch packages into ``folder``, which is made; returns their files by name.

    Raises `DebianError` for one that the suite does not have, or that its list has another sum of.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if names:
        _run("apt-get", ["download", "-q", *names], suite, cwd=folder)
    known = _read(suites.parts(suite), set(names).__contains__)
    return {name: _checked(folder, known.get(name, []), name) for name in names}


def sha256(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _checked(folder: Path, known: Sequence[Package], name: str) -> Path:
    """The file of one package.  Raises `DebianError` unless its list has the same sum."""
    (deb,) = folder.glob(f"{name}_*.deb")
    if sha256(deb) not in {package.sha256 for package in known}:
        raise DebianError(f"{deb.name} is not what the signed list of the archive has: fetch again")
    return deb


def unpack(suite: str, names: Sequence[str], target: Path) -> dict[str, str]:
    """Fetch packages and unpack them into ``target``; returns their SHA-256 by name.

    Nothing is installed and no script of a package runs.  Raises `DebianError`.
    """
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".debs-") as folder:
        debs = download(suite, names, Path(folder))
        sums = {name: sha256(deb) for name, deb in debs.items()}
        for deb in debs.values():
            _run("dpkg-deb", ["-x", deb, target], suite)
    return sums


def _run(program: str, arguments: Sequence[str | Path], suite: str, cwd: Path | None = None) -> str:
    """What a program prints where apt knows ``suite``.  Raises `DebianError` with its error."""
    environment = suites.environment(suite)
    path = shutil.which(program)
    if path is None:
        raise DebianError(f"{program} is missing: apt install {_PACKAGES.get(program, program)}")
    done = subprocess.run(
        [path, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise DebianError(f"{program} {_shown(arguments)} failed for {suite}: {_reason(done)}")
    return done.stdout


_PACKAGES = {"apt-get": "apt", "dpkg-deb": "dpkg"}


def _shown(arguments: Sequence[str | Path]) -> str:
    """The words of a command without its options, the first three."""
    words = [str(word) for word in arguments]
    return " ".join([word for word in words if not re.match(r"-|\w+::", word)][:3])


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The first line that apt marks as an error, else the last that was printed."""
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    return (errors or lines[-1:] or [f"exit status {done.returncode}"])[0]
