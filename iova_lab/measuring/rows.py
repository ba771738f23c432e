"""Rows of results/kernel/: what they hold, and how they are read."""

from __future__ import annotations

from pathlib import Path

import msgspec

from iova_lab.basics.errors import NoResultsError
from iova_lab.basics.reading import Row, read_rows

FIDELITY = "`iova-lab kernel fidelity`"
LOCKUP = "`iova-lab kernel lockup`"


class _Cell(msgspec.Struct):
    workload: str
    nr_live: int
    variant: str


class _FidelityRow(_Cell, kw_only=True):
    """Either ``error``, or all figures; instructions are None where there was no such op."""

    release: str
    code: str
    error: str | None = None
    nr_ops: int | None = None
    nr_equal: int | None = None
    first: str | None = None
    nr_measured: int | None = None
    instructions: float | None = None
    instructions_alloc: float | None = None
    instructions_free: float | None = None
    instructions_ageing: float | None = None
    p50: float | None = None
    p99: float | None = None
    worst: float | None = None

    def __post_init__(self) -> None:
        counts = (self.nr_ops, self.nr_equal, self.nr_measured, self.instructions, self.p50)
        if self.error is None and None in (*counts, self.p99, self.worst):
            raise ValueError("a row without figures, and without an error")


class _TimesRow(_Cell, kw_only=True):
    ns: float
    low: float
    high: float
    nodes: float | None
    code: str = ""


class _LockupRow(msgspec.Struct, kw_only=True):
    release: str
    nr_live: int
    cpus: int
    variant: str
    words: list[str]
    uptime: float | None
    longest_us: int | None
    instructions: int | None = None
    nodes: int | None = None
    code: str = ""


def short_release(release: str) -> str:
    """``6.12.117`` for ``6.12.117+deb12-amd64``."""
    return release.split("-")[0].split("+")[0]


def fidelity(path: Path) -> list[Row]:
    """All replays of one kernel, oldest first.  Raises `FileError`."""
    return read_rows(path, _FidelityRow, written_by=FIDELITY)


def of_kernels(results: Path) -> list[Row]:
    """The last row of every cell of every kernel.  Raises `FileError`, `NoResultsError`."""
    found = {}
    for path in sorted(results.glob("*-amd64.jsonl")):
        for row in fidelity(path):
            found[row["release"], row["workload"], row["nr_live"], row["variant"]] = row
    if not found:
        raise NoResultsError(f"{results} has no rows: iova-lab kernel fidelity measures them")
    return [found[key] for key in sorted(found)]


def times(results: Path) -> list[Row]:
    """All times in user space, oldest first.  Raises `FileError`."""
    return read_rows(results / "user.jsonl", _TimesRow, written_by=FIDELITY)


def lockups(results: Path) -> list[Row]:
    """All guests of `iova-lab kernel lockup`, oldest first.  Raises `FileError`."""
    return read_rows(results / "lockup.jsonl", _LockupRow, written_by=LOCKUP)
