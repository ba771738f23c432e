"""What does the kernel boot into?  An initramfs of busybox, some modules, and one script."""

from __future__ import annotations

import lzma
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from iova_lab.kernel import KernelError, tools
from iova_lab.kernel.files import Kernel

_INIT = """\
#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tracefs tracefs /sys/kernel/tracing
for module in /modules/*.ko; do [ -e "$module" ] && insmod "$module"; done
"""
# Without it the kernel panics when init ends, and the console can't tell it from a crash.
_END = "\nsync\npoweroff -f\n"


def make(
    target: Path,
    kernel: Kernel,
    script: str,
    modules: Iterable[str] = (),
    files: Mapping[str, Path] | None = None,
    later: Iterable[str] = (),
) -> Path:
    """Write an initramfs that loads ``modules`` with all they need, runs ``script``, powers off.

    ``script`` is for busybox's sh, with /proc, /sys, /dev and tracefs mounted; ``files`` are copied
    to these paths (mode and all), modules that the script loads itself, ``later``, to /later.
    Raises `KernelError`.
    """
    with tempfile.TemporaryDirectory(prefix="iova-lab-") as folder:
        root = Path(folder)
        for name in ("bin", "proc", "sys", "dev", "modules", "later", "tmp", "mnt"):
            (root / name).mkdir()
        shutil.copy(tools.need("busybox"), root / "bin" / "busybox")
        first = module_files(kernel, modules)
        rest = [path for path in module_files(kernel, later) if path not in first]
        for folder_name, paths in (("modules", first), ("later", rest)):
            for index, path in enumerate(paths):
                # busybox's insmod reads no compressed ones.
                data = path.read_bytes()
                data = lzma.decompress(data) if path.suffix == ".xz" else data
                name = f"{index:03}-{path.name.split('.ko')[0]}.ko"
                (root / folder_name / name).write_bytes(data)
        for name, source in (files or {}).items():
            copy = root / name.lstrip("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, copy)
        init = root / "init"
        init.write_text(_INIT + script + _END)
        init.chmod(0o755)
        _archive(root, target)
    return target


def module_files(kernel: Kernel, modules: Iterable[str]) -> list[Path]:
    """The files of these modules and of all they need, each once, in the order to load them."""
    order: dict[Path, None] = {}
    for name in modules:
        try:
            found = kernel.dependencies[name.replace("-", "_")]
        except KeyError:
            raise KernelError(f"kernel {kernel.release} has no module {name}") from None
        order.update(dict.fromkeys(found))
    return list(order)


def _archive(root: Path, target: Path) -> None:
    """The same bytes for the same files: what the guest finds is part of what it then does."""
    paths = sorted(str(path.relative_to(root)) for path in root.rglob("*"))
    for path in paths:
        os.utime(root / path, (0, 0), follow_symlinks=False)
    command = [tools.need("cpio"), "--create", "--format=newc", "--quiet", "--owner=0:0"]
    command.append("--reproducible")
    with target.open("wb") as file:
        done = subprocess.run(
            command, cwd=root, input="\n".join(paths).encode(), stdout=file, check=False
        )
    if done.returncode:
        raise KernelError(f"cpio could not write {target}: is the disk full?")
