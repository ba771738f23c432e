"""Is this machine fit to measure on, and if not, what would make it so?

Each check looks at one thing and says what it found, what that does to a measurement, and what to
do about it.  Exact counts (nodes, refusals, bytes) need nothing of all this: they are the same on
every machine, whatever its load.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from iova_lab.basics import extras
from iova_lab.measuring import provenance, tuning
from iova_variants import BuildError, building

Status = Literal["fine", "note", "bad", "missing"]

#: Processors' worth of work that others may do meanwhile.
_MOST_LOAD = 0.3
#: A replay of 10^6 live ranges and its judge.
_LEAST_MEMORY = 2 << 30


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    ``status``: "fine"; "note", something to know; "bad", times are not to be trusted; "missing",
    something of the lab does not work here.  ``do`` is empty where nothing needs doing.
    """

    name: str
    status: Status
    found: str
    means: str = ""
    do: str = ""


def checks(of_kernels: Callable[[], str | None]) -> Iterator[Check]:
    """Look at everything, one by one; ``of_kernels`` says what a booted kernel lacks here."""
    for look in _LOOKS:
        yield look()
    yield _kernel_tools(of_kernels())


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _load() -> Check:
    """Load now: what the run queue of the last minute says, and the CPUs right now."""
    nr_cpus = len(psutil.Process().cpu_affinity())
    busy = psutil.cpu_percent(interval=1.0) / 100 * (os.cpu_count() or 1)
    found = f"{busy:.1f} of {nr_cpus} CPUs busy; load average {os.getloadavg()[0]:.1f}"
    if busy <= _MOST_LOAD:
        return Check("load", "fine", found)
    means = "others take time and cache from what is measured; pairs share it, single runs don't"
    return Check("load", "bad", found, means, "end what else is running, or come back later")


def _cpus() -> Check:
    nr_cpus = len(psutil.Process().cpu_affinity())
    if nr_cpus > 1:
        return Check("CPUs", "fine", f"{nr_cpus} allowed")
    means = "whatever else runs, the lab itself among it, interrupts what is measured"
    return Check("CPUs", "bad", "1 allowed", means, "allow a second one (taskset, or the host)")


def _virtual() -> Check:
    kinds = [_detected("--vm"), _detected("--container")]
    if not kinds[0] and re.search(r"^flags.*\bhypervisor\b", _read("/proc/cpuinfo"), re.M):
        kinds[0] = "a hypervisor"
    kind = ", in it ".join(filter(None, kinds))
    if not kind:
        return Check("virtual machine", "fine", "none seen")
    means = "its host may give the CPU to others; frequency and counters are the host's"
    do = "measure in pairs (iova-lab compare), and trust counts first"
    return Check("virtual machine", "note", kind, means, do)


def _detected(what: str) -> str:
    tool = shutil.which("systemd-detect-virt")
    if tool is None:
        return ""
    done = subprocess.run([tool, what], capture_output=True, text=True, check=False)
    return done.stdout.strip().removeprefix("none")


def _frequency() -> Check:
    folder = Path("/sys/devices/system/cpu/cpu0/cpufreq")
    governor = _read(folder / "scaling_governor")
    if not governor:
        means = "the clock of the CPU can't be held, nor seen to be held, from here"
        return Check("CPU frequency", "note", "no cpufreq: not this kernel's to say", means)
    if governor == "performance":
        return Check("CPU frequency", "fine", "governor performance")
    means = "the clock goes up and down with the load, and times with it"
    do = "cpupower frequency-set -g performance"
    return Check("CPU frequency", "bad", f"governor {governor}", means, do)


def _turbo() -> Check:
    no_turbo = _read("/sys/devices/system/cpu/intel_pstate/no_turbo")
    boost = _read("/sys/devices/system/cpu/cpufreq/boost")
    if not no_turbo and not boost:
        means = "the clock may depend on heat and on what other cores do"
        return Check("turbo", "note", "no switch for it here", means)
    if no_turbo == "1" or boost == "0":
        return Check("turbo", "fine", "off")
    value, file = (1, "intel_pstate/no_turbo") if no_turbo else (0, "cpufreq/boost")
    means = "the clock depends on heat and on what other cores do"
    do = f"echo {value} > /sys/devices/system/cpu/{file}"
    return Check("turbo", "bad", "on", means, do)


def _smt() -> Check:
    if _read("/sys/devices/system/cpu/smt/active") != "1":
        return Check("SMT", "fine", "off, or none")
    means = "a neighbour on the same core takes half of it, unseen"
    return Check("SMT", "note", "on", means, "echo off > /sys/devices/system/cpu/smt/control")


def _isolation() -> Check:
    isolated = _read("/sys/devices/system/cpu/isolated")
    tickless = _read("/sys/devices/system/cpu/nohz_full").replace("(null)", "")
    affinity = len(psutil.Process().cpu_affinity())
    found = (
        f"isolcpus {isolated or 'none'}, nohz_full {tickless or 'none'}, {affinity} CPUs allowed"
    )
    if isolated:
        return Check("isolated CPUs", "fine", found)
    means = "the scheduler and its tick interrupt what is measured"
    do = "boot with isolcpus= and nohz_full= and use taskset, where a few ns matter"
    return Check("isolated CPUs", "note", found, means, do)


