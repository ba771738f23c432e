"""Which programs of Debian does the booted kernel need, and which package has them?"""

from __future__ import annotations

import platform
import shutil
import subprocess
from collections.abc import Sequence
from ctypes.util import find_library
from pathlib import Path

from iova_lab.kernel import KernelError

#: Program: the package that has it.
PACKAGES = {
    "apt-get": "apt",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "depmod": "kmod",
    "dpkg-deb": "dpkg",
    "make": "make",
    "mke2fs": "e2fsprogs",
    "qemu-system-x86_64": "qemu-system-x86",
    "objdump": "binutils",
    "setpriv": "util-linux",
    "strip": "binutils",
}


#: A library that a program of Debian's headers is linked with, which nobody installs for us.
LIBRARIES = {"elf": "libelf1"}


#: What a Debian release compiles its kernels with, by its VERSION_ID.
COMPILERS = {"12": "gcc-12", "13": "gcc-14"}


def compiler_here() -> str:
    """The compiler that kernels of this Debian need; of a fetched kernel, `Kernel.compiler`."""
    try:
        release = platform.freedesktop_os_release().get("VERSION_ID", "")
    except OSError:
        release = ""
    return COMPILERS.get(release, "gcc-12")


def missing(compiler: str | None = None) -> str | None:
    """One line with the command that mends it, or None where all programs are there.

    ``compiler`` is the kernel's own; by default `compiler_here`.
    """
    compiler = compiler or compiler_here()
    programs = PACKAGES | {compiler: compiler}
    packages = [package for program, package in programs.items() if not _which(program)]
    packages += [package for name, package in LIBRARIES.items() if not find_library(name)]
    packages = list(dict.fromkeys(packages))
    if not packages:
        return None
    return f"the booted kernel needs programs that are missing: apt install {' '.join(packages)}"


def need(program: str) -> str:
    """Path of a program.  Raises `KernelError` with the command that installs it."""
    path = _which(program)
    if path is None:
        raise KernelError(f"{program} is missing: apt install {PACKAGES[program]}")
    return path


def _which(program: str) -> str | None:
    # Users other than root often lack these folders.
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin")
    return None if path is None or (program == "busybox" and not _is_static(path)) else path


def _is_static(path: str) -> bool:
    """An initramfs has no dynamic linker."""
    return b"/ld-linux" not in Path(path).read_bytes()


def attempt(
    program: str, arguments: Sequence[str | Path], cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, whatever that is.  Raises `KernelError` if it is missing."""
    command = [need(program), *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, errors="replace", check=False
    )


def run(program: str, arguments: Sequence[str | Path], cwd: Path | None = None) -> str:
    """Run a program to its end; returns what it wrote.  Raises `KernelError` with its last line."""
    done = attempt(program, arguments, cwd)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["nothing"]
        asked = " ".join(map(str, arguments[:3]))
        raise KernelError(f"{program} {asked} failed, and said: {said[0]}")
    return done.stdout
