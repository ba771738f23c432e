"""Cells of the pictures and of the table of lock-ups, and the measurements that they need.

All of it lies in one folder of JSON lines: services.jsonl (measured here), sweep.jsonl and
lockups.jsonl (simulated anywhere), validation.jsonl, published.jsonl and host.jsonl (the machine
and its constants).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import iova_variants
from iova_lab import workloads
from iova_lab.basics.writing import append_row, write_rows
from iova_lab.contention import constants as machine
from iova_lab.contention import lockups, plausible, store, sweep
from iova_lab.contention import service as services
from iova_lab.contention.constants import Constants, ConstantsError
from iova_lab.contention.service import Service
from iova_lab.contention.sweep import Cell
from iova_lab.measuring.cells import NS_PER_NODE
from iova_lab.measuring.code_digest import code_digest
from iova_lab.measuring.load import Watch

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
#: A cell is measured so often until its samples are plausible.
ATTEMPTS = 3

MakeExecutor = Callable[[], AbstractContextManager[Executor]]
#: variant, workload, nr_live
Asked = tuple[str, str, int]


def pictured(
    variants: Iterable[str] | None = None, chosen: dict[str, int] | None = None
) -> list[Asked]:
    """Cells of the pictures; what keeps no books has no lock."""
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


def _key(asked: Asked) -> list[object]:
    """A service stands for this variant's code, which its shared object is named after."""
    variant, workload, nr_live = asked
    code = iova_variants.load(variant, build="threaded").path.stem
    return [code, workload, nr_live]


#: Names in a stored row that are not of its `Service`.
_BESIDE = ("key", "asked", "code", "load", "handoff_now_ns", "doubts")


def measured(
    cells: Iterable[Asked],
    results: Path,
    constants: Constants,
    *,
    seconds: float = services.SECONDS,
    again: bool = False,
    on_progress: Callable[[], object] = lambda: None,
) -> dict[Asked, dict[str, Any]]:
    """Rows of services.jsonl for ``cells``; measured where it has none, or ``again``.

    One cell at a time: nothing else may run.
    """
    path = results / "services.jsonl"
    have = {} if again else {json.dumps(row["key"]): row for row in store.read(results, "services")}
    found = {}
    for asked in cells:
        key = _key(asked)
        row = have.get(json.dumps(key))
        if row is None:
            row = _measure(asked, constants, seconds) | {"key": key, "asked": asked}
            row["code"] = code_digest(asked[0], "threaded")
            append_row(path, row)
        on_progress()
        found[asked] = row
    # Older code makes room for newer.
    compact(results, "services", lambda row: json.dumps(row["asked"]))
    return found


def stored(results: Path) -> dict[Asked, dict[str, Any]]:
    """Every cell that services.jsonl has, whatever code it was measured with."""
    found = {}
    for row in store.read(results, "services"):
        variant, workload, nr_live = row["asked"]
        found[variant, workload, int(nr_live)] = row
    return found


def with_holds(
    found: dict[Asked, dict[str, Any]], constants: Constants
) -> dict[Asked, dict[str, Any]]:
    """Services with plausible holds, all on the same constants, interruptions taken out."""
    return {
        asked: _service(row).undisturbed().on(constants).as_row()
        for asked, row in found.items()
        if "too_long" not in row and not plausible.service_doubts(row)
    }


def with_nodes(
    found: dict[Asked, dict[str, Any]], constants: Constants
) -> dict[Asked, dict[str, Any]]:
    """Services whose numbers of nodes are used and whose holds are not: a count is exact."""
    return {
        asked: _service(row).on(constants).as_row()
        for asked, row in found.items()
        if "too_long" not in row
    }


def _service(row: dict[str, Any]) -> Service:
    return Service.from_row({name: value for name, value in row.items() if name not in _BESIDE})


def refused(found: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Reasons by cell, ``mainline on ring at 1,000``, of all rows that `with_holds` leaves out."""
    reasons = {}
    for row in found:
        why = [row["too_long"]] if "too_long" in row else plausible.service_doubts(row)
        if why:
            variant, workload, nr_live = row["asked"]
            reasons[f"{variant} on {workload} at {nr_live:,}"] = why
    return reasons


def _measure(asked: Asked, constants: Constants, seconds: float) -> dict[str, Any]:
    """One cell, with the load meanwhile; measured again while its samples aren't plausible."""
    for _ in range(ATTEMPTS):
        watch = Watch()
        handoffs = machine.handoffs(3)
        now = min(handoffs, default=0.0)
        try:
            row = services.measure(*asked, constants=constants, seconds=seconds).as_row()
        except iova_variants.TooLongError as error:
            return {"too_long": str(error)}
        doubts = plausible.service_doubts(row)
        row |= {"load": watch.load().as_row(), "handoff_now_ns": round(now, 2), "doubts": doubts}
        if not doubts:
            break
    return row


def constants_for(
    results: Path,
    *,
    again: bool = False,
    stored: bool = False,
    given: tuple[float | None, float | None] = (None, None),
) -> Constants:
    """The machine constants of ``results``; measured where host.jsonl has none, or ``again``.

    ``given``: hand-over and remote cache cost in ns, each None to be measured; both replace what
    host.jsonl has.  ``stored``: derived from services.jsonl where host.jsonl has none, and nothing
    is measured.  Raises `ConstantsError`, also if they are another machine's.
    """
    path = results / "host.jsonl"
    have = {row["what"]: row for row in store.read(results, "host")}
    if "constants" in have and not again and given == (None, None):
        other = have.get("host", {}).get("cpu")
        here = host()["cpu"]
        if not stored and other not in (None, here):
            raise ConstantsError(
                f"{path} has the constants of another machine ({other}, not {here}):"
                " --again measures everything here, --results names another folder"
            )
        return Constants.from_row(have["constants"])
    if stored and given == (None, None):
        found = machine.from_services(store.read(results, "services"))
        append_row(path, found.as_row())
    else:
        watch = Watch()
        found = machine.measure(*given)
        append_row(path, host())
        append_row(path, found.as_row() | {"load": watch.load().as_row()})
    compact(results, "host", lambda row: str(row["what"]))
    return found


def host() -> dict[str, Any]:
    """What measured: the machine as asv sees it."""
    from asv.machine import Machine  # of the extra asv; a run that stores nothing needs none

    return {"what": "host", **Machine.get_defaults()}


def compact(
    results: Path,
    name: str,
    key: Callable[[dict[str, Any]], str],
    keep: Callable[[dict[str, Any]], bool] = lambda row: True,
) -> None:
    """Keep the last row of each key of ``name``.jsonl, in order; the file is replaced at once."""
    write_rows(results / f"{name}.jsonl", filter(keep, store.read(results, name)), key)


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
    if path.exists() and found:
        used = sweep.constants_of(Service.from_row(next(iter(found.values()))))
        # A simulation with other constants can't be compared with these: it is made again.
        compact(results, name, _cell_key, keep=lambda row: used.items() <= row.items())
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
