"""Waits and holds as text for a terminal and for the page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from iova_lab.contention import holds
from iova_lab.contention.constants import Constants
from iova_lab.contention.model import Prediction
from iova_lab.contention.service import Kind, Service
from iova_lab.contention.threaded import Contention
from iova_lab.measuring.cells import number
from iova_lab.measuring.load import Load
from iova_variants import LockTimes

#: Behind an answer that rows of a loaded machine are part of.
LOADED_IN_PART = " Measured in part on a loaded machine."

_NAMES = {
    "variant": "the variant's lock",
    "depot": "the depots' locks",
    "cpu_cache": "the CPUs' caches",
}


#: Units from the size on, in ns, at which each is used; a minute and an hour from two of them on.
_UNITS = (
    ("days", 86_400e9, 2 * 86_400e9),
    ("h", 3_600e9, 2 * 3_600e9),
    ("min", 60e9, 2 * 60e9),
    ("s", 1e9, 1e9),
    ("ms", 1e6, 1e6),
    ("us", 1e3, 1e3),
)


def duration(ns: float) -> str:
    """Three significant digits at most, and a unit that a reader knows: 4.67e12 is 77.8 min."""
    for unit, size, least in _UNITS:
        # Rounded first: 999.6 us are 1 ms.
        if float(f"{ns:.3g}") >= least:
            value = ns / size
            return f"{value:.3g} {unit}" if value < 999.5 else f"{value:,.0f} {unit}"
    return f"{ns:.3g} ns"


def load_line(load: Load) -> str:
    """The load while something was measured; a warning if it was not idle."""
    if load.is_loaded:
        return f"WARNING: this machine was {load}: times are longer than on an idle one"
    return f"load: {load}"


def constants_line(constants: Constants) -> str:
    """The constants that all cells are simulated with."""
    return (
        f"machine constants: hand-over {constants.handoff_ns:.0f} ns, remote cache cost"
        f" {constants.remote_ns:.0f} ns ({constants.source})"
    )


def refused_lines(found: Iterable[dict[str, Any]]) -> list[str]:
    """One line per cell that is not simulated, with the reason."""
    return [
        f"not simulated: {cell}: {'; '.join(why)}" for cell, why in holds.refused(found).items()
    ]


def loaded_lines(found: Iterable[dict[str, Any]]) -> list[str]:
    """Which cells were measured while the machine was loaded."""
    loads = [row["load"] for row in found if "load" in row]
    loaded = [load for load in loads if load["loaded"]]
    if not loaded:
        return []
    return [
        f"WARNING: {len(loaded)} of {len(loads)} cells were measured on a loaded machine: other"
        f" programs used up to {max(load['others'] for load in loaded):.1f} CPUs, up to"
        f" {max(load['stolen'] for load in loaded):.1%} of the CPU time was stolen"
    ]


def lock_rows(found: Contention) -> list[tuple[str, ...]]:
    """One row per class of locks that was taken at all."""
    return [
        (
            _NAMES[name],
            f"{lock.nr:,}",
            f"{lock.nr_queued / lock.nr:.1%}",
            *map(duration, (lock.wait_ns / lock.nr, lock.hold_ns / lock.nr)),
            *map(duration, (lock.max_wait_ns, lock.max_hold_ns, lock.max_section_ns)),
        )
        for name, lock in found.locks.items()
        if lock.nr
    ]


LOCK_COLUMNS = (
    *("", "taken", "queued", "mean wait", "mean hold"),
    *("longest wait", "longest hold", "irqs off"),
)

HISTOGRAM_COLUMNS = ("below", "waits", "", "holds", "")
#: Characters of the longest bar.
BAR = 24


def histogram_rows(lock: LockTimes) -> list[tuple[str, ...]]:
    """Both log2 histograms side by side, from the first bin that is used to the last."""
    used = [i for i, pair in enumerate(zip(lock.waits, lock.holds, strict=True)) if any(pair)]
    if not used:
        return []
    most = max(*lock.waits, *lock.holds)

    def bar(count: int) -> tuple[str, str]:
        return f"{count:,}", "#" * round(BAR * count / most)

    return [
        (duration(2**index), *bar(lock.waits[index]), *bar(lock.holds[index]))
        for index in range(used[0], used[-1] + 1)
    ]


def notes(found: Contention) -> list[str]:
    """What a reader has to know before believing a number, most important first."""
    lines = []
    if found.oversubscribed:
        lines.append(
            f"WARNING: {found.threads} threads on fewer CPUs: waits are the system's scheduling,"
            " not the lock's"
        )
    if found.nr_preempted:
        calm = f"{found.nr_calm} of {found.nr_rounds} rounds were calm"
        if found.calm:
            calm += (
                f"; in those the longest wait was {duration(found.calm.max_wait_ns)},"
                f" the longest hold {duration(found.calm.max_hold_ns)}"
            )
        lines.append(f"the system took a CPU away {found.nr_preempted:,} times; {calm}")
    if found.nr_domains > 1:
        lines.append(f"this stream has {found.nr_domains} domains, each with a lock of its own")
    lines.append(
        f"in each hold {found.empty_hold_ns:.0f} ns are the clock's; every round was checked:"
        " invariants hold, no range has two owners, nothing leaked"
    )
    return lines


def _kind_line(name: str, kind: Kind) -> str:
    if not kind.nr:
        return f"{name}: none"
    return (
        f"{name}: mean hold {duration(kind.mean_ns)}, longest {duration(kind.max_ns)},"
        f" {number(kind.mean_nodes)} nodes on average; {kind.base_ns:.0f} ns +"
        f" {number(round(kind.ns_per_node, 2))} ns a node fits within {kind.error:.0%}"
    )


def service_lines(service: Service) -> list[str]:
    """What was measured."""
    return [
        _kind_line("alloc", service.alloc),
        _kind_line("free", service.free),
        f"from one holder to the next that waits: {service.handoff_ns:.0f} ns; a hold after"
        f" another CPU's takes {service.alloc.remote_ns:.0f} ns longer",
    ]


PREDICTION_COLUMNS = (
    *("CPUs", "mean wait", "p99 wait", "longest wait", "irqs off", "unscheduled"),
    *("lock busy", "CPUs in it", "hard lockup", "soft lockup"),
)


def prediction_row(found: Prediction) -> tuple[str, ...]:
    """One number of CPUs; what the end of the simulation cut off is at least so long."""
    return (
        f"{found.nr_cpus:,}",
        *map(duration, (found.mean_wait_ns, found.p99_wait_ns, found.max_wait_ns)),
        *map(duration, (found.max_section_ns, found.max_stretch_ns)),
        f"{found.lock_share:.0%}",
        f"{found.cpu_share:.0%}",
        *(
            "no" if at is None else f"after {duration(at)}"
            for at in (found.hard_at_ns, found.soft_at_ns)
        ),
    )


ERROR_COLUMNS = ("threads", "what", "median error", "worst error", "cells")


def error_rows(frame: pd.DataFrame) -> list[tuple[str, ...]]:
    """Error of the model, signed: above 0 it says more than was measured."""
    return [
        (
            *(str(row.threads), str(row.what).replace("_", " ")),
            *(f"{row.median:+.0%}", f"{row.worst:+.0%}", str(row.cells)),
        )
        for row in frame.itertuples()
    ]
