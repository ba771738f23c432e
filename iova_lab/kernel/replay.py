"""How do op streams get into a booted kernel, and the answers out?

On two raw disks, whose layouts are those of harness/kernel/job.h.  One boot serves many variants
and streams.  A job that brings the guest down, or hangs, is told by name with the kernel's own
words; the jobs behind it run in a fresh guest.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab.kernel import KernelError, image, module
from iova_lab.kernel.machine import Machine, MachineError
from iova_lab.kernel.packages import CACHE, Kernel
from iova_lab.opstream import OpStream

MAGIC = 0x31424C41564F49
HEADER_DTYPE = np.dtype([("magic", "<u8"), ("nr_jobs", "<u8")])
JOB_DTYPE = np.dtype(
    [
        ("variant", "S32"),
        ("ops_at", "<u8"),
        ("nr_ops", "<u8"),
        ("nr_slots", "<u8"),
        ("nr_domains", "<u8"),
        ("granule", "<u8"),
        ("start_pfn", "<u8"),
        ("result_at", "<u8"),
    ]
)
RESULT_DTYPE = np.dtype(
    [
        ("magic", "<u8"),
        ("nr_done", "<u8"),
        ("tsc_khz", "<u4"),
        ("err", "<i4"),
        ("error", "S104"),
    ]
)
_BLOCK = 4096
_SCRIPT = "insmod /iova_lab.ko\n"
#: Nothing but the jobs may take time, and a walk over all nodes is no lockup here.
_APPEND = "loglevel=6 nowatchdog rcupdate.rcu_cpu_stall_suppress=1"


@dataclass(frozen=True)
class Job:
    """Replay ``stream`` on ``variant``: a name of `module.variant_names()`, or a C file."""

    variant: str
    stream: OpStream

    @property
    def own(self) -> Path | None:
        """The user's C file, if it is one."""
        return Path(self.variant) if self.variant.endswith(".c") else None

    @property
    def name(self) -> str:
        """What the module calls the variant."""
        return module.own_name(self.own) if self.own else self.variant


@dataclass(frozen=True)
class KernelResult:
    """What one job brought.

    ``pfns`` is as in `iova_variants.ReplayResult`.  ``cycles`` has, per op of the stream, ageing
    too, the guest's time stamp counter after the op minus before: instructions under ``icount``,
    the second reading included.  Both are None where ``error`` says what happened instead.
    """

    job: Job
    pfns: npt.NDArray[np.uint64] | None = None
    cycles: npt.NDArray[np.uint32] | None = None
    tsc_khz: int = 0
    error: str | None = None

    @property
    def cycles_per_op(self) -> float:
        """Mean of the measured window."""
        assert self.cycles is not None
        return float(self.cycles[self.job.stream.nr_ageing :].mean(dtype=np.float64))


@dataclass
class _Disks:
    """The two disk images of one boot, and where in them each job is."""

    folder: Path
    jobs: Sequence[Job]
    table: npt.NDArray[np.void] = field(init=False)

    @property
    def requests(self) -> Path:
        return self.folder / "requests.img"

    @property
    def results(self) -> Path:
        return self.folder / "results.img"

    def write(self) -> None:
        self.table = np.zeros(len(self.jobs), JOB_DTYPE)
        at = _rounded(HEADER_DTYPE.itemsize + self.table.nbytes)
        result_at = 0
        with self.requests.open("wb") as file:
            places: dict[int, int] = {}
            for row, job in zip(self.table, self.jobs, strict=True):
                stream = job.stream
                if id(stream) not in places:
                    places[id(stream)] = at
                    file.seek(at)
                    file.write(stream.ops.tobytes())
                    at = _rounded(file.tell())
                row["variant"] = job.name.encode()
                row["ops_at"] = places[id(stream)]
                row["nr_ops"] = len(stream.ops)
                for name in ("nr_slots", "nr_domains", "granule", "start_pfn"):
                    row[name] = getattr(stream, name)
                row["result_at"] = result_at
                result_at += _rounded(RESULT_DTYPE.itemsize + 12 * len(stream.ops))
            file.seek(0)
            file.write(np.array([(MAGIC, len(self.jobs))], HEADER_DTYPE).tobytes())
            file.write(self.table.tobytes())
            file.truncate(at)
        with self.results.open("wb") as file:
            file.truncate(max(result_at, _BLOCK))

    def read(self, index: int) -> KernelResult:
        """The result of one job.  Raises `KernelError` if it is not there."""
        job, row = self.jobs[index], self.table[index]
        with self.results.open("rb") as file:
            file.seek(int(row["result_at"]))
            result = np.fromfile(file, RESULT_DTYPE, 1)[0]
            if result["magic"] != MAGIC:
                raise KernelError(f"{job.variant}: the guest wrote no result: is the disk full?")
            if result["err"]:
                return KernelResult(job, error=_told(result))
            pfns = np.fromfile(file, "<u8", len(job.stream.ops))
            cycles = np.fromfile(file, "<u4", len(job.stream.ops))
        return KernelResult(job, pfns, cycles, int(result["tsc_khz"]))


def _rounded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _told(result: np.void) -> str:
    what = bytes(result["error"]).decode() or "failed"
    return f"{what}: {os.strerror(-int(result['err']))} ({errno.errorcode[-int(result['err'])]})"


def replay(
    kernel: Kernel,
    jobs: Sequence[Job],
    *,
    icount: bool = True,
    silence: float = 600.0,
    on_op: Callable[[int, int], None] = lambda index, op: None,
) -> Iterator[KernelResult]:
    """Run ``jobs`` in booted guests; yields one result per job, in order, as soon as it is there.

    ``icount`` makes the guest's clock count instructions; without it the same takes less time.
    ``on_op(index, op)`` tells now and then which op of which job is under way.  ``silence`` is how
    many seconds a job may go on without such a sign of life.

    Raises `StreamError` for an impossible stream, `KernelError` for what no job is to blame for.
    """
    for job in jobs:
        iova_variants.check(job.stream)
    own = {job.own for job in jobs if job.own}
    ko = module.build(kernel, sorted(own))
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=".run-") as name:
        folder = Path(name)
        initramfs = image.make(
            folder / "initramfs", kernel, _SCRIPT, ["virtio_pci", "virtio_blk"], {"iova_lab.ko": ko}
        )
        first = 0
        while first < len(jobs):
            disks = _Disks(folder, jobs[first:])
            disks.write()
            machine = Machine(
                kernel,
                initramfs,
                append=_APPEND,
                disks=(disks.requests, disks.results),
                icount=icount,
                silence=silence,
            )
            for result in _boot(machine, disks, partial(_shifted, on_op, first)):
                first += 1
                yield result


def _shifted(on_op: Callable[[int, int], None], first: int, index: int, op: int) -> None:
    on_op(first + index, op)


def _boot(
    machine: Machine, disks: _Disks, on_op: Callable[[int, int], None]
) -> Iterator[KernelResult]:
    """Results of one guest; if it dies, the last one says of what."""
    begun, ended = -1, 0
    try:
        for line in machine.lines():
            match line.partition("iova_lab: ")[2].split():
                case ["job", _, "begins"]:
                    begun += 1
                    on_op(begun, 0)
                case ["op", op]:
                    on_op(begun, int(op))
                case ["job", _, "ends"]:
                    yield disks.read(ended)
                    ended += 1
    except MachineError as error:
        if begun < ended:
            raise
        yield KernelResult(disks.jobs[ended], error=str(error))
        return
    if ended < len(disks.jobs):
        raise KernelError("the guest ended before its jobs did, and without a word")
