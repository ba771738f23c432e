"""How do the variants become a kernel module?

By kbuild, from a copy of harness/kernel/, of iova_variants/ and of a user's own C files, with W=1
and without a warning.  The copy is named after a digest of all of it, so a module is never stale
and never built twice.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import iova_variants
from iova_lab.basics.errors import NotFoundError
from iova_lab.basics.locking import alone
from iova_lab.basics.writing import replacing_folder
from iova_lab.kernel import KernelError, complaints, toolchain, tools
from iova_lab.kernel.files import CACHE, Kernel
from iova_variants.building import HARNESS_DIR, VARIANT_DIR, variant_sources

KERNEL_DIR = HARNESS_DIR / "kernel"
#: Of the harness: what an op is, and what it does, in both worlds.
SHARED = (HARNESS_DIR / "op.h", HARNESS_DIR / "replay_step.h")
LOCKUP_DIR = KERNEL_DIR / "lockup"
IO_DIR = KERNEL_DIR / "io"
API_DIR = HARNESS_DIR / "api"
DMA_DIR = KERNEL_DIR / "dma"
#: Of a folder that holds a kernel's text and the unit made of it: the module's file, and the text.
OF_UNIT, TEXT = "in_kernel.c", ("drivers", "include")
#: Of harness/linux, what a text needs beside it there.
_SHIM = ("in_kernel.h", "variant.c", "count.h", "maple/looks.h")
#: What exists in a booted kernel only.
KERNEL_ONLY = tuple(sorted(path.stem for path in KERNEL_DIR.glob("variants/*.c")))


def variant_names() -> list[str]:
    """Names of all variants of the lab that the module holds, sorted."""
    return sorted([*KERNEL_ONLY, *(path.stem for path in variant_sources())])


def check_name(variant: str) -> None:
    """Raise `LookupError` for what is neither in the module nor a C file."""
    if variant not in variant_names() and not iova_variants.is_foreign(variant):
        known = ", ".join(variant_names())
        raise NotFoundError(
            f"no variant named {variant!r} in the module; there are: {known}; or give a .c file"
        )


def own_name(path: Path) -> str:
    """What a user's C file is called in the module, where it may have the name of one of ours."""
    return "own_" + re.sub(r"\W", "_", path.stem)


def build(kernel: Kernel, own: Iterable[Path] = ()) -> Path:
    """Build the module with every variant of the lab, and ``own`` ones; returns its file.

    Raises `KernelError` with the compiler's complaint.
    """
    sources = {
        path.relative_to(KERNEL_DIR).as_posix(): path
        for pattern in ("Kbuild", "*.[ch]", "variants/*.c")
        for path in KERNEL_DIR.glob(pattern)
    }
    sources |= _placed([*VARIANT_DIR.glob("*.h"), *SHARED], "include/")
    sources |= _placed(variant_sources(), "variants/") | _own_sources(own)
    return _build(kernel, sources, "iova_lab.ko")


def build_lockup(kernel: Kernel) -> Path:
    """Build the reproducer of the soft lockup, which knows nothing of the lab."""
    return _build(kernel, _placed(LOCKUP_DIR.iterdir()), "iova_lockup.ko")


def build_dma_lockup(kernel: Kernel) -> Path:
    """Build the reproducer that knows the DMA API alone."""
    return _build(kernel, _placed(DMA_DIR.iterdir()), "iova_dma_lockup.ko")


