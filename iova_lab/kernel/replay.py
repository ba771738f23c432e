"""How do op streams get into a booted kernel, and the answers out?

In memory that host and guest share (`shared`).  One boot serves many variants and streams.  A job
that brings the guest down, or hangs, is reported by name with the kernel's log; the jobs behind
it run in a fresh guest.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab.kernel import KernelError, image, module
from iova_lab.kernel.files import Kernel, run_folder
from iova_lab.kernel.machine import Machine, MachineError
from iova_lab.kernel.shared import SharedMemory
from iova_variants.opstream import OpStream

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
        foreign = iova_variants.is_foreign(self.variant)
        return iova_variants.find_source(self.variant) if foreign else None

    @property
    def name(self) -> str:
        """What the module calls the variant."""
        return module.own_name(self.own) if self.own else self.variant


@dataclass(frozen=True)
class Recorded:
    """Results of one job in a guest, with one entry per op of the stream, ageing too.

    ``pfns`` is as in `iova_variants.TimedReplay`.  ``cycles`` is the guest's time stamp counter
    after the op minus before: instructions under ``icount``, the second reading included.
    """

    pfns: npt.NDArray[np.uint64]
    cycles: npt.NDArray[np.uint32]
    tsc_khz: int


@dataclass(frozen=True)
class KernelResult:
    """Result of one job: ``recorded``, or None where ``error`` has the reason.

    Then the properties raise `KernelError` with it.
    """

    job: Job
    recorded: Recorded | None = None
    error: str | None = None

    def _recorded(self) -> Recorded:
        if self.recorded is None:
            raise KernelError(f"{self.job.variant}: {self.error}")
        return self.recorded

    @property
    def pfns(self) -> npt.NDArray[np.uint64]:
        """As in `Recorded`."""
        return self._recorded().pfns

    @property
    def cycles(self) -> npt.NDArray[np.uint32]:
        """As in `Recorded`."""
        return self._recorded().cycles

    @property
    def tsc_khz(self) -> int:
        """Cycles of the guest's time stamp counter in a millisecond."""
        return self._recorded().tsc_khz

    @property
    def cycles_per_op(self) -> float:
        """Mean of the measured window."""
        return float(self.cycles[self.job.stream.nr_ageing :].mean(dtype=np.float64))


def replay(
    kernel: Kernel,
    jobs: Sequence[Job],
    *,
    icount: bool = True,
    silence: float = 600.0,
    on_progress: Callable[[int, int], None] = lambda index, op: None,
) -> Iterator[KernelResult]:
    """Run ``jobs`` in booted guests; yields one result per job, in order, as soon as it is there.

    ``icount`` makes the guest's clock count instructions; without it the same takes less time.
    ``on_progress(index, op)`` is called now and then with the op of the job that runs;
    ``silence`` is how many seconds a job may go on without such a call.

    Raises `StreamError` for an impossible stream, `NotFoundError` for an unknown variant,
    `EndlessError` for a stream with a request that by the variant's own declaration never returns,
    `KernelError` for what no job is to blame for.  The first three come before anything boots.
    """
    for job in jobs:
        iova_variants.check(job.stream)
        module.check_name(job.variant)
        if job.own or job.variant in iova_variants.names():
            # A guest that searches for ever is ended by its silence only.  A file that does not
            # compile here is reported by the build of the module, with the kernel's flags.
            with contextlib.suppress(iova_variants.BuildError):
                variant = iova_variants.load(job.variant)
                iova_variants.check_returns(job.variant, variant, job.stream)
    own = {job.own for job in jobs if job.own}
    ko = module.build(kernel, sorted(own))
    with run_folder() as folder:
        initramfs = image.make(folder / "initramfs", kernel, _SCRIPT, files={"iova_lab.ko": ko})
        first = 0
        while first < len(jobs):
            left = [(job.name, job.stream) for job in jobs[first:]]
            memory = SharedMemory(folder / "memory", left)
            machine = Machine(
                *(kernel, initramfs, _APPEND, memory.arguments()), icount=icount, silence=silence
            )
            for result in _boot(machine, memory, jobs, first, on_progress):
                first += 1
                yield result


def _boot(
    machine: Machine,
    memory: SharedMemory,
    jobs: Sequence[Job],
    first: int,
    on_progress: Callable[[int, int], None],
) -> Iterator[KernelResult]:
    """Results of one guest, from the ``first`` job on; if it dies, the last one says of what."""
    begun, ended = first - 1, first
    try:
        for line in machine.lines():
            match line.partition("iova_lab: ")[2].split():
                case ["job", _, "begins"]:
                    begun += 1
                    on_progress(begun, 0)
                case ["op", op]:
                    on_progress(begun, int(op))
                case ["job", _, "ends"]:
                    reason = memory.error(ended - first)
                    recorded = None if reason else Recorded(*memory.answers(ended - first))
                    yield KernelResult(jobs[ended], recorded, reason)
                    ended += 1
    except MachineError as error:
        if begun < ended:
            raise
        yield KernelResult(jobs[ended], error=str(error))
        return
    if ended < len(jobs):
        raise KernelError("the guest ended before its jobs did, and without a word")
