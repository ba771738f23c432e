"""Which runs of asv are stored, and what does each file hold?

asv writes one file for each commit in each environment, in the folder of the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import pandas as pd

from iova_lab.basics.reading import FileError, convert, read_json

#: Of asv's own files.
API_VERSION = 2
T = TypeVar("T")
WRITTEN_BY = "`asv run`"
#: pandas has no date beyond the year 2262.
MOST_MS = 9_000_000_000_000
NOT_RESULTS = {"machine.json", "benchmarks.json"}


class ResultsError(FileError):
    """Results that cannot be read; the message has the file, the fault and the remedy."""


class Columns(msgspec.Struct):
    """One benchmark's values: one per cell, in the order of the product of ``params``.

    A column that is None stands for None in every cell.  Times are s, ``started_at`` is ms.
    """

    result: list[float | None] | None = None
    params: list[list[str]] | None = None
    version: str | None = None
    started_at: int | None = None
    stats_ci_99_a: list[float | None] | None = None
    stats_ci_99_b: list[float | None] | None = None
    stats_repeat: list[float | None] | None = None


class _ResultFile(msgspec.Struct):
    """What asv writes of one commit in one environment, as its documentation has it."""

    commit_hash: str
    date: Annotated[int, msgspec.Meta(ge=0, le=MOST_MS)]
    params: dict[str, Any]
    result_columns: list[str]
    results: dict[str, list[Any] | None]


class _Versioned(msgspec.Struct):
    version: int | None = None


@dataclass(frozen=True)
class Run:
    """One asv result file: a commit, measured on a machine in one environment."""

    path: Path
    machine: str
    commit: str
    date: pd.Timestamp
    started_at: int
    params: dict[str, Any]
    results: dict[str, Columns]


def read_file(path: Path, schema: type[T]) -> T:
    """Read a file of asv; of another version than `API_VERSION`, only that is reported."""
    found = read_json(path, _Versioned, written_by=WRITTEN_BY).version
    if found != API_VERSION:
        raise ResultsError(
            f"{path}: format version {found}, not {API_VERSION}: not a file of asv 0.6, or an old"
            " one (`asv update` converts those)"
        )
    return read_json(path, schema, written_by=WRITTEN_BY)


def machines(results_dir: Path) -> list[str]:
    """Names of the machines that have results, sorted."""
    found = {path.parent.name for path in results_dir.glob("*/machine.json")}
    return sorted(name for name in found if _result_files(results_dir / name))


def _result_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if path.name not in NOT_RESULTS)


def _read_run(path: Path, machine: str) -> Run:
    file = read_file(path, _ResultFile)
    if file.params.get("machine") != machine:
        raise ResultsError(
            f"{path}: is of machine {file.params.get('machine')!r}, in the folder of {machine!r}"
        )
    results = {
        # asv drops trailing empty columns, so zip() stops early on purpose.
        name: convert(
            dict(zip(file.result_columns, values, strict=False)),
            Columns,
            path,
            WRITTEN_BY,
            f"results.{name}",
        )
        for name, values in file.results.items()
        if values
    }
    return Run(
        path=path,
        machine=machine,
        commit=file.commit_hash,
        date=pd.Timestamp(file.date, unit="ms"),
        started_at=max((row.started_at or 0 for row in results.values()), default=0),
        params=file.params,
        results=results,
    )


def find_run(results_dir: Path, machine: str, commit: str | None = None) -> Run:
    """The run to report: of the newest commit, or of the one that ``commit`` is a prefix of.

    Where a commit was measured in several environments, the one measured last.
    Raises `ResultsError` if there is none; it names the machines or commits that there are.
    """
    paths = _result_files(results_dir / machine)
    if not paths:
        known = ", ".join(machines(results_dir)) or "no machine yet: run `asv run` first"
        raise ResultsError(f"{results_dir}: no results of machine {machine!r}; there are: {known}")
    runs = [_read_run(path, machine) for path in paths]
    if commit is not None:
        chosen = [run for run in runs if commit and run.commit.startswith(commit)]
        if len({run.commit for run in chosen}) != 1:
            known = ", ".join(sorted({run.commit[:8] for run in chosen or runs}))
            wrong = "is ambiguous" if chosen else "was not measured"
            raise ResultsError(f"commit {commit!r} {wrong} on {machine}; there are: {known}")
        runs = chosen
    return max(runs, key=lambda run: (run.date, run.started_at, run.path.name))


def check(results_dir: Path) -> None:
    """Read all results of all machines.  Raises `FileError` for the first that can't be read."""
    for machine in machines(results_dir):
        for path in _result_files(results_dir / machine):
            _read_run(path, machine)


def machine_facts(run: Run) -> dict[str, str]:
    """What asv stored of the machine with the run: cpu, num_cpu, ram, arch, os."""
    keys = ("cpu", "num_cpu", "ram", "arch", "os")
    return {key: str(run.params[key]) for key in keys if run.params.get(key)}


def compiler(run: Run) -> str:
    """The first line that the C compiler of the run printed of its version, "" if not stored."""
    return str(run.params.get("compiler") or "")