def _clock() -> Check:
    source = _read("/sys/devices/system/clocksource/clocksource0/current_clocksource")
    if source in ("tsc", "kvm-clock", "arch_sys_counter"):
        return Check("clock source", "fine", source)
    if source in ("", "jiffies", "refined-jiffies"):
        means = "the clock ticks in milliseconds, or how it ticks can't be seen"
        return Check("clock source", "bad", source or "unknown", means, "measure elsewhere")
    means = "each reading of the clock costs more, up to a microsecond; windows are long enough"
    return Check("clock source", "note", source, means, "boot with tsc=reliable")


def _counters() -> Check:
    if not Path("/sys/bus/event_source/devices/cpu").exists():
        means = "perf stat counts no instructions and no cache misses here"
        do = "count nodes, or instructions in a booted kernel (iova-lab kernel replay)"
        return Check("performance counters", "note", "none", means, do)
    paranoid = _read("/proc/sys/kernel/perf_event_paranoid") or "?"
    if paranoid.lstrip("-").isdigit() and int(paranoid) > 2:
        do = "sysctl kernel.perf_event_paranoid=1"
        return Check("performance counters", "note", f"shut (paranoid {paranoid})", "", do)
    return Check("performance counters", "fine", f"there (paranoid {paranoid})")


def _memory() -> Check:
    free = psutil.virtual_memory().available
    found = f"{free / 2**30:.1f} GiB available"
    if free >= _LEAST_MEMORY:
        return Check("memory", "fine", found)
    means = "10^6 live ranges and their judge take about 1 GiB; swapping ruins every time"
    return Check("memory", "bad", found, means, "end something, or stay below 10^5 live ranges")


def _compiler() -> Check:
    try:
        path = building.compiler()
    except BuildError as error:
        do = str(error).partition(": ")[2]
        return Check("C compiler", "missing", "none", "nothing of your own can be compiled", do)
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    return Check("C compiler", "fine", said.splitlines()[0] if said else path)


def _git() -> Check:
    if shutil.which("git"):
        return Check("git", "fine", "there")
    return Check("git", "missing", "none", "try --patch and asv need it", "apt install git")


#: What each extra is for, in the words of the command line.
_EXTRA_FOR = {
    "reports": "figures and pages: report, claims, evidence, compare.html",
    "asv": "make bench and the dashboard",
    "sweep": "contention sweep --scheduler",
    "proof": "make proof",
}


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _extras() -> Check:
    """Which commands lack a Python package."""
    lacking = {
        extra: _EXTRA_FOR[extra]
        for module, extra in extras.EXTRA_OF.items()
        if not _is_installed(module)
    }
    if not lacking:
        return Check("Python packages", "fine", "all extras are installed")
    means = "not available: " + "; ".join(lacking.values())
    do = f"pip install 'iova-lab[{','.join(lacking)}]'"
    return Check("Python packages", "note", f"without {', '.join(lacking)}", means, do)


def _valgrind() -> Check:
    if shutil.which("valgrind"):
        return Check("valgrind", "fine", "installed")
    means = "iova-lab instructions and counts --instructions do not work"
    return Check("valgrind", "note", "not installed", means, "apt install valgrind")


def _kernel_tools(lacking: str | None) -> Check:
    if lacking is None:
        return Check("booted kernel", "fine", "QEMU and all that it takes is there")
    means = "iova-lab kernel and try --kernel don't work; everything else does"
    return Check("booted kernel", "note", "programs are missing", means, lacking.partition(": ")[2])


def _pyperf() -> Check:
    """What pyperf itself would tell a user of this machine to do."""
    advice = tuning.advice()
    if not advice:
        return Check("pyperf system", "fine", "ready for benchmarking, it says")
    do = "python -m pyperf system tune"
    return Check("pyperf system", "note", f"{len(advice)} hints", "; ".join(advice), do)


def _python() -> Check:
    found = f"Python {platform.python_version()}, Linux {platform.release()}, {provenance.cpu()}"
    return Check("machine", "fine", found)


_LOOKS: tuple[Callable[[], Check], ...] = (
    *(_python, _load, _cpus, _virtual, _frequency, _turbo, _smt, _isolation, _clock, _counters),
    *(_memory, _pyperf, _compiler, _git, _extras, _valgrind),
)


#: What decides whether a time means anything; a second of looking.
_TIMING: tuple[Callable[[], Check], ...] = (_load, _cpus, _frequency, _turbo, _clock)


def unfit() -> list[str]:
    """Why times measured on this machine now are not to be trusted, a few words a reason."""
    found = [look() for look in _TIMING]
    return [f"{check.name}: {check.found}" for check in found if check.status == "bad"]
