"""How long each part of a reference took, and what disturbed it: load.jsonl beside asv's file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from iova_lab.basics.reading import Row, read_rows
from iova_lab.measuring import carried

COUNTS, TIMES = "counts", "times"
#: The same behind the per-CPU caches.
RCACHE_COUNTS, RCACHE_TIMES = "rcache-counts", "rcache-times"
#: How often a disturbed cell is measured, the first time among them.
MOST_TRIES = 3
#: Where the row of each part is, in the folder of the machine.
LOADS = "load.jsonl"


class PartRow(msgspec.Struct, kw_only=True):
    """A row of load.jsonl; the last four are those of `Load`."""

    commit: str
    kind: str
    nr_live: int
    workloads: list[str]
    nr_cells: int
    nr_try: int
    seconds: float
    disturbed: list[str]
    average: float
    others: float
    stolen: float
    loaded: bool


def rows_of(folder: Path, commit: str) -> list[Row]:
    """The rows of one commit and of what it was carried from, oldest first.

    None if it was not measured by `Reference`.
    """
    rows = read_rows(folder / LOADS, PartRow, written_by="`iova-lab reference`")
    commits = [commit, *(row.before for row in carried.rows_of(folder, commit))]
    return [row for row in rows if any(one.startswith(row["commit"][:8]) for one in commits)]


def conditions(folder: Path, commit: str, kind: str = TIMES) -> str:
    """What disturbed the times of ``commit``, in a sentence; "not recorded" without such rows."""
    rows = [row for row in rows_of(folder, commit) if row["kind"] == kind]
    if not rows:
        return "not recorded"
    last = {(row["nr_live"], name): row for row in rows for name in row["workloads"]}
    kept = last.values()
    stand = sum(name in row["disturbed"] for (_, name), row in last.items())
    return (
        f"others used at most {max(row['others'] for row in kept):.2f} CPUs, at most"
        f" {max(row['stolen'] for row in kept):.1%} of the CPU time was stolen; of"
        f" {len(last)} workloads and sizes {stand} were disturbed {MOST_TRIES} times and stand"
    )


def _power(nr_live: int) -> int:
    return len(str(nr_live))


def seconds_per_cell(rows: Sequence[Row], kind: str, nr_live: int) -> float | None:
    """What a cell of this kind took, at the nearest size that has rows; None without any."""
    own = [row for row in rows if row["kind"] == kind]
    if not own:
        return None
    nearest = min(own, key=lambda row: abs(_power(row["nr_live"]) - _power(nr_live)))["nr_live"]
    at = [row for row in own if row["nr_live"] == nearest]
    return float(sum(row["seconds"] for row in at) / sum(row["nr_cells"] for row in at))
