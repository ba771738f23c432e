"""A kernel of your own: a built tree, a vmlinuz with its headers, or the one that runs here.

Only files are read; nothing of the running kernel is touched.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from iova_lab.kernel import KernelError
from iova_lab.kernel.files import Kernel

RUNNING = "running"
_BZIMAGE = Path("arch/x86/boot/bzImage")
_SYMBOLS = "Module.symvers"
#: Option: what a kernel without it can't do, and what to set.
_NEEDED = {
    "CONFIG_64BIT": ("it is not for x86-64", "CONFIG_64BIT=y"),
    "CONFIG_MODULES": ("it loads no modules", "CONFIG_MODULES=y"),
    "CONFIG_IOMMU_IOVA": (
        "its IOVA allocator is not built in",
        "CONFIG_IOMMU_SUPPORT=y and CONFIG_INTEL_IOMMU=y, which selects CONFIG_IOMMU_IOVA",
    ),
    "CONFIG_SERIAL_8250_CONSOLE": (
        "it has no serial console",
        "CONFIG_SERIAL_8250=y and CONFIG_SERIAL_8250_CONSOLE=y",
    ),
    "CONFIG_PRINTK": ("it prints nothing on its console", "CONFIG_PRINTK=y"),
    "CONFIG_BLK_DEV_INITRD": ("it boots into no initramfs", "CONFIG_BLK_DEV_INITRD=y"),
    "CONFIG_BINFMT_ELF": ("it runs no ELF programs", "CONFIG_BINFMT_ELF=y"),
    "CONFIG_BINFMT_SCRIPT": ("it runs no scripts", "CONFIG_BINFMT_SCRIPT=y"),
    "CONFIG_PCI": ("it has no PCI, through which op streams go in", "CONFIG_PCI=y"),
    "CONFIG_ACPI": ("it can't power off, so a run has no end", "CONFIG_ACPI=y"),
}
#: Option that must not be set: what it prevents.
_HARMFUL = {
    "CONFIG_MODULE_SIG_FORCE": "it loads signed modules only",
    "CONFIG_TRIM_UNUSED_KSYMS": "it does not export what no module of its own uses",
}


def get(name: str) -> Kernel:
    """The kernel at a path, or the running one.  Raises `KernelError`, with a line per obstacle."""
    path = Path(name).expanduser()
    if name == RUNNING:
        found = _running()
    elif path.is_dir():
        found = _tree(path.resolve())
    elif path.is_file():
        found = _image(path.resolve())
    else:
        raise KernelError(
            f"no kernel {name!r}: give a series such as 6.12, a suite of Debian such as sid, "
            "newest, running, a kernel tree that is built, or a vmlinuz"
        )
    if lacking := lacks(found):
        raise KernelError("\n".join(lacking))
    return found


def lacks(kernel: Kernel) -> list[str]:
    """A line for each option that a kernel lacks for the lab, or has in its way."""
    options = kernel.configuration
    if not options:
        return [f"kernel {kernel.release}: no .config in {kernel.headers}"]
    missing = [
        f"kernel {kernel.release}: {what}: set {remedy}"
        for option, (what, remedy) in _NEEDED.items()
        if options.get(option) != "y"
    ]
    harmful = [
        f"kernel {kernel.release}: {what}: set {option}=n"
        for option, what in _HARMFUL.items()
        if options.get(option) == "y"
    ]
    return missing + harmful


def _tree(tree: Path) -> Kernel:
    image, release = tree / _BZIMAGE, tree / "include/config/kernel.release"
    for path in (image, release):
        if not path.exists():
            raise KernelError(
                f"{tree} holds no built kernel ({path.relative_to(tree)} is missing): run make in "
                "it, or name the folder that was given as O="
            )
    found = _kernel(release.read_text(encoding="utf-8").strip(), image, tree, modules=tree)
    if not (tree / _SYMBOLS).exists() and not lacks(found):
        raise KernelError(f"{tree} has no {_SYMBOLS}, which modules are built with: make modules")
    return found


def _image(image: Path) -> Kernel:
    if len(image.parents) > 3 and image == image.parents[3] / _BZIMAGE:
        return _tree(image.parents[3])
    return _with_headers(image, release_of(image), [image.parent.parent, Path("/")])


def _running() -> Kernel:
    release = os.uname().release
    places = [Path(f"/boot/vmlinuz-{release}")]
    places += [Path(f"{lib}/modules/{release}/vmlinuz") for lib in ("/lib", "/usr/lib")]
    image = next((path for path in places if path.exists()), None)
    if image is None:
        shown = ", ".join(map(str, places))
        raise KernelError(
            f"the running kernel, {release}, has no image here, as in a container; looked for: "
            f"{shown}"
        )
    return _with_headers(image, release, [Path("/")])


def _with_headers(image: Path, release: str, roots: Iterable[Path]) -> Kernel:
    """The kernel of an image whose headers and modules lie beside it or in one of ``roots``."""
    headers = [image.parent / "build", image.parent / f"linux-headers-{release}"]
    modules = [image.parent]
    for root in roots:
        headers += [
            root / f"lib/modules/{release}/build",
            root / f"usr/src/linux-headers-{release}",
        ]
        modules += [root / f"lib/modules/{release}", root / f"usr/lib/modules/{release}"]
    found = next((path for path in headers if (path / _SYMBOLS).exists()), None)
    if found is None:
        raise KernelError(
            f"{image} is kernel {release}, and its headers are in none of "
            f"{', '.join(map(str, headers))}: apt install linux-headers-{release}"
        )
    whole = next((path for path in modules if (path / "modules.builtin").exists()), image.parent)
    return _kernel(release, image, found.resolve(), modules=whole)


def _kernel(release: str, image: Path, headers: Path, *, modules: Path) -> Kernel:
    digest = hashlib.sha256()
    for path in (image, headers / _SYMBOLS, headers / "include/generated/autoconf.h"):
        digest.update(_bytes(path) if path.exists() else b"")
    return Kernel(
        release=release,
        root=headers,
        vmlinuz=image,
        modules=modules,
        headers=headers,
        digest=digest.hexdigest()[:16],
    )


def release_of(image: Path) -> str:
    """The release that a bzImage carries in its head.  Raises `KernelError` for another file.

    The boot protocol of x86: "HdrS" at 0x202, and at 0x20e the offset of the text less 0x200.
    """
    data = _bytes(image)
    if data[0x202:0x206] != b"HdrS":
        raise KernelError(f"{image} is no bzImage: give arch/x86/boot/bzImage or a vmlinuz")
    (offset,) = struct.unpack_from("<H", data, 0x20E)
    text = data[offset + 0x200 : offset + 0x300].split(b"\0")[0].decode(errors="replace")
    return (text.split() or ["unknown"])[0]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KernelError(f"{path} can't be read: {error.strerror}") from None
