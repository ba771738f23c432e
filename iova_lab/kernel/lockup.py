"""Does the allocator hold its lock until the kernel itself complains, and which one does not?

One recipe (harness/kernel/lockup/iova_lockup.c): all pages below 4 GiB are taken; each CPU, with
bottom halves off as in NAPI, unmaps a page, maps one, and maps one more in vain.  The thresholds
are the kernel's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import iova_variants
from iova_lab import workloads
from iova_lab.kernel import image, module
from iova_lab.kernel.fidelity import addresses, counterpart
from iova_lab.kernel.files import Kernel, run_folder
from iova_lab.kernel.machine import Machine
from iova_lab.kernel.replay import Job, replay
from iova_lab.measuring.cells import HARD_LOCKUP_S, NS_PER_NODE, SOFT_LOCKUP_S
from iova_lab.measuring.code_digest import is_old_in_module, module_digest
from iova_lab.measuring.counts import count
from iova_variants.opstream import OpStream

WORKLOAD = "full_32bit"
CPUS = 2
#: Cycles of unmap, map, map in vain from which the worst is taken: all are alike.
NR_CYCLES = 16

_WORDS = re.compile(r"\[ *(?P<uptime>[\d.]+)\] watchdog: BUG: soft lockup")
_LONGEST = re.compile(r"longest request (\d+) us")
_APPEND = "loglevel=6"


@dataclass(frozen=True)
class Outcome:
    """What one guest did: the kernel's own words where it locked up.

    ``uptime`` is the guest's, in seconds, at these words; ``longest_us`` the longest request of any
    CPU in guest time, its wait for the lock included, None where the guest was stopped before.
    """

    variant: str
    words: tuple[str, ...] = ()
    uptime: float | None = None
    longest_us: int | None = None

    @property
    def locked_up(self) -> bool:
        return bool(self.words)


def stock(kernel: Kernel, nr_live: int, on_line: Callable[[str], object]) -> Outcome:
    """Run the reproducer, which knows the kernel's exported API and nothing of the lab."""
    ko = module.build_lockup(kernel)
    script = f"insmod /{ko.name} nr_live={nr_live}\nrmmod {ko.stem}\n"
    return _boot(kernel, "stock", ko, script, on_line, to_the_end=True)


def on_variant(
    kernel: Kernel, variant: str, nr_live: int, on_line: Callable[[str], object]
) -> Outcome:
    """The same on one variant of the module; the guest is stopped at the kernel's first words."""
    own = [iova_variants.find_source(variant)] if iova_variants.is_foreign(variant) else []
    ko = module.build(kernel, own)
    name = module.own_name(own[0]) if own else variant
    script = f"insmod /{ko.name} lockup={name} nr_live={nr_live}\n"
    return _boot(kernel, variant, ko, script, on_line, to_the_end=False)


def _boot(
    kernel: Kernel,
    variant: str,
    ko: Path,
    script: str,
    on_line: Callable[[str], object],
    *,
    to_the_end: bool,
) -> Outcome:
    with run_folder() as folder:
        initramfs = image.make(folder / "initramfs", kernel, script, files={ko.name: ko})
        machine = Machine(kernel, initramfs, _APPEND, cpus=CPUS, seconds=1800)
        return watch(machine, variant, on_line, to_the_end=to_the_end)


def watch(
    machine: Machine, variant: str, on_line: Callable[[str], object], *, to_the_end: bool
) -> Outcome:
    """Boot, and collect the kernel's words of a lockup, and the longest request."""
    longest: list[int] = []
    words: list[str] = []
    uptime = None
    for line in machine.lines():
        on_line(line)
        if match := _LONGEST.search(line):
            longest.append(int(match[1]))
        if (match := _WORDS.search(line)) and not words:
            uptime = float(match["uptime"])
            words.append(line)
        elif words and "</TASK>" not in words[-1] and len(words) < 60:
            words.append(line)
        if words and "</TASK>" in words[-1] and not to_the_end:
            break
    return Outcome(variant, tuple(words), uptime, max(longest, default=None))


