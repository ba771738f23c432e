"""Does an allocator stall the kernel through dma_map_page(), on the device of an unmodified driver?

The device is an e1000 card, whose driver takes addresses below 4 GiB only.  A module of the lab
(harness/kernel/dma) maps pages on it until none is left, and then, on each CPU with bottom halves
off, unmaps a large buffer, maps one, and maps one more than fits.  The thresholds of the watchdog
are the kernel's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from iova_lab.basics.reading import Row
from iova_lab.kernel import KernelError, image, io_allocators, lockup
from iova_lab.kernel import module as modules
from iova_lab.kernel.files import Kernel, run_folder
from iova_lab.kernel.io_memory import IoMemory
from iova_lab.kernel.machine import Machine, MachineError

#: Where the card is; its driver, and that of no other device.
DEVICE, DRIVER = "0000:00:0b.0", "e1000"
#: No flush queue: what is unmapped is free at once.
APPEND = "loglevel=6 iommu.strict=1"
_SCRIPTS = [Path(__file__).with_name("guest") / name for name in ("livepatch.sh", "dma_lockup.sh")]
_FILLED = re.compile(r"of driver (\w+) has (\d+) pages and \d+ buffers mapped")


@dataclass(frozen=True)
class Outcome:
    """What one guest did: ``nr_pages`` were mapped beside the large buffers before it refilled.

    ``error`` is "" or why the guest did not come to its end.
    """

    allocator: str
    code: str
    watched: lockup.Outcome
    driver: str = ""
    nr_pages: int = 0
    error: str = ""


def run(kernel: Kernel, allocator: str) -> Outcome:
    """Boot with two CPUs and refill.  Raises `KernelError` where the guest can't be made."""
    ko = modules.build_dma_lockup(kernel)
    files = {ko.name: ko}
    livepatch = io_allocators.livepatch(kernel, allocator)
    if livepatch is not None:
        files[livepatch.name] = livepatch
    if DRIVER not in kernel.dependencies:
        raise KernelError(f"kernel {kernel.release} has no driver {DRIVER}")
    with run_folder() as folder:
        variables = f'arguments="{io_allocators.arguments(allocator)}"\ndisks=\ncard={DEVICE}'
        script = "\n".join([variables, *(path.read_text() for path in _SCRIPTS)])
        initramfs = image.make(folder / "initramfs", kernel, script, files=files, later=[DRIVER])
        card = f"{DRIVER},netdev=wire,addr={DEVICE.rpartition(':')[2]}"
        hardware = ["-machine", "sata=off", "-device", card, "-netdev", "hubport,id=wire,hubid=0"]
        memory = IoMemory(folder / "memory").arguments() if livepatch is not None else []
        machine = Machine(
            kernel, initramfs, APPEND, [*memory, *hardware], cpus=lockup.CPUS, seconds=3600
        )
        return followed(machine, allocator, livepatch)


def followed(machine: Machine, allocator: str, livepatch: Path | None) -> Outcome:
    """What a machine does, to its end; ``livepatch`` is the module that it loads."""
    filled: list[re.Match[str]] = []
    failed: list[str] = []
    steps: list[str] = []

    def read(line: str) -> None:
        words = line.partition("iova_lab: ")[2]
        if match := _FILLED.search(line):
            filled.append(match)
        elif words.startswith("step "):
            steps.append(words.removeprefix("step "))
        elif words:
            failed.append(words)

    watched = lockup.Outcome(allocator)
    try:
        watched = lockup.watch(machine, allocator, read, to_the_end=True)
    except MachineError as error:
        failed.append(str(error))
    if not failed and "refilled" not in steps:
        failed.append("the guest ended before all was done")
    driver, nr_pages = (filled[0][1], int(filled[0][2])) if filled else ("", 0)
    code = livepatch.parent.name[-16:] if livepatch is not None else ""
    return Outcome(allocator, code, watched, driver, nr_pages, "\n".join(failed))


def as_row(kernel: Kernel, outcome: Outcome) -> Row:
    """One line of results/kernel/dma-lockup.jsonl."""
    return {
        "release": kernel.release,
        "allocator": outcome.allocator,
        "code": outcome.code,
        "cpus": lockup.CPUS,
        "driver": outcome.driver,
        "nr_pages": outcome.nr_pages,
        "words": list(outcome.watched.words),
        "uptime": outcome.watched.uptime,
        "longest_us": outcome.watched.longest_us,
    }
