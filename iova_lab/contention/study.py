"""Cells of the pictures and of the table of lock-ups, and their simulations.

sweep.jsonl and lockups.jsonl have what was simulated, anywhere, from the holds of services.jsonl
(holds.py).  validation.jsonl, published.jsonl and host.jsonl (host.py) lie in the same folder.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import iova_variants
from iova_lab import workloads
from iova_lab.basics.reading import packed
from iova_lab.contention import lockups, plausible, store, sweep
from iova_lab.contention.holds import Asked
from iova_lab.contention.service import Service
from iova_lab.contention.sweep import Cell, MakeExecutor
from iova_lab.measuring.cells import NS_PER_NODE

#: Of the pictures: recipes that differ in what they make a lock's holder do, and their sizes.
PICTURED = {
    "near_empty": 100,
    "ring": 100_000,
    "cross_cpu": 100_000,
    "large_blocks": 100_000,
    "random_replace": 100_000,
    "aligned_holes": 100_000,
    "sac_first": 100_000,
    "full_32bit": 100_000,
}
CPUS = (1, 4, 16, 64, 256, 1024)
SCENARIO = "lazy"

#: Of the table of lock-ups.
SIZES = (1_000, 10_000, 100_000, 1_000_000)
#: ns a node, published for linear scans of 10^6 nodes (Peng, 2022), so for no other size.
PUBLISHED_AT = 1_000_000


def pictured(
    variants: Iterable[str] | None = None, chosen: dict[str, int] | None = None
) -> list[Asked]:
    """Cells of the pictures; a fake has no lock."""
    names = list(variants or iova_variants.names(fake=False))
    return [
        (variant, workload, nr_live)
        for workload, nr_live in (PICTURED if chosen is None else chosen).items()
        for variant in names
    ]


def recipes(variant: str, sizes: Iterable[int] = SIZES) -> list[Asked]:
    """Every workload at every size that it has; one that has only few live ranges, at its most."""
    found = []
    for name in workloads.names():
        workload = workloads.get(name)
        asked = [size for size in sizes if workload.why_not(size) is None]
        if not asked and workload.max_nr_live < min(sizes):
            asked = [workload.max_nr_live]
        found += [(variant, name, size) for size in asked]
    return found


def _simulated(
    cells: list[Cell],
    found: dict[Asked, dict[str, Any]],
    results: Path,
    name: str,
    make_executor: MakeExecutor,
    work: sweep.Work,
    on_progress: Callable[[], object],
) -> int:
    path = results / f"{name}.jsonl"
    by_digest = {sweep.digest(row): row for row in found.values()}
    done = sweep.run(
        cells, by_digest, path, make_executor=make_executor, work=work, on_progress=on_progress
    )
    if found and (path.exists() or packed(path).exists()):
        used = sweep.constants_of(Service.from_row(next(iter(found.values()))))
        # A simulation with other constants can't be compared with these: it is made again.
        store.compact(results, name, _cell_key, keep=lambda row: used.items() <= row.items())
    return done


def _cell_key(row: dict[str, Any]) -> str:
    """What a cell is of: a newer measurement, or a longer simulation, takes the old one's place."""
    cell = asdict(sweep.cell_of(row))
    names = cell.keys() - {"service", "max_sections"}
    names -= {"ns_per_node"} if cell["here"] else set()
    return json.dumps([cell[name] for name in sorted(names)])


def simulate_pictures(
    found: dict[Asked, dict[str, Any]],
    results: Path,
    make_executor: MakeExecutor,
    *,
    cpus: Iterable[int] = CPUS,
    scenario: str = SCENARIO,
    think_ns: float | None = None,
    on_progress: Callable[[], object] = lambda: None,
) -> int:
    """Simulate what sweep.jsonl does not have; returns how many cells that were."""
    cells = [
        Cell(
            *(*asked, scenario, nr_cpus, sweep.digest(row)),
            think_ns=think_ns,
            max_sections=40_000,  # forty rounds of the longest queue
        )
        for asked, row in found.items()
        for nr_cpus in sorted(cpus, reverse=True)  # the longest first
    ]
    return _simulated(cells, found, results, "sweep", make_executor, sweep.simulate, on_progress)


def costs_of(nr_live: int, here: dict[int, float]) -> list[tuple[float, bool]]:
    """Costs of a node to look for lock-ups with, and whether each is this machine's.

    This machine's is that of the next larger size that has one; the published one is of
    `PUBLISHED_AT` live ranges, and of no other size.
    """
    own = [ns for size, ns in sorted(here.items()) if size >= nr_live][:1]
    published = NS_PER_NODE if nr_live == PUBLISHED_AT else ()
    return [*((ns, True) for ns in own), *((ns, False) for ns in published)]


def find_lockups(
    found: dict[Asked, dict[str, Any]],
    results: Path,
    make_executor: MakeExecutor,
    *,
    scenario: str = SCENARIO,
    on_progress: Callable[[], object] = lambda: None,
) -> int:
    """Find the smallest numbers of CPUs that lockups.jsonl does not have."""
    cells = [
        Cell(
            *(*asked, scenario, lockups.MOST_CPUS, sweep.digest(row)),
            ns_per_node=ns,
            here=here,
            max_sections=300_000,
        )
        for asked, row in found.items()
        for ns, here in costs_of(asked[2], plausible.node_costs(found.values()))
    ]
    return _simulated(
        cells, found, results, "lockups", make_executor, lockups.smallest, on_progress
    )
