"""How is a comparison kept, so that its pages can be made again from files alone?

One folder: ``comparison.json`` (the plan, exact counts, what failed and why), one pyperf file per
variant under ``pyperf/`` with one benchmark per cell, and ``ops/<cell>.npz`` with the times of
single allocs and frees.  That has two arrays for each variant (by its index) and kind:
``0.alloc.least`` [process, op], the least time of each op in ns, ascending in each process, and
``0.alloc.longest`` [process], the longest reading.  No output uses the order of the ops, and
ascending numbers compress.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pyperf

from iova_lab.basics.reading import read_arrays, read_json, wrong
from iova_lab.basics.writing import write_whole
from iova_lab.comparison.counting import KINDS, Counts
from iova_lab.comparison.plan import Plan
from iova_lab.comparison.result import CellResult, Comparison, OpTimes, Subject

FORMAT = 2
WRITTEN_BY = "`iova-lab compare`"

#: Beside comparison.json: the cells whose times were withdrawn, with the reason of each.
WITHDRAWN = "withdrawn.json"
CHANGED = "the workload has changed since it was measured"

#: Of pyperf's metadata: where somebody's files lie says nothing of the measurement.
PRIVATE = ("python_executable", "python_config_args", "python_cflags", "command")


def pyperf_paths(result: Comparison, folder: Path) -> list[Path]:
    """One file per variant, numbered, because two may have one name."""
    return [
        folder / "pyperf" / f"{index}-{subject.label.replace('#', '-')}.json.gz"
        for index, subject in enumerate(result.subjects)
    ]


def _forms(path: Path) -> tuple[Path, Path]:
    """The file, and the name that an older lab gave it, not compressed."""
    return path, path.with_suffix("")


def save(result: Comparison, folder: Path) -> Path:
    """Write everything that was measured; the path of comparison.json."""
    (folder / "pyperf").mkdir(parents=True, exist_ok=True)
    (folder / "ops").mkdir(exist_ok=True)
    for which, path in enumerate(pyperf_paths(result, folder)):
        _save_runs(result, which, path)
    for cell in result.cells:
        _save_ops(cell, folder / "ops" / f"{cell.cell.name}.npz")
    (folder / WITHDRAWN).unlink(missing_ok=True)  # of an earlier comparison
    return write_whole(
        folder / "comparison.json", json.dumps(_head(result), indent=1, default=asdict) + "\n"
    )


def _save_runs(result: Comparison, which: int, path: Path) -> None:
    for older in _forms(path):  # of a comparison in which this one was measured
        older.unlink(missing_ok=True)
    benchmarks = [
        pyperf.Benchmark([_named(run, cell, result.subjects[which]) for run in cell.runs[which]])
        for cell in result.cells
        if cell.runs.get(which)
    ]
    if benchmarks:
        pyperf.BenchmarkSuite(benchmarks).dump(str(path), replace=True)


def _named(run: pyperf.Run, cell: CellResult, subject: Subject) -> pyperf.Run:
    metadata = {k: v for k, v in run.get_metadata().items() if k not in PRIVATE}
    metadata |= {"name": cell.cell.name, "variant": subject.label}
    return pyperf.Run(
        run.values, warmups=run.warmups or None, metadata=metadata, collect_metadata=False
    )


def _save_ops(cell: CellResult, path: Path) -> None:
    arrays: dict[str, Any] = {}
    for (which, kind), taken in cell.op_times.items():
        name = f"{which}.{kind}"
        arrays[f"{name}.least"] = np.stack([times.least for times in taken])
        arrays[f"{name}.longest"] = np.array([times.longest for times in taken], np.uint32)
    np.savez_compressed(path, **arrays)


def _head(result: Comparison) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "date": result.date,
        "partial": result.partial,
        "commit": result.commit,
        "compiler": result.compiler,
        "plan": result.plan,
        "subjects": result.subjects,
        "system": result.system,
        "checks": result.checks,
        "cells": [
            {
                "clock_ns": cell.clock_ns,
                "stream": cell.stream,
                "counts": cell.counts,
                "failures": cell.failures,
            }
            for cell in result.cells
        ],
    }


class _CellRow(msgspec.Struct):
    """Counts and failures are by index of the variant."""

    clock_ns: int
    counts: dict[int, Counts]
    failures: dict[int, str]
    stream: str


class _Written(msgspec.Struct):
    """What the files of every version have."""

    format: int


class _Head(msgspec.Struct):
    """What `_head` returns."""

    format: Literal[2]
    date: str
    partial: str
    commit: str
    compiler: str
    plan: Plan
    subjects: list[Subject]
    system: dict[str, str]
    checks: list[str]
    cells: list[_CellRow]

    def __post_init__(self) -> None:
        if len(self.cells) != len(self.plan.cells):
            raise ValueError(f"{len(self.cells)} cells, and {len(self.plan.cells)} in the plan")
        if len(self.subjects) != len(self.plan.variants):
            raise ValueError(f"{len(self.subjects)} subjects, {len(self.plan.variants)} variants")
        known = range(len(self.subjects))
        for cell in self.cells:
            for which in (*cell.counts, *cell.failures):
                if which not in known:
                    raise ValueError(f"cells: variant {which} of {len(self.subjects)}")
            if any(counts.kinds.keys() != set(KINDS) for counts in cell.counts.values()):
                raise ValueError("cells: counts are not of alloc and free")


def load(folder: Path) -> Comparison:
    """Read what `save` wrote.  Raises `FileError` with one line where that can't be."""
    path = folder / "comparison.json"
    if read_json(path, _Written, written_by=WRITTEN_BY).format < FORMAT:
        raise wrong(path, "measured by an older iova-lab: measure again", WRITTEN_BY)
    head = read_json(path, _Head, written_by=WRITTEN_BY)
    result = Comparison(
        plan=head.plan,
        subjects=tuple(head.subjects),
        cells=[
            CellResult(
                cell=cell,
                counts=found.counts,
                failures=found.failures,
                op_times=_load_ops(found.counts, folder / "ops" / f"{cell.name}.npz"),
                clock_ns=found.clock_ns,
                stream=found.stream,
            )
            for cell, found in zip(head.plan.cells, head.cells, strict=True)
        ],
        system=head.system,
        checks=head.checks,
        partial=head.partial,
        date=head.date,
        commit=head.commit,
        compiler=head.compiler,
    )
    for which, path in enumerate(pyperf_paths(result, folder)):
        if written := next(filter(Path.exists, _forms(path)), None):
            _load_runs(result, which, written)
    reasons = withdrawn(folder)
    for cell in result.cells:
        _withdraw(cell, reasons, head.plan.seed)
    return result


