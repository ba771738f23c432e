"""The load of the machine while something is measured.

Waits and holds are properties of an idle machine.  What other programs used of the CPUs, and what a
hypervisor took, stands beside every measured row, and a row measured under load is labelled so.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import psutil

#: CPUs used by other programs, and share of CPU time stolen by a hypervisor, up to which a
#: machine counts as idle.
MOST_OTHERS, MOST_STOLEN = 0.1, 0.02


@dataclass(frozen=True)
class Load:
    """Load while one row was measured.

    ``average`` is the 1-minute load average at the end, which includes the measurement itself;
    ``others`` the number of CPUs that other programs kept busy; ``stolen`` the share of all CPU
    time that the hypervisor gave to other guests.
    """

    average: float
    others: float
    stolen: float

    @property
    def is_loaded(self) -> bool:
        """Is this more than an idle machine has?"""
        return self.others > MOST_OTHERS or self.stolen > MOST_STOLEN

    def as_row(self) -> dict[str, Any]:
        """Columns of a stored row."""
        return asdict(self) | {"loaded": self.is_loaded}

    def __str__(self) -> str:
        """For a terminal."""
        return (
            f"{'loaded' if self.is_loaded else 'idle but for this measurement'}: other programs"
            f" used {self.others:.1f} CPUs, {self.stolen:.1%} of the CPU time was stolen by the"
            f" hypervisor, load average {self.average:.1f}"
        )


class Watch:
    """Measures the load from its creation on.

    The CPU time of all descendants counts as this process's own, whether they have ended or not:
    what is measured runs in workers that outlive the measurement.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy, self._stolen, self._own = _spent()

    def load(self) -> Load:
        """Return the load since this watch was created."""
        elapsed = max(time.monotonic() - self._began, 1e-3)
        busy, stolen, own = _spent()
        nr_cpus = os.cpu_count() or 1
        others = (busy - self._busy - (own - self._own)) / elapsed
        return Load(
            average=round(os.getloadavg()[0], 2),
            others=round(min(max(others, 0.0), float(nr_cpus)), 2),
            stolen=round(max(stolen - self._stolen, 0.0) / elapsed / nr_cpus, 4),
        )


def _spent() -> tuple[float, float, float]:
    """CPU seconds since boot: busy, stolen, and used by this process and its descendants."""
    cpu = psutil.cpu_times()
    stolen = float(getattr(cpu, "steal", 0.0))
    busy = sum(cpu) - cpu.idle - getattr(cpu, "iowait", 0.0) - stolen
    busy -= getattr(cpu, "guest", 0.0) + getattr(cpu, "guest_nice", 0.0)  # part of user and nice
    return busy, stolen, _spent_by_us()


def _spent_by_us() -> float:
    """CPU seconds of this process, of its descendants, and of those that they have waited for."""
    this = psutil.Process()
    total = 0.0
    for process in (this, *this.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # it has ended meanwhile
            total += sum(process.cpu_times()[:4])  # user, system, and both of ended children
    return total
