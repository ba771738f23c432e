"""Where does the evidence lie?  Each part is read where it is, and is empty where it is not."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pandas as pd

from iova_lab import comparison
from iova_lab.basics.errors import NoResultsError
from iova_lab.basics.reading import Row, packed, read_json, read_table, row_files
from iova_lab.comparison import notes
from iova_lab.contention import plausible, store
from iova_lab.measuring import counts, provenance, rows, windows
from iova_lab.measuring.asv_runs import ResultsError
from iova_lab.measuring.cells import Cell, CellRatio, Measured, ratio
from iova_lab.measuring.code_digest import is_old
from iova_lab.measuring.contenders import SUBJECT, TODAY
from iova_lab.measuring.provenance import Provenance
from iova_lab.reports import fidelity

COUNTS = "counts.csv.gz"
INSTRUCTIONS = "instructions.csv.gz"
#: The same at 10^7 live ranges.
TEN_MILLION = "ten_million.csv.gz"
#: The plainest exact top-down search, where it can be paid for: whose span ours must have.
EXACT = "no_cache.csv.gz"
SOAK = "soak.json"
#: Nodes of what reaches the tree through the rcache of 6.7, and its hits.
RCACHE = "rcache.csv.gz"

#: Contention, measured and simulated.
CONTENTION = ("validation.jsonl", "sweep.jsonl", "lockups.jsonl")

#: The rcaches in front of which the comparison was made, by the folder's name.
COMPARISONS = {"compare-off": "off", "compare-6.7": "6.7"}


@dataclass(frozen=True)
class Sources:
    """All that the page stands on.

    ``counts``: a row per workload, nr_live and variant, exact (`iova-lab counts`).
    ``instructions``: the same with instructions per op in user space, counted by callgrind;
    ``ten_million``: these at 10^7 live ranges.
    ``kernel``: rows of `iova-lab kernel fidelity`.  ``lockup``: of `iova-lab kernel lockup`.
    ``compared``: paired times, by rcache.  ``threads``, ``sweep``, ``locks``: contention measured
    and simulated; ``disturbed``: threads that are left out, by cell; ``loaded``: cells whose holds
    were measured on a loaded machine, and the simulations stand on them; ``old_holds``: variants
    whose holds are of other code than today's.  ``soak``: judged random ops, {} unless a command
    stored them.  ``rcache``: counts with the rcache of 6.7 in front.  ``made``: how each file was
    made.
    """

    counts: pd.DataFrame
    instructions: pd.DataFrame
    kernel: pd.DataFrame
    lockup: pd.DataFrame
    compared: dict[str, comparison.Comparison]
    threads: pd.DataFrame
    sweep: pd.DataFrame
    locks: pd.DataFrame
    soak: dict[str, Any]
    disturbed: list[str] = field(default_factory=list)
    loaded: frozenset[tuple[str, str, int]] = frozenset()
    old_holds: frozenset[str] = frozenset()
    rcache: pd.DataFrame = field(default_factory=pd.DataFrame)
    ten_million: pd.DataFrame = field(default_factory=pd.DataFrame)
    made: dict[str, Provenance] = field(default_factory=dict)


def load(results: Path) -> Sources:
    """Read everything.  Raises `ResultsError` without the counts: nothing can be said then."""
    own = results / SUBJECT
    if not (own / COUNTS).exists():
        raise ResultsError(f"{own / COUNTS} is not there: `iova-lab counts --help` says how")
    contention = results / "contention"
    compared = {
        rcache: comparison.load(own / folder)
        for folder, rcache in COMPARISONS.items()
        if (own / folder / "comparison.json").exists()
    }
    soak = _soak(own / SOAK)
    checked, holds = (store.read(contention, name) for name in ("validation", "services"))
    return Sources(
        counts=pd.concat([_csv(own / COUNTS), _csv(own / EXACT)], ignore_index=True),
        instructions=_csv(own / INSTRUCTIONS),
        kernel=_kernel(results / "kernel"),
        lockup=pd.DataFrame(rows.lockups(results / "kernel")),
        compared=compared,
        threads=pd.DataFrame(plausible.usable(checked)),
        disturbed=[_thread_cell(row) for row in checked if plausible.validation_doubts(row)],
        loaded=frozenset(tuple(row["asked"]) for row in holds if row.get("load", {}).get("loaded")),
        old_holds=frozenset(
            row["asked"][0] for row in holds if is_old(row, row["asked"][0], "threaded")
        ),
        sweep=pd.DataFrame(store.read(contention, "sweep")),
        locks=pd.DataFrame(store.read(contention, "lockups")),
        soak=soak,
        rcache=_csv(own / RCACHE),
        ten_million=_csv(own / TEN_MILLION),
        made=_made(results, compared, soak),
    )


def _thread_cell(row: Row) -> str:
    threads = f"{row['threads']} thread{'s' * (row['threads'] > 1)}"
    return f"{row['variant']} on {row['workload']} at {row['nr_live']:,}, {threads}"


class _Soaked(msgspec.Struct):
    nr_ops: int
    nr_judged: int
    breach: str


class _Soak(msgspec.Struct):
    """What `soak.store` writes; no ``command`` if no command wrote it."""

    variants: dict[str, _Soaked] = {}
    command: str = ""


def _soak(path: Path) -> dict[str, Any]:
    """What `iova-lab soak --json` wrote; {} for a file that no command wrote."""
    if not path.exists():
        return {}
    stored = read_json(path, _Soak, written_by="`iova-lab soak --json`")
    found = stored.variants.get(SUBJECT)
    return msgspec.structs.asdict(found) if found and stored.command else {}


def _made(
    results: Path, compared: dict[str, comparison.Comparison], soak: dict[str, Any]
) -> dict[str, Provenance]:
    """How each file was made; empty for one whose command did not record it."""
    own = results / SUBJECT
    found = {
        f"{SUBJECT}/{name}": provenance.read(own / name)
        for name in (COUNTS, EXACT, INSTRUCTIONS, RCACHE, TEN_MILLION)
        if (own / name).exists()
    }
    if soak:
        found[f"{SUBJECT}/{SOAK}"] = provenance.read_file(own / SOAK)
    for rcache, result in compared.items():
        found[f"{SUBJECT}/compare-{rcache}/comparison.json"] = Provenance(
            command=notes.command(result),
            commit=result.commit,
            date=result.date.partition("T")[0],
            machine={"cpu": result.system["CPU"]} if "CPU" in result.system else {},
            load=max(result.loads, default=None),
        )
    others = row_files(results / "kernel", rows.KERNELS) + row_files(
        results / "kernel", rows.LOCKUPS
    )
    others += [results / "contention" / name for name in CONTENTION]
    there = (path for path in others if path.exists() or packed(path).exists())
    return found | {str(path.relative_to(results)): provenance.read(path) for path in there}


def ratios(
    frame: pd.DataFrame, column: str, *, unit: str, base: str = TODAY, subject: str = SUBJECT
) -> list[CellRatio]:
    """``subject`` over ``base`` in every cell that has both: one `ratio` of like with like each.

    Rows are exact counts; ``release`` and ``rcache``, where there are such columns, are part of the
    cell.
    """
    if column not in frame:
        return []
    found: dict[Cell, dict[str, Measured]] = {}
    for row in frame.dropna(subset=[column]).to_dict("records"):
        named = {"where": row.get("release"), "level": row.get("rcache")}
        where = {name: str(value) for name, value in named.items() if value and value != "off"}
        cell = Cell(row["workload"], int(row["nr_live"]), **where)
        value = Measured.count(row["variant"], column, cell, float(row[column]), unit)
        found.setdefault(cell, {})[row["variant"]] = value
    both = (
        ratio(values[subject], values[base])
        for values in found.values()
        if {subject, base} <= set(values)
    )
    return [one for one in both if isinstance(one, CellRatio)]


def _csv(path: Path) -> pd.DataFrame:
    if not path.exists():
        return pd.DataFrame()
    frame = read_table(path, counts.Row, written_by="`iova-lab counts`", dtype={"rcache": str})
    return windows.present(frame, "nr_ops") if "nr_ops" in frame else frame


def _kernel(results: Path) -> pd.DataFrame:
    try:
        return fidelity.load(results)
    except NoResultsError:
        return pd.DataFrame()
