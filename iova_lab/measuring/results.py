"""What did asv measure on one machine at one commit?

Reads asv's documented JSON (results/benchmarks.json and results/<machine>/<commit>-<env>.json) into
one tidy frame, a row per cell, with the reason for every cell that has no value.
"""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pandas as pd

from iova_lab import workloads
from iova_lab.basics.reading import convert
from iova_lab.measuring.asv_runs import WRITTEN_BY, read_file
from iova_lab.measuring.asv_runs import ResultsError as ResultsError
from iova_lab.measuring.asv_runs import Run as Run
from iova_lab.measuring.asv_runs import find_run as find_run
from iova_lab.measuring.catalogue import fake_variants
from iova_lab.measuring.cells import Missing
from iova_lab.measuring.frames import columns_of, rows_of
from iova_lab.measuring.metrics import (
    METRICS,
    MOST_BEHIND,
    OF_FAKES,
    OF_LIVE,
    RCACHE_METRICS,
    TIMES,
    Metric,
)
from iova_variants.opstream import Op

PARAM_NAMES = ["variant", "workload", "nr_live"]
MEASURED, STALE = "measured", "stale"
NOT_MEASURED, NOT_APPLICABLE = str(Missing.NOT_MEASURED), str(Missing.NOT_APPLICABLE)
OVER_BUDGET, FAILED = str(Missing.OVER_BUDGET), str(Missing.FAILED)

NO_SUCH_SIZE = "not applicable: the workload has no such size"
KEEPS_NONE = "not applicable: it keeps no ranges"
ENDS_EMPTY = "not applicable: the workload ends with no live range"
LARGER = f"not applicable: behind an rcache, sizes end at {MOST_BEHIND:,} live ranges"

#: A window that takes longer is not timed, at this many ns for a node.
WINDOW_S, NODE_NS = 10.0, 20.0
TOO_LONG = f"over the node budget of times: the window would take more than {WINDOW_S:g} s"

REASONS = {
    FAILED: "failed (error, crash or time-out; `asv run --show-stderr` prints which)",
    NOT_MEASURED: "not measured in this run",
    STALE: "measured with an older version of the benchmark",
    OVER_BUDGET: "over the node budget (the window would take too long)",
}

_BEHIND = frozenset(metric.name for metric in RCACHE_METRICS.values())

#: Values of the metric why_not, as in benchmarks/coverage.py.
WHY_NOT = {1: NOT_APPLICABLE, 2: OVER_BUDGET}


class _Benchmark(msgspec.Struct):
    version: str | None = None


@cache
def nr_measured(workload: str) -> int:
    """Ops in the workload's window; the same at every size."""
    try:
        smallest = max(workloads.get(workload).min_nr_live, 100)
        return workloads.generate(workload, smallest).nr_measured
    except LookupError as error:
        raise ResultsError(
            f"results name {error.args[0]}; report them from a checkout that has it"
        ) from None


def _status(value: float | None, stale: bool) -> str:
    if stale:
        return STALE
    if value is None:
        return FAILED
    return NOT_MEASURED if math.isnan(value) else MEASURED


def _finite(value: float | None) -> float:
    return math.nan if value is None or math.isinf(value) else value


def _combos(path: Path, name: str, params: list[list[str]]) -> list[tuple[str, str, int]]:
    """The cells, in asv's order: it stores repr() of each parameter; ours are only str and int."""
    try:
        variants, sources, sizes = ([ast.literal_eval(text) for text in axis] for axis in params)
    except (ValueError, SyntaxError):
        raise ResultsError(
            f"{path}: {name} does not have the parameters {', '.join(PARAM_NAMES)}"
        ) from None
    return list(itertools.product(variants, sources, sizes))


def _cells(run: Run, metric: Metric, stale: bool) -> Iterator[dict[str, Any]]:
    row = run.results[metric.benchmark]
    combos = _combos(run.path, metric.benchmark, row.params or [])
    blank: list[float | None] = [None] * len(combos)
    stored = (row.result, row.stats_ci_99_a, row.stats_ci_99_b, row.stats_repeat)
    columns = [column or blank for column in stored]
    if any(len(column) != len(combos) for column in columns):
        raise ResultsError(f"{run.path}: {metric.benchmark} has not one value per cell")
    for combo, value, low, high, repeat in zip(combos, *columns, strict=True):
        status = _status(value, stale)
        measured = status == MEASURED
        timed = measured and metric.name in TIMES
        factor = 1e9 / nr_measured(combo[1]) if timed else 1.0
        yield {
            "metric": metric.name,
            **dict(zip(PARAM_NAMES, combo, strict=True)),
            "value": value * factor if measured else math.nan,
            "ci_lo": _finite(low) * factor if measured else math.nan,
            "ci_hi": _finite(high) * factor if measured else math.nan,
            "nr_samples": int(repeat or 1) if measured else 0,
            "unit": metric.unit,
            "status": status,
        }


class CellRow(NamedTuple):
    """A row of `tidy`."""

    machine: str
    commit: str
    date: pd.Timestamp
    metric: str
    variant: str
    workload: str
    nr_live: int
    value: float
    ci_lo: float
    ci_hi: float
    nr_samples: int
    unit: str
    status: str
    reason: str


COLUMNS = columns_of(CellRow)


class _Asked(NamedTuple):
    """A cell, before the reason is known."""

    metric: str
    workload: str
    variant: str
    nr_live: int
    status: str


