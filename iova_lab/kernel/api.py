"""Does an allocator offer the kernel's IOVA API in a booted kernel, as its callers use it?

The cases are those of `iova_lab.linux.conformance`, in a module of a guest with two CPUs: one of
them goes off-line and comes back, and both allocate at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from iova_lab.basics.errors import NotFoundError
from iova_lab.kernel import KernelError, image, module
from iova_lab.kernel.files import Kernel, run_folder
from iova_lab.kernel.machine import Machine, MachineError
from iova_lab.linux import PREFIX, conformance, dropin, unit
from iova_lab.linux.conformance import Outcome, Parser
from iova_lab.linux.source import ALLOCATOR, HEADER, Text

#: The kernel's own allocator, and the candidate behind the header of the kernel that boots.
STOCK, CANDIDATE = "kernel", "candidate"
CPUS = 2
#: A cache that others share is not destroyed, and what is left in it is not reported.
_APPEND = "loglevel=6 nowatchdog slab_nomerge"


def run(kernel: Kernel, name: str) -> Iterator[Outcome]:
    """Outcomes of all cases for ``kernel``, ``candidate`` or ``linux:SOURCE``, as they end.

    Raises `NotFoundError` for another name, and what building a module does.
    """
    ko = module.build_api(kernel, _unit(kernel, name))

    def once(first: int, parser: Parser) -> Iterator[str]:
        script = f"insmod /{ko.name} first={first}\n"
        with run_folder() as folder:
            initramfs = image.make(folder / "initramfs", kernel, script, files={ko.name: ko})
            try:
                yield from Machine(kernel, initramfs, _APPEND, cpus=CPUS).lines()
            except MachineError as error:
                yield " ".join(str(error).splitlines()[:2])

    return conformance.outcomes(once)


def _unit(kernel: Kernel, name: str) -> Path | None:
    """The unit whose text the module holds; None for the kernel's own."""
    if name == STOCK:
        return None
    if name == CANDIDATE:
        return unit.write(behind_header(kernel))
    if name.startswith(PREFIX):
        return unit.resolve(name)
    raise NotFoundError(
        f"{name} does not offer the kernel's API: give {STOCK}, {CANDIDATE} or linux:SOURCE"
    )


def behind_header(kernel: Kernel) -> Text:
    """The candidate's layer and the header of a kernel, of the package that modules need.

    Raises `KernelError` where the package has no such header.
    """
    # Debian keeps what its flavours share in a folder of its own.
    common = kernel.headers.with_name(f"{kernel.headers.name.rpartition('-')[0]}-common")
    for top in (kernel.headers, common, kernel.root):
        if (top / HEADER).exists():
            files = {HEADER: (top / HEADER).read_bytes(), ALLOCATOR: dropin.text().encode()}
            label = f"{CANDIDATE}-{kernel.release}"
            return Text(label, f"v{kernel.release}", files, f"kernel {kernel.release}")
    raise KernelError(f"kernel {kernel.release}: no {HEADER} among its headers")
