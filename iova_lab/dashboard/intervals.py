"""99 % intervals of times, which asv stores and its page does not draw; www/intervals.js does."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from asv.machine import iter_machine_files
from asv.results import Results, iter_results

from iova_lab.dashboard.values import UNIT, WORKLOAD, ns_per_op
from iova_lab.dashboard.views import read_data, write_data

#: Below the published folder: a file per benchmark, {machine: {cell: [low, high]}} of its newest
#: revision, cells numbered as asv numbers them.
FOLDER = Path("graphs", "intervals")

Intervals = dict[str, list[float]]


def write(html: Path, results: Path) -> list[str]:
    """Write the intervals of all times in ns per op; names of the benchmarks that have some."""
    index = read_data(html / "index.json")
    revisions = {commit: int(one) for one, commit in index["revision_to_hash"].items()}
    found: dict[str, dict[str, tuple[int, Intervals]]] = {}
    for run in runs(results):
        revision = revisions.get(run.commit_hash, -1)
        for name in run.get_all_result_keys():
            benchmark = index["benchmarks"].get(name, {})
            if benchmark.get("unit") != UNIT or WORKLOAD not in benchmark["param_names"]:
                continue
            machines = found.setdefault(name, {})
            machine = run.params["machine"]
            if revision > machines.get(machine, (-1, {}))[0]:
                machines[machine] = revision, _of(run, name, benchmark)
    (html / FOLDER).mkdir(parents=True, exist_ok=True)
    for name, machines in found.items():
        cells = {machine: intervals for machine, (_, intervals) in machines.items()}
        write_data(html / FOLDER / f"{name}.json", cells)
    return sorted(found)


def runs(results: Path) -> list[Results]:
    """What asv stored of all machines, a run for each commit and environment."""
    machines = iter_machine_files(str(results))
    return [run for machine in machines for run in iter_results(str(Path(machine).parent))]


def _of(run: Results, name: str, benchmark: dict[str, Any]) -> Intervals:
    """The interval of each cell that has one, in ns per op."""
    stats = run.get_result_stats(name, benchmark["params"])
    found: Intervals = {}
    for cell, (one, factor) in enumerate(zip(stats, ns_per_op(benchmark), strict=True)):
        ends = [one.get(f"ci_99_{end}") for end in "ab"] if one else []
        if ends and all(end is not None and math.isfinite(end) for end in ends):
            found[str(cell)] = [float(f"{end * factor:.4g}") for end in ends]
    return found