def tidy(results_dir: Path, run: Run, metrics: Mapping[str, Metric] = METRICS) -> pd.DataFrame:
    """One row per cell of the grid (metric x workload x variant x nr_live), sorted.

    ``metrics`` are `METRICS` or `RCACHE_METRICS`.
    Columns are those of `CellRow`: ci_lo and ci_hi are 99 %, NaN where asv stored none or an
    infinite one; reason is empty, or why there is no value.  Status is measured, failed (asv's
    null: error, crash, time-out), stale (of another version of the benchmark), not applicable
    (there is no such cell), over the node budget, or not measured (not part of the run).  asv
    stores the last three alike, as NaN; they are distinguished by the metric why_not and by the
    workloads of this checkout.  Times are in ns per measured op.
    """
    path = results_dir / "benchmarks.json"
    benchmarks = read_file(path, dict[str, Any])
    rows: list[dict[str, Any]] = []
    for benchmark, values in run.results.items():
        if benchmark not in metrics or benchmark not in benchmarks:
            continue  # renamed or removed since; old files outlive benchmarks.json
        now = convert(benchmarks[benchmark], _Benchmark, path, WRITTEN_BY, benchmark)
        stale = values.version not in (None, now.version)
        rows += _cells(run, metrics[benchmark], stale)
    if not rows:
        raise ResultsError(
            f"{run.path}: holds none of our benchmarks ({', '.join(metrics)}); run `asv run`"
        )
    frame = _complete(pd.DataFrame(rows), metrics)
    return frame.assign(machine=run.machine, commit=run.commit, date=run.date)[COLUMNS]


def _complete(frame: pd.DataFrame, metrics: Mapping[str, Metric]) -> pd.DataFrame:
    """Add the cells that asv has no row for, and the reason of each that has no value."""
    units = {metric.name: metric.unit for metric in metrics.values()}
    axes = [sorted(units), *(sorted(set(frame[key])) for key in ("workload", "variant", "nr_live"))]
    keys = ["metric", "workload", "variant", "nr_live"]
    grid = pd.MultiIndex.from_product(axes, names=keys)
    frame = frame.set_index(keys).reindex(grid).reset_index()
    frame["status"] = frame["status"].fillna(NOT_MEASURED)
    frame["unit"] = frame["metric"].map(units)
    frame["nr_samples"] = frame["nr_samples"].fillna(0).astype(int)
    why = frame[frame["metric"] == "why_not"].set_index(keys[1:])["value"].map(WHY_NOT).to_dict()
    fakes, too_long = fake_variants(set(frame["variant"])), _too_long(frame)
    found = [
        _why(row, why.get(cell), fakes, is_long=cell in too_long)
        for row in rows_of(frame, _Asked)
        for cell in [(row.workload, row.variant, row.nr_live)]
    ]
    frame["status"], frame["reason"] = zip(*found, strict=True)
    return frame


def _too_long(frame: pd.DataFrame) -> set[tuple[str, str, int]]:
    """Workload, variant, nr_live of the windows that take more than `WINDOW_S`, by their nodes."""
    nodes = select(frame, metric="nodes_per_op")
    ops = nodes["workload"].map(nr_measured)
    long = nodes[nodes["value"] * ops * NODE_NS > WINDOW_S * 1e9]
    return set(zip(long["workload"], long["variant"], long["nr_live"], strict=True))


def _why(
    row: _Asked, coverage: str | None, fakes: frozenset[str], *, is_long: bool
) -> tuple[str, str]:
    """Status and reason of one cell; ``coverage`` is what the metric why_not found, if anything.

    ``is_long``: its window takes too long to be timed.
    """
    if row.status == MEASURED:
        return MEASURED, ""
    if row.status != NOT_MEASURED:
        return row.status, REASONS[row.status]
    if row.variant in fakes and row.metric not in OF_FAKES:
        return NOT_APPLICABLE, KEEPS_NONE
    if row.metric in _BEHIND and row.nr_live > MOST_BEHIND:
        return NOT_APPLICABLE, LARGER
    if coverage == NOT_APPLICABLE or _no_such_size(row.workload, row.nr_live):
        return NOT_APPLICABLE, NO_SUCH_SIZE
    if coverage == OVER_BUDGET:
        return OVER_BUDGET, REASONS[OVER_BUDGET]
    if row.metric in OF_LIVE and _ends_empty(row.workload):
        return NOT_APPLICABLE, ENDS_EMPTY
    if row.metric in TIMES and is_long:
        return OVER_BUDGET, TOO_LONG
    return NOT_MEASURED, REASONS[NOT_MEASURED]


def _no_such_size(workload: str, nr_live: int) -> bool:
    found = workloads.find(workload)
    return found is not None and found.why_not(nr_live) is not None


@cache
def _ends_empty(workload: str) -> bool:
    """Does no range outlive the window?  The same at every size."""
    try:
        smallest = max(workloads.get(workload).min_nr_live, 100)
        ops = workloads.generate(workload, smallest).ops
    except LookupError:
        return False
    last_op = dict(zip(ops["slot"].tolist(), ops["op"].tolist(), strict=True))
    return all(op == Op.FREE for op in last_op.values())


def select(frame: pd.DataFrame, **where: str | int) -> pd.DataFrame:
    """Return the measured rows whose columns have these values."""
    chosen = frame["status"] == MEASURED
    for column, value in where.items():
        chosen &= frame[column] == value
    return frame[chosen]


def why_missing(
    frame: pd.DataFrame, metric: str, variant: str, workload: str, nr_live: int
) -> str | None:
    """Why this cell has no value; None if it has one."""
    cell = {"metric": metric, "variant": variant, "workload": workload, "nr_live": nr_live}
    row = frame[frame[list(cell)].eq(pd.Series(cell)).all(axis=1)]
    return str(row["reason"].iat[0]) or None if len(row) else REASONS[NOT_MEASURED]
