"""Which commands show a pathology here, at the size and with the CPUs that were seen?"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from iova_lab import workloads
from iova_lab.diagnosis.matching import Match
from iova_lab.diagnosis.seen import Machine

#: Sizes are powers of two: what was seen is of all domains, so more digits would promise too much.
_SMALLEST = 64


@dataclass(frozen=True)
class Reproduction:
    """Commands for one pathology; ``says`` is where the size comes from."""

    pathology: str
    commands: tuple[str, ...]
    says: str


def reproductions(found: Iterable[Match], machine: Machine) -> Iterator[Reproduction]:
    """Commands for each pathology that has some."""
    for one in found:
        pathology = one.pathology
        if pathology.reproduce:
            yield Reproduction(one.name, (pathology.reproduce,), "the smallest case")
        elif pathology.workload is not None:
            yield _of_workload(one, machine)


def _of_workload(one: Match, machine: Machine) -> Reproduction:
    workload = one.pathology.workload
    assert workload is not None
    known = workloads.get(workload.name)
    size, says = workload.default, "the size is the lab's own: no number of live ranges was seen"
    if workload.size == "live_ranges" and machine.live_ranges:
        size = 1 << max(round(math.log2(max(machine.live_ranges, _SMALLEST))), 0)
        says = f"the size is the power of two next to the {machine.live_ranges:,} live ranges seen"
        if size > known.max_nr_live:
            size = 1 << (known.max_nr_live.bit_length() - 1)
            says = (
                f"one domain has room for {known.max_nr_live:,}; {machine.live_ranges:,} were seen"
            )
    elif workload.size == "fixed":
        says = "it does not depend on the size"
    size = min(max(size, known.min_nr_live), known.max_nr_live)
    variant = machine.release.variant if machine.release else "mainline"
    cell = f"{workload.name}@{size}"
    rcache = "" if workload.rcache == "off" else f" --rcache {workload.rcache}"
    commands = [f"iova-lab replay {variant} {cell}{rcache}"]
    if machine.likely_cpus and machine.likely_cpus > 1:
        smaller = min(size, 100_000)
        cell = f"{workload.name}@{max(smaller, known.min_nr_live)}"
        commands.append(
            f"iova-lab contention predict {variant} {cell} --cpus {machine.likely_cpus}{rcache}"
        )
    return Reproduction(one.name, tuple(commands), says)
