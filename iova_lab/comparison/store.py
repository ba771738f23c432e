"""How is a comparison kept, so that its pages can be made again from files alone?

One folder: ``comparison.json`` (the plan, exact counts, what failed and why), one pyperf file per
variant under ``pyperf/`` with one benchmark per cell, and ``ops/<cell>.npz`` with the time of every
single op.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyperf

from iova_lab.comparison.counting import Counts, KindCounts
from iova_lab.comparison.plan import Cell, Plan
from iova_lab.comparison.result import CellResult, Comparison, Subject
from iova_lab.errors import IovaLabError

FORMAT = 1

#: Beside comparison.json: the cells whose times were withdrawn, with the reason of each.
WITHDRAWN = "withdrawn.json"
CHANGED = "the workload has changed since it was measured"

#: Of pyperf's metadata: where somebody's files lie says nothing of the measurement.
PRIVATE = ("python_executable", "python_config_args", "python_cflags", "command")


class StoreError(IovaLabError, ValueError):
    """A folder does not hold a comparison; the message says what is wrong with it."""


def pyperf_paths(result: Comparison, folder: Path) -> list[Path]:
    """One file per variant, numbered, because two may have one name."""
    return [
        folder / "pyperf" / f"{index}-{subject.label.replace('#', '-')}.json"
        for index, subject in enumerate(result.subjects)
    ]


def save(result: Comparison, folder: Path) -> Path:
    """Write everything that was measured; the path of comparison.json."""
    (folder / "pyperf").mkdir(parents=True, exist_ok=True)
    (folder / "ops").mkdir(exist_ok=True)
    for which, path in enumerate(pyperf_paths(result, folder)):
        _save_runs(result, which, path)
    for cell in result.cells:
        _save_ops(cell, folder / "ops" / f"{cell.cell.name}.npz")
    (folder / WITHDRAWN).unlink(missing_ok=True)  # of an earlier comparison
    path = folder / "comparison.json"
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(_head(result), indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def _save_runs(result: Comparison, which: int, path: Path) -> None:
    path.unlink(missing_ok=True)  # of an earlier comparison, in which this one was measured
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
    arrays: dict[str, Any] = {
        str(which): np.stack(taken) for which, taken in cell.op_ns.items() if taken
    }
    np.savez_compressed(path, kinds=cell.kinds, **arrays)


def _head(result: Comparison) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "date": result.date,
        "partial": result.partial,
        "commit": result.commit,
        "compiler": result.compiler,
        "plan": asdict(result.plan),
        "subjects": [asdict(subject) for subject in result.subjects],
        "system": result.system,
        "checks": result.checks,
        "cells": [
            {
                "clock_ns": cell.clock_ns,
                "stream": cell.stream,
                "counts": {str(which): asdict(counts) for which, counts in cell.counts.items()},
                "failures": {str(which): reason for which, reason in cell.failures.items()},
            }
            for cell in result.cells
        ],
    }


def load(folder: Path) -> Comparison:
    """Read what `save` wrote.  Raises `StoreError` with one line where that can't be."""
    path = folder / "comparison.json"
    try:
        head = json.loads(path.read_text(encoding="utf-8"))
        if head["format"] != FORMAT:
            raise StoreError(f"{path} has format {head['format']}, and this reads {FORMAT}")
        return _load(head, folder)
    except StoreError:
        raise
    except FileNotFoundError as error:
        raise StoreError(f"{folder} holds no comparison: {error.filename} is missing") from None
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise StoreError(f"{path} is not what compare writes: {error!r}") from None


def _load(head: dict[str, Any], folder: Path) -> Comparison:
    fields = head["plan"]
    cells = tuple(Cell(**cell) for cell in fields["cells"])
    plan = Plan(**fields | {"cells": cells, "candidates": tuple(fields["candidates"])})
    result = Comparison(
        plan=plan,
        subjects=tuple(Subject(**subject) for subject in head["subjects"]),
        cells=[
            _load_cell(cell, found, folder)
            for cell, found in zip(plan.cells, head["cells"], strict=True)
        ],
        system=head["system"],
        checks=head["checks"],
        partial=head["partial"],
        date=head["date"],
        commit=head.get("commit", ""),
        compiler=head.get("compiler", ""),
    )
    for which, path in enumerate(pyperf_paths(result, folder)):
        if path.exists():
            _load_runs(result, which, path)
    for cell in result.cells:
        _withdraw(cell, withdrawn(folder), plan.seed)
    return result


def withdrawn(folder: Path) -> dict[str, str]:
    """Why the times of a cell are not to be shown, by its name: what ``withdrawn.json`` has."""
    path = folder / WITHDRAWN
    found: dict[str, str] = json.loads(path.read_text("utf-8")) if path.exists() else {}
    return found


def _withdraw(cell: CellResult, reasons: dict[str, str], seed: int) -> None:
    """Take out the times of a cell that is withdrawn, and all of one whose workload has changed."""
    cell.withdrawn = reasons.get(cell.cell.name) or _changed(cell, seed)
    if cell.withdrawn:
        cell.runs, cell.op_ns = {}, {}
    if cell.withdrawn == CHANGED:
        cell.counts = {}


def _changed(cell: CellResult, seed: int) -> str:
    try:
        stream = cell.cell.stream(seed)
    except (LookupError, OSError, ValueError):
        return ""  # a trace that has been moved: nothing to hold it against
    same = stream.digest() == cell.stream if cell.stream else stream.nr_measured == len(cell.kinds)
    return "" if same else CHANGED


def _load_cell(cell: Cell, found: dict[str, Any], folder: Path) -> CellResult:
    with np.load(folder / "ops" / f"{cell.name}.npz") as arrays:
        taken = {int(name): list(arrays[name]) for name in arrays.files if name != "kinds"}
        kinds = arrays["kinds"]
    return CellResult(
        cell=cell,
        kinds=kinds,
        counts={int(which): _load_counts(counts) for which, counts in found["counts"].items()},
        failures={int(which): reason for which, reason in found["failures"].items()},
        op_ns=taken,
        clock_ns=found["clock_ns"],
        stream=found.get("stream", ""),
    )


def _load_counts(fields: dict[str, Any]) -> Counts:
    counts = Counts(**fields)
    return replace(
        counts, kinds={kind: KindCounts(**found) for kind, found in fields["kinds"].items()}
    )


def _load_runs(result: Comparison, which: int, path: Path) -> None:
    by_name = {cell.cell.name: cell for cell in result.cells}
    try:
        for benchmark in pyperf.BenchmarkSuite.load(str(path)):
            by_name[benchmark.get_name()].runs[which] = benchmark.get_runs()
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{path} is not what pyperf writes here: {error!r}") from None