@dataclass(frozen=True)
class Hold:
    """The worst single request of a variant: nearly all of it is spent under the lock."""

    variant: str
    instructions: int
    nodes: int


def stream(nr_live: int) -> OpStream:
    """The recipe as an op stream: a few cycles of `WORKLOAD`."""
    whole = workloads.generate(WORKLOAD, nr_live)
    return OpStream(whole.ops[: nr_live + 3 * NR_CYCLES], nr_live, start_pfn=whole.start_pfn)


def holds(
    kernel: Kernel,
    variants: Iterable[str],
    nr_live: int,
    on_progress: Callable[[int, int], None] = lambda job, op: None,
) -> Iterator[Hold]:
    """The worst request of each: instructions as the kernel runs it, nodes as user space counts.

    The addresses of both are compared on the way.  Raises `KernelError`.
    """
    asked = stream(nr_live)
    for result in replay(kernel, [Job(name, asked) for name in variants], on_progress=on_progress):
        name = result.job.variant
        if result.error:
            raise iova_variants.VariantError(f"{name}: {result.error}")
        agreement = addresses(result)
        if agreement.differs:
            raise iova_variants.VariantError(str(agreement))
        worst = int(result.cycles[asked.nr_ageing :].max())
        yield Hold(name, worst, count(counterpart(name), asked).worst)


# ---- what it means elsewhere ----

#: Clock speeds of servers, GHz, slow and fast.
CLOCKS = (2.0, 4.0)


def at_clock(instructions: int) -> tuple[float, float]:
    """Milliseconds of so many instructions at one a cycle, fast clock and slow: no cache misses."""
    slow, fast = (instructions / ghz / 1e6 for ghz in CLOCKS)
    return fast, slow


def on_hardware(nodes: int) -> tuple[float, float]:
    """Milliseconds of a walk over so many nodes at the published cost of one, low and high."""
    low, high = (nodes * ns / 1e6 for ns in NS_PER_NODE)
    return low, high


def burst(nodes: int, nr_cpus: int, seconds: float = SOFT_LOCKUP_S) -> tuple[float, float]:
    """Requests in one burst, without scheduling, that keep a CPU for ``seconds``: fewest, most.

    All ``nr_cpus`` ask at once, and the lock is fair: a request waits for one of each other CPU.
    """
    fewest, most = (seconds * 1e9 / (nodes * ns * nr_cpus) for ns in reversed(NS_PER_NODE))
    return fewest, most


def queue(nodes: int, seconds: float = HARD_LOCKUP_S) -> tuple[float, float]:
    """CPUs in one queue that keep the last of them waiting, interrupts off, for ``seconds``."""
    fewest, most = (1 + seconds * 1e9 / (nodes * ns) for ns in reversed(NS_PER_NODE))
    return fewest, most


def code(variant: str) -> str:
    """Digest of the C that the module compiles; "" for the stock kernel's own and for a file."""
    own = variant == "stock" or iova_variants.is_foreign(variant)
    return "" if own else module_digest(variant)


def is_old(row: Mapping[Any, Any]) -> bool:
    """Was this line measured with other code than today's, or before digests were stored?"""
    variant, stored = str(row["variant"]), row.get("code")
    if variant == "stock" or iova_variants.is_foreign(variant):
        return False
    return is_old_in_module(stored if isinstance(stored, str) else None, variant)


def as_row(kernel: Kernel, nr_live: int, outcome: Outcome, hold: Hold | None) -> dict[str, object]:
    """One line of results/kernel/lockup.jsonl."""
    row = {"release": kernel.release, "nr_live": nr_live, "cpus": CPUS, **asdict(outcome)}
    row["code"] = code(outcome.variant)
    if hold:
        row |= {"instructions": hold.instructions, "nodes": hold.nodes}
    return row
