"""A reference that begins with what an older commit has of the code that is the same.

Where few variants change, the others need not be measured again for the new commit: their cells
are copied from asv's file of the older one.  carried.jsonl beside these files has which commit they
are from, and pages say so.  The times of `BASE`, to which all others are compared, are measured
again up to `MOST_AGAIN` live ranges, on the day of the new ones; beyond, one takes minutes.
"""

from __future__ import annotations

import ast
import itertools
import json
import math
from pathlib import Path
from typing import Any

import msgspec

from iova_lab.basics import repository
from iova_lab.basics.errors import IovaLabError
from iova_lab.basics.reading import read_rows
from iova_lab.basics.writing import append_row, write_whole
from iova_lab.measuring import asv_runs, flags

CARRIED = "carried.jsonl"
BASE, MOST_AGAIN = "mainline", 100_000
#: What every variant is measured with, in git's pathspecs; the C of variants is told apart.
_COMMON = (":(glob)harness/*.[ch]", "harness/userspace", "iova_variants/building.py")
#: Of asv's benchmarks, those of time.
_TIMED = ("latency.", "rcache.Latency")
#: Columns of asv's file with a value per cell.
_CELLS = ("result", "stats_ci_99_a", "stats_ci_99_b", "stats_repeat", "samples")


class CarriedRow(msgspec.Struct, kw_only=True):
    """A row of carried.jsonl: ``commit`` began with what ``before`` had, but for ``changed``."""

    commit: str
    before: str
    changed: list[str]


def rows_of(folder: Path, commit: str) -> list[CarriedRow]:
    """What the cells of ``commit`` were carried from; none if all were measured there."""
    rows = read_rows(folder / CARRIED, CarriedRow, written_by="`iova-lab reference --carry`")
    return [msgspec.convert(row, CarriedRow) for row in rows if row["commit"] == commit]


def carry(results_dir: Path, machine: str, before: str, commit: str) -> list[str]:
    """Begin ``commit`` with the cells of ``before``; the names of what changed, and is left out.

    The checkout is at ``commit``.  Raises `IovaLabError` where ``commit`` has results already, or
    more than the C of variants and the workloads has changed.
    """
    run = asv_runs.find_run(results_dir, machine, before)
    target = run.path.with_name(run.path.name.replace(run.commit[:8], commit[:8], 1))
    if target.exists():
        raise IovaLabError(f"{target} exists: `iova-lab reference` goes on with it")
    if repository.output("diff", "--quiet", commit, "--", "iova_variants", *_COMMON) is None:
        raise IovaLabError(f"the checkout is not at {commit[:12]}: git checkout {commit[:12]}")
    if repository.output("diff", "--quiet", run.commit, "--", *_COMMON) is None:
        raise IovaLabError(
            f"what every variant is measured with has changed since {run.commit[:12]}: measure all"
            " again, without --carry"
        )
    changed = flags.old_names(run.commit)
    date = repository.output("show", "-s", "--format=%ct", commit)
    if changed is None or date is None:
        raise IovaLabError(f"{run.commit[:12]} or {commit[:12]} is not in this repository")
    raw = json.loads(run.path.read_text(encoding="utf-8"))
    raw["commit_hash"], raw["date"] = commit, int(date) * 1000
    for name, values in raw["results"].items():
        columns = dict(zip(raw["result_columns"], values or [], strict=False))
        _forget(columns, set(changed), timed=name.startswith(_TIMED))
    write_whole(target, json.dumps(raw, separators=(",", ":")))
    row = CarriedRow(commit=commit, before=run.commit, changed=changed)
    append_row(run.path.parent / CARRIED, msgspec.to_builtins(row))
    return changed


def _forget(columns: dict[str, Any], names: set[str], *, timed: bool) -> None:
    """Make the cells of these variants and workloads ones that were not measured, in place."""
    cells = itertools.product(*columns.get("params") or [])
    gone = [
        index
        for index, cell in enumerate(cells)
        if _is_new([ast.literal_eval(text) for text in cell], names, timed=timed)
    ]
    for name in _CELLS:
        column = columns.get(name)
        if column:
            for index in gone:
                column[index] = math.nan if name == "result" else None


def _is_new(cell: list[str | int], names: set[str], *, timed: bool) -> bool:
    again = timed and cell[0] == BASE and int(cell[-1]) <= MOST_AGAIN
    return again or not names.isdisjoint(map(str, cell))
