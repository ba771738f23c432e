"""From how many CPUs on does a watchdog speak?

The longest section can't be longer than one hold of every CPU, nor a flush longer than 256 of
these: where that is too short at the largest number of CPUs, nothing is simulated.  Else the number
is found by halving, with a simulation at each step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iova_lab.contention import scenarios, sweep
from iova_lab.contention.model import Scenario, StopAt, predict
from iova_lab.contention.service import Service
from iova_lab.contention.sweep import Cell
from iova_lab.measuring.cells import HARD_LOCKUP_S, SOFT_LOCKUP_S

MOST_CPUS = 1024
ROUNDS = 40


def longest_possible(service: Service, scenario: Scenario) -> tuple[float, float]:
    """Bounds of the longest section and of the longest stretch, in ns: no queue is longer."""
    free = service.free.max_ns * scenario.magazine + service.free.remote_ns
    hold = max(service.alloc.max_ns + service.alloc.remote_ns, free)
    handoff = service.handoff_ns if scenario.handoff_ns is None else scenario.handoff_ns
    section = (scenario.nr_cpus + scenario.timer) * (hold + handoff)
    nr_sections = -(-scenario.flush_queue // scenario.magazine)
    if scenario.timer:
        nr_sections *= scenario.nr_cpus
    return section, section * max(nr_sections, 1)


def _smallest(is_locked_up: Callable[[int], bool], most: int) -> int | None:
    if not is_locked_up(most):
        return None
    low, high = 0, most
    while high - low > max(1, low // 16):  # within a sixteenth
        middle = (low + high) // 2
        if is_locked_up(middle):
            high = middle
        else:
            low = middle
    return high


def smallest(service_row: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
    """Return the cell with ``hard_cpus`` and ``soft_cpus``: fewest CPUs of at most ``nr_cpus``.

    None where that many don't do it.  Numbers above 16 are right to a sixteenth.
    """
    asked = Cell(**cell)
    # Exact numbers of nodes, so that no interruption is the longest hold.
    service = Service.from_row(service_row).at(asked.ns_per_node)

    def speaks(watchdog: StopAt, nr_cpus: int) -> bool:
        scenario = scenarios.scenario(asked.scenario, nr_cpus, asked.workload, asked.think_ns)
        section, stretch = longest_possible(service, scenario)
        hard = watchdog == "hard"
        if section < HARD_LOCKUP_S * 1e9 if hard else stretch < SOFT_LOCKUP_S * 1e9:
            return False
        most = asked.max_sections
        if hard:  # a queue is as long as it gets after a few rounds
            most = min(most, ROUNDS * nr_cpus)
        found = predict(service, scenario, seed=asked.seed, max_sections=most, stop_at=watchdog)
        return (found.hard_at_ns if hard else found.soft_at_ns) is not None

    return cell | {
        **sweep.constants_of(service),
        "hard_cpus": _smallest(lambda nr_cpus: speaks("hard", nr_cpus), asked.nr_cpus),
        "soft_cpus": _smallest(lambda nr_cpus: speaks("soft", nr_cpus), asked.nr_cpus),
    }
