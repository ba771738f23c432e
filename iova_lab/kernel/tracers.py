"""What do the tracing tools themselves print of the probes, on a kernel of ours?

Debian's trace-cmd, perf and bpftrace run in the booted kernel, each as docs/recording.md says,
while drivers load and do a little I/O.  Their text is what tests/golden/tracing/ has: the importer
must read what they print, not what anybody believes that they do.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from iova_lab.basics.locking import alone
from iova_lab.basics.writing import replacing_folder
from iova_lab.debian import apt, suites
from iova_lab.kernel import KernelError, probes
from iova_lab.kernel.files import CACHE, Kernel, run_folder
from iova_lab.kernel.record import run_guest, unpad

#: Tool: Debian's package.
PACKAGES = {"trace-cmd": "trace-cmd", "perf": "linux-perf", "bpftrace": "bpftrace"}
STEPS = "probes drivers io written".split()
_DEVICES = ("nvme",)
_INSTALLED = Path("/var/lib/dpkg/status")


def record(
    kernel: Kernel,
    tool: str,
    target: Path,
    *,
    on_progress: Callable[[str], object] = lambda step: None,
) -> Path:
    """Write what ``tool`` (a key of `PACKAGES`) prints on ``kernel`` to ``target``.

    Raises `KernelError`.
    """
    with run_folder() as folder:
        files = {f"tools/{path.name}": path for path in program_files(tool)}
        files["tools/ld.so"] = files.pop("tools/ld-linux-x86-64.so.2")
        files["iova.bt"] = probes.BPFTRACE
        run_guest(  # its devices have the names of their drivers
            *(kernel, folder, "tracer", {"tool": tool}, STEPS[-1], _DEVICES, on_progress),
            files=files,
            devices=_DEVICES,
        )
        unpad(folder / "out", target)
    return target


# ---- what a program needs ----


def program_files(tool: str) -> list[Path]:
    """The program and every shared object that it is linked with."""
    root = _unpacked(tool)
    program = next((path for path in root.glob(f"usr/bin/{tool}") if path.is_file()), None)
    found = shutil.which(tool) if program is None else str(program)
    if found is None:
        raise KernelError(f"Debian's {PACKAGES[tool]} has no {tool}")
    path = ":".join(str(folder) for folder in root.glob("usr/lib/x86_64-linux-gnu"))
    done = subprocess.run(
        ["ldd", found], capture_output=True, text=True, check=True, env={"LD_LIBRARY_PATH": path}
    )
    if "not found" in done.stdout:
        raise KernelError(f"{tool} lacks a library: {done.stdout.strip()}")
    libraries = re.findall(r"(/\S+) \(0x", done.stdout)
    return [Path(found), *map(Path, libraries)]


def _unpacked(tool: str) -> Path:
    """The tool's package and what of its dependencies is not installed, unpacked, not installed."""
    target = CACHE / f"tool-{tool}"
    suite = suites.here()
    with alone(CACHE):
        if target.exists():
            return target.resolve()
        if suite is None:
            raise KernelError(f"{tool} is taken from this machine's Debian, and this is none")
        with replacing_folder(target) as partial:
            names = apt.dependencies(suite, [PACKAGES[tool]], _INSTALLED)
            apt.unpack(suite, names, partial)
    return target.resolve()
