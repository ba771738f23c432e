"""Which number of CPUs makes how long a wait?  Many simulations, on cores here or on a cluster.

A cell is one simulation: a service measured on one machine, a scenario, a number of CPUs.  Cells go
to any executor of the kind that concurrent.futures has: processes here, or a Dask cluster's workers
through its own executor.  Each result is written when it is there, so what was computed is never
computed again: not after Ctrl-C, and not after a worker has died.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, as_completed
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from iova_lab.basics.reading import Row, read_rows
from iova_lab.basics.writing import append_row
from iova_lab.contention import scenarios
from iova_lab.contention.model import predict
from iova_lab.contention.service import Service
from iova_lab.measuring.workers import ATTEMPTS, WorkersError, died


@dataclass(frozen=True)
class Cell:
    """One simulation; ``ns_per_node`` 0 means measured holds, ``think_ns`` None the scenario's.

    ``service`` is the digest of the service's row, so that a new measurement is a new cell.
    ``here``: ``ns_per_node`` is this machine's at ``nr_live``, not that of another machine.
    """

    variant: str
    workload: str
    nr_live: int
    scenario: str
    nr_cpus: int
    service: str
    ns_per_node: float = 0.0
    here: bool = True
    think_ns: float | None = None
    seed: int = 0
    max_sections: int = 400_000

    @property
    def key(self) -> str:
        """Equal for equal cells."""
        return json.dumps(asdict(self), sort_keys=True)


def digest(service: dict[str, Any]) -> str:
    """Of a service's row."""
    return hashlib.sha256(json.dumps(service, sort_keys=True).encode()).hexdigest()[:12]


def simulate(service: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
    """Run one cell, anywhere: plain data in, plain data out."""
    asked = Cell(**cell)
    scenario = scenarios.scenario(asked.scenario, asked.nr_cpus, asked.workload, asked.think_ns)
    measured = Service.from_row(service)
    found = predict(
        measured.at(asked.ns_per_node),
        scenario,
        seed=asked.seed,
        max_sections=asked.max_sections,
    )
    return cell | constants_of(measured) | asdict(found)


def constants_of(service: Service) -> dict[str, float]:
    """Machine constants that a row was simulated with."""
    return {"handoff_ns": service.handoff_ns, "remote_ns": service.alloc.remote_ns}


#: What is done with a cell: `simulate`, or another function of the same shape.
Work = Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]]
MakeExecutor = Callable[[], AbstractContextManager[Executor]]


def cell_of(row: Row) -> Cell:
    """The cell that a row is of."""
    return msgspec.convert(row, Cell)


def run(
    cells: Iterable[Cell],
    services: dict[str, dict[str, Any]],
    path: Path,
    *,
    make_executor: MakeExecutor,
    work: Work = simulate,
    on_progress: Callable[[], object] = lambda: None,
) -> int:
    """Do what ``path`` does not have yet, a row as soon as it is there; returns how many.

    ``services`` are rows by digest.  Where workers die, what they had is done again.  Raises
    `WorkersError` when that does not help; all rows that were written stay.
    """
    rows = read_rows(path, Cell, written_by="`iova-lab contention sweep`")
    have = {cell_of(row).key for row in rows}
    todo = [cell for cell in cells if cell.key not in have]
    nr_todo = len(todo)
    for _ in range(ATTEMPTS):
        lost = []  # those whose worker died
        with make_executor() as executor:
            futures = {
                executor.submit(work, services[cell.service], asdict(cell)): cell for cell in todo
            }
            for future in as_completed(futures):
                error = None if future.cancelled() else future.exception()
                if future.cancelled() or (error is not None and died(error)):
                    lost.append(futures[future])
                    continue
                append_row(path, future.result())
                on_progress()
        todo = lost
        if not todo:
            return nr_todo
    cell = todo[0]
    raise WorkersError(
        f"workers died {ATTEMPTS} times; {nr_todo - len(todo)} of {nr_todo} cells are in {path},"
        f" among those that are not: {cell.variant} {cell.workload}, {cell.nr_cpus} CPUs"
    )
