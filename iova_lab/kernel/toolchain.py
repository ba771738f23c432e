"""What compiles modules of a kernel: this machine, or a small root of the kernel's own suite.

A kernel's headers hold programs, linked with the C library of their suite, and name a compiler.
Where this machine lacks one of them, make runs in a root of that suite (`iova_lab.debian.root`).
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from iova_lab.debian import DebianError, root, suites
from iova_lab.kernel import KernelError, tools
from iova_lab.kernel.files import CACHE, Kernel

#: Programs of the headers that a build of modules runs.
_PROGRAMS = ("scripts/basic/fixdep", "scripts/mod/modpost", "tools/objtool/objtool")


def check(kernel: Kernel) -> None:
    """Raise `KernelError` with what to install, or to allow, where no module can be built."""
    reason = lacking(kernel)
    if reason is None:
        return
    if kernel.suite not in suites.SUITES or kernel.suite == suites.here():
        raise KernelError(reason)  # no root of another suite has what is lacking
    try:
        root.check()
    except DebianError as error:
        raise KernelError(f"{reason}; {error}") from None


def lacking(kernel: Kernel) -> str | None:
    """What this machine itself lacks to build modules of a kernel; None if it has all."""
    if missing := tools.missing(kernel.compiler):
        return f"kernel {kernel.release} was compiled with {kernel.compiler}: {missing}"
    for program in _PROGRAMS:
        path = kernel.headers / program
        if path.exists() and (reason := _cannot_start(path)):
            return f"{program} of kernel {kernel.release} does not start here: {reason}"
    return None


def _cannot_start(program: Path) -> str | None:
    """What the dynamic linker lacks to start a program, which is not started."""
    environment = os.environ | {"LD_TRACE_LOADED_OBJECTS": "1", "LC_ALL": "C"}
    done = subprocess.run(
        [program], env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    lines = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
    return next((line for line in lines if "not found" in line), None)


def make(kernel: Kernel, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run make in the headers of ``kernel``, where all it needs is.  Raises `KernelError`."""
    command = ["make", f"-j{os.cpu_count() or 1}", "-s", "-C", str(kernel.headers), *arguments]
    if lacking(kernel) is None:
        return tools.attempt(command[0], command[1:])
    check(kernel)
    try:
        folder = root.make(kernel.suite, [kernel.compiler, *kernel.needs])
        return root.run(folder, [CACHE], command)
    except DebianError as error:
        raise KernelError(str(error)) from None
