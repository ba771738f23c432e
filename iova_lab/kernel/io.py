"""What does real I/O cost through any allocator, and are the data right?

Boots a kernel behind an emulated VT-d IOMMU, puts an allocator behind its DMA API by a livepatch
(harness/kernel/io), creates every domain anew, and lets unmodified drivers do I/O whose data are
compared.  One boot for each allocator, so that none suffers from what another broke.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from iova_lab.basics.errors import InvalidValueError
from iova_lab.kernel import KernelError, image, io_allocators, io_devices, io_loads
from iova_lab.kernel.files import Kernel, run_folder
from iova_lab.kernel.io_allocators import UNPATCHED, arguments, can_record, livepatch
from iova_lab.kernel.io_judge import overlaps
from iova_lab.kernel.io_loads import Phase
from iova_lab.kernel.io_memory import IoMemory, Report
from iova_lab.kernel.machine import Machine, MachineError

_GUEST = Path(__file__).with_name("guest")
_SCRIPTS = [_GUEST / name for name in ("wire.sh", "livepatch.sh", "io.sh")]
#: A crowd that leaves no page below 4 GiB.
FULL = "32bit-full"
STEPS = "patched drivers ready loads removed".split()
#: Calls that one boot can record.
MAX_ROWS = 1 << 21
#: What the livepatch prints of a domain whose ranges are not all freed, or freed twice.
_UNPAIRED = "more ranges of the fast API were allocated than freed"
#: A line of the kernel's that a run without faults does not have.
_COMPLAINT = re.compile(
    r"WARNING:|BUG:|Oops|DMAR: |DMA PTE|I/O error|timeout|hung|lockup|EXT4-fs (error|warning)"
    r"|Detected Hardware Unit Hang|protection fault"
)
#: Without huge pages, how a buffer lies in memory does not depend on luck.
_APPEND = "loglevel=6 nowatchdog rcupdate.rcu_cpu_stall_suppress=1 transparent_hugepage=never"


@dataclass(frozen=True)
class Settings:
    """How the guest is booted: DMA mode, limit of first requests, and how much I/O there is.

    ``strict``: what is unmapped is freed at once, not by a flush queue.  ``forcedac``: no request
    is tried below 4 GiB first.  ``held``: lock holds are counted, which adds to the other counts.
    ``recorded``: calls are recorded, likewise.  ``crowd``: "" for nobody else in the domains,
    `FULL` for all pages below 4 GiB in use by others in that of the first disk, or a number: so
    many in use, of which every second is then given back.  With ``forcedac`` these lie at the top,
    where the disk's requests are tried too.
    """

    strict: bool = False
    forcedac: bool = False
    scale: int = 1
    held: bool = False
    recorded: bool = False
    crowd: str = ""
    silence: float = 300.0

    @property
    def append(self) -> str:
        """What the kernel is given beside the rest."""
        dac = " iommu.forcedac=1" if self.forcedac else ""
        # IPv6 solicits routers at moments that it draws by chance: packets that no phase asked for.
        return f"{_APPEND} ipv6.disable=1 iommu.strict={int(self.strict)}{dac}"


@dataclass(frozen=True)
class PhaseRun:
    """What a phase took: instructions but for pattern, waiting and timer; and its data."""

    phase: Phase
    instructions: int
    nr_ops: int
    nr_bytes: int
    nr_corrupt: int
    nr_failed: int

    @property
    def per_op(self) -> float:
        """Instructions per I/O, in all."""
        return self.instructions / max(self.nr_ops, 1)


@dataclass(frozen=True)
class Outcome:
    """One boot with one allocator; ``report`` is None for `UNPATCHED`.

    ``errors`` has what went wrong, one paragraph each: the kernel's own words, corrupt data, live
    ranges in a domain that ended.  ``console`` is all that the guest printed.  ``code`` is a digest
    of the kernel's release and all C of the livepatch, "" without.
    """

    allocator: str
    code: str = ""
    runs: tuple[PhaseRun, ...] = ()
    report: Report | None = None
    errors: tuple[str, ...] = ()
    console: tuple[str, ...] = field(default=(), repr=False)


def run(
    kernel: Kernel,
    allocators: Sequence[str],
    phases: Sequence[Phase],
    settings: Settings,
    on_progress: Callable[[str, str, int], object] = lambda allocator, step, done: None,
) -> Iterator[Outcome]:
    """Boot once for each allocator; yields what each did.

    ``on_progress(allocator, step, done)`` is called for each of the `STEPS` and phases.

    Raises what `check` does, and `KernelError` where the guest can't be made.
    """
    check(settings, allocators, [phase.load for phase in phases])
    # A kernel whose configuration is not known is taken to have it.
    if kernel.configuration and kernel.configuration.get("CONFIG_LIVEPATCH") != "y":
        raise KernelError(f"kernel {kernel.release} has no livepatch: set CONFIG_LIVEPATCH=y")
    for allocator in allocators:
        yield _one(kernel, allocator, phases, settings, on_progress)


def _one(
    kernel: Kernel,
    allocator: str,
    phases: Sequence[Phase],
    settings: Settings,
    on_progress: Callable[[str, str, int], object],
) -> Outcome:
    files = {"io_load": io_loads.program()}
    ko = livepatch(kernel, allocator, held=settings.held)
    if ko is not None:
        files[ko.name] = ko
    code = ko.parent.name[-16:] if ko is not None else ""
    with run_folder() as folder:
        files["phases"] = folder / "phases"
        files["phases"].write_text("".join(f"{phase}\n" for phase in (io_loads.REST, *phases)))
        loads = {phase.load for phase in phases}
        disks = " ".join(io_devices.disks(loads))
        crowd = f'crowd="{_crowd(settings)}"'
        variables = [f'arguments="{arguments(allocator)}"', crowd, f'disks="{disks}"']
        script = "\n".join([*variables, *(path.read_text() for path in _SCRIPTS)])
        later = io_devices.drivers(kernel, loads)
        initramfs = image.make(folder / "initramfs", kernel, script, files=files, later=later)
        # The kernel's own domains have no number: `iova-lab kernel record` records these.
        recorded = settings.recorded and can_record(allocator)
        memory = IoMemory(folder / "memory", MAX_ROWS if recorded else 0)
        machine = Machine(
            kernel,
            initramfs,
            settings.append,
            [*memory.arguments(), *io_devices.arguments(folder, loads)],
            icount=True,
            silence=settings.silence,
        )
        follower = Follower(allocator, phases, on_progress)
        errors = follower.follow(machine)
        report = memory.read() if ko is not None else None
        if report is not None:
            errors += judged(report, follower)
        return Outcome(
            *(allocator, code, tuple(follower.runs), report, tuple(errors)),
            tuple(follower.console),
        )


def check(settings: Settings, allocators: Sequence[str], loads: Sequence[str]) -> None:
    """Raise `NotFoundError` for an unknown allocator, `InvalidValueError` for what does not fit.

    That is a crowd that can't be there, or lock holds that can't be counted.
    """
    io_allocators.check_names(allocators)
    crowd = settings.crowd
    if crowd not in ("", FULL) and not (crowd.isdecimal() and 1 <= int(crowd) <= 1 << 20):
        raise InvalidValueError(
            f"no crowd {crowd!r}: give {FULL}, or a number of ranges to 1048576"
        )
    if crowd and UNPATCHED in allocators:
        raise InvalidValueError(
            f"{UNPATCHED} has no livepatch, which makes the crowd: leave it out"
        )
    if crowd == FULL and settings.forcedac:
        raise InvalidValueError(
            f"--forcedac sends no request of the disk below 4 GiB, so {FULL} would have no effect: "
            "give a number of ranges"
        )
    if crowd and {"ahci", "nvme"} <= set(loads):
        raise InvalidValueError("a crowd is in the domain of one disk: take --load ahci or nvme")
    if settings.held:
        io_allocators.check_held(allocators)


def _crowd(settings: Settings) -> str:
    """As the livepatch reads it: how many, and whether every second one is given back."""
    if not settings.crowd:
        return ""
    if settings.crowd == FULL:
        return "0 0 0"
    return f"{settings.crowd} 1 {int(settings.forcedac)}"


class Follower:
    """Reads the guest's console, line by line."""

    def __init__(
        self,
        allocator: str,
        phases: Sequence[Phase],
        on_progress: Callable[[str, str, int], object],
    ) -> None:
        self.allocator = allocator
        self.phases = {phase.name: phase for phase in (io_loads.REST, *phases)}
        self.on_progress = on_progress
        self.console: list[str] = []
        self.runs: list[PhaseRun] = []
        self.errors: list[str] = []
        self.complaints: list[str] = []
        self.done = 0
        self.timer = 0.0  # instructions of a timer interrupt

    def follow(self, machine: Machine) -> list[str]:
        """What went wrong; runs and console are complete afterwards."""
        try:
            for line in machine.lines():
                self._line(line)
        except MachineError as error:
            self.errors.append(str(error))
            self.complaints = [line for line in self.complaints if line not in str(error)]
        if self.complaints:
            self.errors.append("the kernel printed:\n" + "\n".join(self.complaints[:20]))
        if self.done < len(STEPS) + len(self.phases) and not self.errors:
            self.errors.append("the guest ended before all was done:\n" + self.console[-1])
        return self.errors

    def _line(self, line: str) -> None:
        self.console.append(line)
        words = line.partition("iova_lab: ")[2].split()
        match words:
            case ["step", step]:
                self._advance(step)
            case ["begin", name]:
                self.on_progress(self.allocator, name, self.done)
            case ["phase", name, *figures]:
                self._phase(name, [int(figure) for figure in figures])
                self._advance(name)
            case []:
                if self.done and _COMPLAINT.search(line):
                    self.complaints.append(line)
            case _:
                self.errors.append(" ".join(words))

    def _advance(self, step: str) -> None:
        self.done += 1
        self.on_progress(self.allocator, step, self.done)

    def _phase(self, name: str, figures: Sequence[int]) -> None:
        ticks, nr_timer, waited, pattern, nr_ops, nr_bytes, nr_corrupt, nr_failed = figures
        if name == io_loads.REST.name:
            self.timer = (ticks - waited) / max(nr_timer, 1)
            return
        instructions = round(ticks - waited - pattern - nr_timer * self.timer)
        run = PhaseRun(self.phases[name], instructions, nr_ops, nr_bytes, nr_corrupt, nr_failed)
        self.runs.append(run)
        if nr_corrupt:
            self.errors.append(f"{name}: {nr_corrupt:,} words read were not what was written")
        if nr_failed:
            self.errors.append(f"{name}: {nr_failed} of its processes failed")


def judged(report: Report, follower: Follower) -> list[str]:
    """Do recorded ranges overlap, and are the domains empty after the drivers are gone?"""
    errors = overlaps(report.rows)
    if follower.done < len(STEPS) + len(follower.phases):
        return errors
    if 0 < report.header["nr_put"] < report.header["nr_domains"]:
        nr = report.header["nr_domains"] - report.header["nr_put"]
        errors.append(f"{nr:,} domains had not ended when the devices were gone")
    if nr_left := report.header["nr_left"]:
        errors.append(f"{nr_left:,} ranges were live in domains that had ended")
    calls = report.phases["calls"]
    allocated = calls["nr"][:, 0] - calls["nr_failed"][:, 0]
    if nr := int(np.sum(allocated)) - int(np.sum(calls["nr"][:, 1])):
        # The livepatch counts by domain as well, apart from the phases.
        words = [line for line in follower.console if _UNPAIRED in line]
        text = f"{nr:,} more ranges were allocated by alloc_iova_fast() than freed"
        errors.append("\n".join([text, *(words or ["no domain of the allocator's has such"])]))
    return errors
