"""What do pyperf's own checks say of this machine, and of these samples?

Asked through its documented command line: ``pyperf system show`` and ``pyperf check``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pyperf

from iova_lab.comparison.result import Comparison
from iova_lab.comparison.store import pyperf_paths, save
from iova_lab.measuring.tuning import advice, pyperf_lines

#: Of pyperf's metadata: what a reader asks about the machine.
FACTS = {
    "cpu_model_name": "CPU",
    "cpu_count": "logical CPUs",
    "cpu_affinity": "pinned to",
    "cpu_config": "CPU settings",
    "platform": "system",
    "aslr": "ASLR",
    "timer": "pyperf's timer",
}


def facts(result: Comparison) -> dict[str, str]:
    """Return the machine in pyperf's words; what varied between processes as a range."""
    metadata = [
        run.get_metadata() for cell in result.cells for runs in cell.runs.values() for run in runs
    ]
    found = {
        title: "; ".join(sorted({str(data[key]) for data in metadata if key in data}))
        for key, title in FACTS.items()
        if any(key in data for data in metadata)
    }
    if loads := result.loads:
        found["load average"] = f"{min(loads):.2f} .. {max(loads):.2f} (1 min)"
    return found


def stability(result: Comparison) -> list[str]:
    """What pyperf's checks say of each variant's samples alone, one line per complaint."""
    found: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory(prefix="iova-lab-") as name:
        save(result, Path(name))
        for subject, path in zip(result.subjects, pyperf_paths(result, Path(name)), strict=True):
            if path.exists():
                for cell, complaint in _complaints(path):
                    found.setdefault(complaint, []).append(f"{subject.label} {cell}")
    nr_all = sum(bool(runs) for cell in result.cells for runs in cell.runs.values())
    return [
        f"{complaint}: {'everywhere' if len(where) == nr_all > 1 else ', '.join(where)}"
        for complaint, where in found.items()
    ]


def _complaints(path: Path) -> Iterator[tuple[str, str]]:
    """Cell and complaint, of one file; a heading stands above each cell's if there are several."""
    names = pyperf.BenchmarkSuite.load(str(path)).get_benchmark_names()
    cell = names[0]
    for line in pyperf_lines("check", str(path)):
        if line in names:
            cell = line
        elif line.startswith("* "):
            yield cell, line.removeprefix("* ")


def look(result: Comparison) -> None:
    """Fill in what pyperf says of the machine and of the samples."""
    result.system = facts(result)
    result.checks = [*stability(result), *(f"system: {line}" for line in advice())]