def build_io(
    kernel: Kernel, variant: str, *, held: bool = False, whole: Path | None = None
) -> Path:
    """Build the livepatch that puts one variant, a name or a C file, behind the kernel's API.

    ``held``: one that counts lock holds.  ``whole``: the unit of a text that stands there with its
    own per-CPU caches, in the place of ``variant``.
    """
    unwanted = {"held.c": not held, "whole.c": whole is None}
    sources = _placed(path for path in IO_DIR.iterdir() if not unwanted.get(path.name))
    sources |= _placed(VARIANT_DIR.glob("*.h"), "include/")
    if whole is not None:
        sources |= _own_sources([whole])
    elif iova_variants.is_foreign(variant):
        sources |= _own_sources([iova_variants.find_source(variant)])
    else:
        folder = KERNEL_DIR / "variants" if variant in KERNEL_ONLY else VARIANT_DIR
        sources[f"variants/{variant}.c"] = folder / f"{variant}.c"
    return _build(kernel, sources, "iova_io.ko")


def build_api(kernel: Kernel, unit: Path | None) -> Path:
    """Build the conformance test for the kernel's own API, or for that of a text's unit."""
    sources = _placed([*(API_DIR / "kernel").iterdir(), *API_DIR.glob("*.[ch]")])
    if unit:
        sources |= _placed(VARIANT_DIR.glob("*.h"), "include/")
        sources |= text_sources(unit.parent) | {"text.c": unit.with_name(OF_UNIT)}
    return _build(kernel, sources, "iova_api.ko")


def _placed(paths: Iterable[Path], folder: str = "") -> dict[str, Path]:
    """Path in the build folder: path of the file."""
    return {f"{folder}{path.name}": path for path in paths}


def _build(kernel: Kernel, sources: dict[str, Path], name: str) -> Path:
    digest = hashlib.sha256((kernel.release + kernel.digest).encode())
    for target, path in sorted(sources.items()):
        digest.update(target.encode() + b"\0" + path.read_bytes())
    module = CACHE / "modules" / f"{kernel.release}-{digest.hexdigest()[:16]}" / name
    with alone(CACHE):
        if not module.exists():
            _compile(kernel, sources, module)
    return module


def _own_sources(own: Iterable[Path]) -> dict[str, Path]:
    """Those of a user's C files; their headers go beside them."""
    sources: dict[str, Path] = {}
    for path in own:
        code, beside = path, _placed(path.parent.glob("*.h"))
        unit = path.with_name(OF_UNIT)
        if iova_variants.is_resolved(path.name) and unit.exists():
            code, beside = unit, text_sources(path.parent)
        sources |= {f"variants/{name}": file for name, file in beside.items()}
        sources[f"variants/{own_name(path)}.c"] = code
    return sources


def text_sources(folder: Path) -> dict[str, Path]:
    """What `OF_UNIT` of a unit includes, by its place beside it: text and shim."""
    shim = HARNESS_DIR / "linux"
    text = [path for top in TEXT for path in (folder / top).rglob("*.[ch]")]
    files = {path.relative_to(folder).as_posix(): path for path in text}
    files |= {name: shim / name for name in _SHIM}
    return {f"{folder.name}/{name}": path for name, path in files.items()}


def _compile(kernel: Kernel, sources: dict[str, Path], module: Path) -> None:
    module.parent.parent.mkdir(parents=True, exist_ok=True)
    with replacing_folder(module.parent) as partial:
        for name, path in sources.items():
            copy = partial / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
        _make(kernel, partial.resolve())
        # Debug information names this folder; without it the same sources give the same guest.
        tools.run("strip", ["--strip-debug", partial / module.name])


def _make(kernel: Kernel, folder: Path) -> None:
    # Debian builds with BTF, whose tool (pahole) few machines have; nothing here reads it.
    arguments = [f"M={folder}", "W=1", "CONFIG_WERROR=", "CONFIG_DEBUG_INFO_BTF_MODULES="]
    arguments += kernel.make_arguments
    done = toolchain.make(kernel, [*arguments, "modules"])
    lines = done.stderr.splitlines()
    found = complaints.of_ours(lines, folder)
    if done.returncode:
        found = found or [line for line in lines if "ERROR:" in line] or lines[-10:]
    if found:
        text = "\n".join(found[:10]).replace(f"{folder}/", "")
        raise KernelError(f"the module does not compile for {kernel.release}:\n{text}")