def withdrawn(folder: Path) -> dict[str, str]:
    """Why the times of a cell are not to be shown, by its name: what ``withdrawn.json`` has."""
    path = folder / WITHDRAWN
    return read_json(path, dict[str, str], written_by="a maintainer") if path.exists() else {}


def _withdraw(cell: CellResult, reasons: dict[str, str], seed: int) -> None:
    """Take out the times of a cell that is withdrawn, and all of one whose workload has changed."""
    cell.withdrawn = reasons.get(cell.cell.name) or _changed(cell, seed)
    if cell.withdrawn:
        cell.runs, cell.op_times = {}, {}
    if cell.withdrawn == CHANGED:
        cell.counts = {}


def _changed(cell: CellResult, seed: int) -> str:
    try:
        stream = cell.cell.stream(seed)
    except (LookupError, OSError, ValueError):
        return ""  # a trace that has been moved: nothing to hold it against
    return "" if stream.digest() == cell.stream else CHANGED


def _load_ops(counts: dict[int, Counts], path: Path) -> dict[tuple[int, str], list[OpTimes]]:
    """The times of every variant that has some: one that failed early has none.

    Without the file they are not kept.
    """
    if not path.exists():
        return {}
    arrays = read_arrays(path, written_by=WRITTEN_BY)
    found = {}
    for which, kind in itertools.product(counts, KINDS):
        name, nr_ops = f"{which}.{kind}", counts[which].kinds[kind].nr_ops
        if f"{name}.least" not in arrays:
            continue
        least, longest = arrays[f"{name}.least"], arrays.get(f"{name}.longest", np.empty(0))
        if least.ndim != 2 or least.shape[1] != nr_ops or longest.shape != least.shape[:1]:
            raise wrong(path, f"{name}: not [process, op] of {nr_ops} ops", WRITTEN_BY)
        found[which, kind] = list(map(OpTimes, least, longest.tolist()))
    return found


class _Run(msgspec.Struct):
    values: list[float] = []
    metadata: dict[str, Any] = {}


class _Benchmark(msgspec.Struct):
    runs: list[_Run]


class _Suite(msgspec.Struct):
    """What is read before pyperf reads the whole: it checks no types."""

    version: str
    benchmarks: list[_Benchmark]


def _load_runs(result: Comparison, which: int, path: Path) -> None:
    by_name = {cell.cell.name: cell for cell in result.cells}
    read_json(path, _Suite, written_by=WRITTEN_BY)
    try:
        for benchmark in pyperf.BenchmarkSuite.load(str(path)):
            by_name[benchmark.get_name()].runs[which] = benchmark.get_runs()
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise wrong(path, f"pyperf can't read it: {error!r}", WRITTEN_BY) from None
