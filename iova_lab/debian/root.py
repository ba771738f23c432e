"""A small root of a suite: its compiler and what a Makefile takes for granted, unpacked.

No script of a package runs, so it needs no root, and all files belong to the user.  Commands run in
a mount namespace of their own, as `unshare` makes it: a user other than root needs user namespaces.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from iova_lab.basics.locking import alone
from iova_lab.basics.writing import replacing_folder
from iova_lab.debian import DebianError, apt, suites

FOLDER = suites.FOLDER / "roots"
#: What scripts call without a dependency on it.
_BASE = "base-files bash coreutils dash diffutils findutils grep gzip kmod make mawk sed".split()
#: Folders that no compiler reads, half of all.
_UNREAD = ("doc", "info", "locale", "man")
_STAMP = "packages.json"


def check() -> None:
    """Raise `DebianError` where this user may not have a mount namespace."""
    done = _run([*_unshare(), "true"])
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DebianError(
            f"the root of a suite needs a mount namespace, which this machine refuses ({reason})"
            ": allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, on Ubuntu "
            "kernel.apparmor_restrict_unprivileged_userns=0), or run as root"
        )


def make(suite: str, names: Iterable[str]) -> Path:
    """The root with ``names`` and all that they depend on; fetched if it is not there.

    Raises `DebianError`.
    """
    asked = sorted({*_BASE, *names})
    digest = hashlib.sha256(" ".join(asked).encode()).hexdigest()[:8]
    root = FOLDER.resolve() / f"{suite}-{digest}"
    if not (root / _STAMP).exists():
        with alone(FOLDER):
            if not (root / _STAMP).exists():
                _unpack(suite, asked, root)
    return root


def _unpack(suite: str, asked: Sequence[str], root: Path) -> None:
    with replacing_folder(root) as partial:
        _link_folders(partial)
        sums = apt.unpack(suite, apt.dependencies(suite, asked), partial)
        _settle(partial)
        (partial / _STAMP).write_text(json.dumps(sums, indent=1), encoding="utf-8")


def _link_folders(root: Path) -> None:
    """bin, lib and so on, as every Debian has had them since 12."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")


def _settle(root: Path) -> None:
    """What scripts of the packages would do, as far as a compiler needs it."""
    awk = root / "usr/bin/awk"
    if not awk.exists():
        awk.symlink_to("mawk")
    for name in ("dev", "tmp", "proc"):
        (root / name).mkdir(exist_ok=True)
    (root / "tmp").chmod(0o777)
    (root / "dev/null").touch()
    for name in _UNREAD:
        shutil.rmtree(root / "usr/share" / name, ignore_errors=True)


def run(
    root: Path, folders: Iterable[Path], command: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """Run ``command`` in ``root``, where ``folders`` of this machine are at the same paths."""
    # objtool of 7.3 looks for its limits in /proc.
    script = [_bind(Path(name), root) for name in ("/dev/null", "/proc")]
    for folder in folders:
        (root / folder.resolve().relative_to("/")).mkdir(parents=True, exist_ok=True)
        script.append(_bind(folder.resolve(), root))
    clean = ["env", "-i", "PATH=/usr/bin:/usr/sbin", "HOME=/", "LC_ALL=C", *command]
    script.append(f"exec chroot {shlex.quote(str(root))} {shlex.join(clean)}")
    return _run([*_unshare(), "sh", "-c", " && ".join(script)])


def _bind(path: Path, root: Path) -> str:
    return shlex.join(["mount", "--rbind", str(path), str(root / path.relative_to("/"))])


def _unshare() -> list[str]:
    program = shutil.which("unshare")
    if program is None:
        raise DebianError("unshare is missing: apt install util-linux")
    return [program, "--mount", *(["--map-root-user"] if os.geteuid() else [])]


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
