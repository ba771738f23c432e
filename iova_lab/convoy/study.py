"""Which cells make the pictures and the table of lock-ups, and what is measured for them?

All of it lies in one folder of JSON lines: services.jsonl (measured here), sweep.jsonl and
lockups.jsonl (simulated anywhere), validation.jsonl, published.jsonl and host.jsonl.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from asv.machine import Machine

import iova_variants
from iova_lab import workloads
from iova_lab.convoy import lockups, sweep
from iova_lab.convoy import service as services
from iova_lab.convoy.sweep import Cell
from iova_lab.kernel import rows
from iova_lab.soak import real_variants

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
#: 0 is what was measured here; 16 and 33 ns are published for walks over 10^6 nodes (Peng, 2022).
NS_PER_NODE = (0.0, 16.0, 33.0)

MakeExecutor = Callable[[], AbstractContextManager[Executor]]
#: variant, workload, nr_live
Asked = tuple[str, str, int]


def pictured(
    variants: Iterable[str] | None = None, chosen: dict[str, int] | None = None
) -> list[Asked]:
    """Cells of the pictures; what keeps no books has no lock."""
    names = list(variants or real_variants())
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


def measured(
    cells: Iterable[Asked],
    results: Path,
    *,
    seconds: float = services.SECONDS,
    again: bool = False,
    advance: Callable[[], object] = lambda: None,
) -> dict[Asked, dict[str, Any]]:
    """Services of ``cells``, as rows; measured where services.jsonl has none, or ``again``.

    Those that visit too many nodes are left out.  One cell at a time: nothing else may run.
    """
    path = results / "services.jsonl"
    have = {} if again else {json.dumps(row["key"]): row for row in rows.read(path)}
    found = {}
    for asked in cells:
        key = _key(asked)
        row = have.get(json.dumps(key))
        if row is None:
            row = _measure(asked, seconds) | {"key": key, "asked": asked}
            rows.append(path, row)
        advance()
        if "too_long" not in row:
            found[asked] = {n: value for n, value in row.items() if n not in ("key", "asked")}
    compact(path, lambda row: json.dumps(row["asked"]))  # older code makes room for newer
    return found


def _measure(asked: Asked, seconds: float) -> dict[str, Any]:
    handoff = services.handoff_ns()
    try:
        return services.measure(*asked, handoff_ns=handoff, seconds=seconds).as_row()
    except iova_variants.TooLongError as error:
        return {"too_long": str(error)}


def host() -> dict[str, Any]:
    """What measured: the machine as asv sees it."""
    return {"what": "host", **Machine.get_defaults()}


def compact(path: Path, key: Callable[[dict[str, Any]], str]) -> None:
    """Keep the last row of each key, in order; whoever reads meanwhile sees one whole file."""
    last = {key(row): row for row in rows.read(path)}
    partial = path.with_suffix(".partial")
    partial.write_text("".join(json.dumps(last[k]) + "\n" for k in sorted(last)), encoding="utf-8")
    partial.replace(path)


def _simulated(
    cells: list[Cell],
    found: dict[Asked, dict[str, Any]],
    path: Path,
    make_executor: MakeExecutor,
    work: sweep.Work,
    advance: Callable[[], object],
) -> int:
    by_digest = {sweep.digest(row): row for row in found.values()}
    done = sweep.run(
        cells, by_digest, path, make_executor=make_executor, work=work, advance=advance
    )
    if path.exists():
        compact(path, _cell_key)
    return done


def _cell_key(row: dict[str, Any]) -> str:
    """What a cell is of: a newer measurement, or a longer simulation, takes the old one's place."""
    names = Cell.__dataclass_fields__.keys() - {"service", "max_sections"}
    return json.dumps([row[name] for name in sorted(names)])


def simulate_pictures(
    found: dict[Asked, dict[str, Any]],
    results: Path,
    make_executor: MakeExecutor,
    *,
    cpus: Iterable[int] = CPUS,
    scenario: str = SCENARIO,
    think_ns: float | None = None,
    advance: Callable[[], object] = lambda: None,
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
    path = results / "sweep.jsonl"
    return _simulated(cells, found, path, make_executor, sweep.simulate, advance)


def find_lockups(
    found: dict[Asked, dict[str, Any]],
    results: Path,
    make_executor: MakeExecutor,
    *,
    scenario: str = SCENARIO,
    advance: Callable[[], object] = lambda: None,
) -> int:
    """Find the smallest numbers of CPUs that lockups.jsonl does not have."""
    cells = [
        Cell(
            *(*asked, scenario, lockups.MOST_CPUS, sweep.digest(row)),
            ns_per_node=ns,
            max_sections=300_000,
        )
        for asked, row in found.items()
        for ns in NS_PER_NODE
    ]
    path = results / "lockups.jsonl"
    return _simulated(cells, found, path, make_executor, lockups.smallest, advance)
