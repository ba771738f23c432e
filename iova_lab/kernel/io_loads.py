"""Which I/O is done in the guest, phase by phase?

A phase is a line of the guest's script: a name, and what harness/guest is given.  Each load is a
few phases, sized in bytes, so that no block size takes much longer than another.  All loads run
once at scale 1 before they are measured: a range that is requested for the first time comes from
the tree, and how many do depends on when the flush queue is emptied.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from iova_lab.basics.errors import NotFoundError
from iova_lab.basics.locking import alone
from iova_lab.basics.writing import replacing
from iova_lab.kernel import KernelError
from iova_lab.kernel.files import CACHE
from iova_lab.kernel.io_devices import AHCI_DISK, NVME_DISK
from iova_variants import building

_PROGRAM_DIR = building.HARNESS_DIR / "guest"
_FLAGS = "-std=gnu11 -O2 -Wall -Wextra -Werror -static -s".split()
KIB = 1024
#: Block size, requests at once, and batches at scale 1.
DISK = (
    (4 * KIB, 1, 256),
    (4 * KIB, 32, 32),
    (64 * KIB, 8, 16),
    (128 * KIB, 8, 8),
    (1024 * KIB, 4, 4),
    (4096 * KIB, 2, 2),
)
#: Chunks of 64 KiB of one TCP stream, and of the files, at scale 1.
NET_CHUNKS = 128
NR_FILES, FILE_CHUNKS = 4, 16
COLD = "-cold"
#: What is written again differs from what lies there: a seed has 16 bits.
_COLD_SEED = 1 << 15
#: The same behind an AHCI controller, whose command queue has 32 places.
AHCI = (
    (4 * KIB, 1, 128),
    (4 * KIB, 32, 16),
    (32 * KIB, 8, 16),
    (128 * KIB, 8, 8),
    (1024 * KIB, 4, 4),
)


@dataclass(frozen=True)
class Phase:
    """A line of the script: all of ``specs`` at once; ``cold``: for the first time."""

    load: str
    name: str
    specs: tuple[str, ...]

    @property
    def cold(self) -> bool:
        """Is this the first time that this I/O is done?"""
        return self.name.endswith(COLD)

    def __str__(self) -> str:
        return " ".join([self.name, *self.specs])


#: Nothing but the timer's interrupts, by which the other phases are corrected.
REST = Phase("", "rest", ("rest",))


def phases(loads: Sequence[str], scale: int = 1) -> list[Phase]:
    """The phases of these loads, in this order, all once cold.  Raises `NotFoundError`."""
    for load in loads:
        if load not in _PHASES:
            raise NotFoundError(f"no load named {load!r}; there are: {', '.join(NAMES)}")
    names = dict.fromkeys(loads)
    cold = [phase for name in names for phase in _PHASES[name](1, _COLD_SEED)]
    return [replace(phase, name=phase.name + COLD) for phase in cold] + [
        phase for name in names for phase in _PHASES[name](scale, 0)
    ]


def _disk(device: str, block: int, depth: int, nr_batches: int, seed: int) -> str:
    return f"disk:{device}:{block}:{depth}:{nr_batches}:{seed}"


def _wires(port: int, scale: int, seed: int) -> tuple[str, str]:
    """From the e1000e card to the virtio one, and back."""
    rest = f"{NET_CHUNKS * scale}:{seed}"
    return f"net:PEER:1:10.0.0.2:{port}:{rest}", f"net:1:PEER:10.0.0.1:{port + 1}:{rest}"


def _blocks(
    load: str, device: str, sizes: Sequence[tuple[int, int, int]], scale: int, seed: int
) -> Iterator[Phase]:
    for index, (block, depth, nr_batches) in enumerate(sizes):
        spec = _disk(device, block, depth, nr_batches * scale, seed + index * 256)
        yield Phase(load, f"{load}-{block // KIB}k-q{depth}", (spec,))


def _net(scale: int, seed: int) -> Iterator[Phase]:
    there, back = _wires(5001, scale, seed + 1)
    yield Phase("net", "net-e1000e-sends", (there,))
    yield Phase("net", "net-virtio-sends", (back,))


def _fs(scale: int, seed: int) -> Iterator[Phase]:
    yield Phase("fs", "fs-ext4", (_files(scale, seed + 1),))


def _files(scale: int, seed: int) -> str:
    return f"files:/mnt:{NR_FILES * scale}:{FILE_CHUNKS}:{seed}"


def _mixed(scale: int, seed: int) -> Iterator[Phase]:
    specs = (
        _disk(NVME_DISK, 4 * KIB, 16, 16 * scale, seed + (len(DISK) + 1) * 256),
        _files(scale, seed + 2),
        *_wires(5003, scale, seed + 2),
    )
    yield Phase("mixed", "mixed", specs)


#: Load: its phases, by scale and the seed of their data.
_PHASES: dict[str, Callable[[int, int], Iterator[Phase]]] = {
    "nvme": partial(_blocks, "nvme", NVME_DISK, DISK),
    "ahci": partial(_blocks, "ahci", AHCI_DISK, AHCI),
    "net": _net,
    "fs": _fs,
    "mixed": _mixed,
}
NAMES = tuple(_PHASES)


def program() -> Path:
    """The program that does the I/O, compiled once.  Raises `KernelError`."""
    sources = sorted(_PROGRAM_DIR.glob("*.[ch]"))
    digest = hashlib.sha256(" ".join(_FLAGS).encode())
    for path in sources:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    target = CACHE / "programs" / f"io_load-{digest.hexdigest()[:16]}"
    with alone(CACHE):
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            code = [path for path in sources if path.suffix == ".c"]
            with replacing(target) as new:
                command = [building.compiler(), *_FLAGS, "-o", str(new), *map(str, code)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    raise KernelError(
                        "the program of the loads does not compile; a static C library is needed "
                        f"(apt install libc6-dev): {done.stderr.strip().splitlines()[0]}"
                    )
    return target
