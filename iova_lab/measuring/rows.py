"""Rows of results/kernel/: what they hold, and how they are read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from iova_lab.basics.errors import NoResultsError
from iova_lab.basics.packing import pack_rows
from iova_lab.basics.reading import Row, read_rows, row_files

#: Rows of booted kernels, a file each.
KERNELS = "*-amd64.jsonl"
USER = "user.jsonl"
LOCKUPS = "lockup.jsonl"
IOS = "io.jsonl"
VERIFIED = "io-verified.jsonl"
DMA_LOCKUPS = "dma-lockup.jsonl"
FIDELITY = "`iova-lab kernel fidelity`"
LOCKUP = "`iova-lab kernel lockup`"
IO = "`iova-lab kernel io`"
DMA_LOCKUP = "`iova-lab kernel dma-lockup`"


class Cell(msgspec.Struct):
    """What names a row: the columns by which a later row takes the place of an earlier one."""

    workload: str
    nr_live: int
    variant: str


class _FidelityRow(Cell, kw_only=True):
    """Either ``error``, or all figures; instructions are None where there was no such op."""

    release: str
    code: str
    source: str = ""
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


class TimesRow(Cell, kw_only=True):
    """A time in user space, ns per op with its interval."""

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


class _IoPhase(msgspec.Struct, kw_only=True):
    """Of what the livepatch counts, all or, for an unpatched kernel, nothing."""

    phase: str
    ops: int
    bytes: int
    corrupt: int
    instructions: float
    inside: float | None = None
    failed: int | None = None
    allocs: int | None = None
    alloc: float | None = None
    alloc_p99: int | None = None
    alloc_worst: int | None = None
    frees: int | None = None
    free: float | None = None
    free_p99: int | None = None
    free_worst: int | None = None
    sizes: dict[str, int] = {}
    tree: int | None = None
    flushes: int | None = None
    holds: dict[str, int] | None = None
    hold: float | None = None
    hold_p99: int | None = None
    hold_worst: int | None = None


class _IoRow(msgspec.Struct, kw_only=True):
    release: str
    allocator: str
    code: str
    mode: str
    forcedac: bool
    crowd: str
    scale: int
    held: bool
    phases: list[_IoPhase]
    load: str
    errors: list[str] = []


class _VerifiedRow(msgspec.Struct, kw_only=True):
    release: str
    allocator: str
    code: str
    load: str
    boots: int
    bytes: int
    corrupt: int


class _DmaLockupRow(msgspec.Struct, kw_only=True):
    release: str
    allocator: str
    code: str
    cpus: int
    driver: str
    nr_pages: int
    words: list[str]
    uptime: float | None
    longest_us: int | None


def short_release(release: str) -> str:
    """``6.12.117`` for ``6.12.117+deb12-amd64``, ``6.1.0-57`` for ``6.1.0-57-amd64``."""
    return re.sub(r"\+[^-]*", "", release.removesuffix("-amd64"))


def fidelity(path: Path) -> list[Row]:
    """All replays of one kernel, oldest first.  Raises `FileError`."""
    return read_rows(path, _FidelityRow, written_by=FIDELITY)


def of_kernels(results: Path) -> list[Row]:
    """The last row of every cell of every kernel.  Raises `FileError`, `NoResultsError`."""
    found = {}
    for path in row_files(results, KERNELS):
        for row in fidelity(path):
            found[row["release"], row["workload"], row["nr_live"], row["variant"]] = row
    if not found:
        raise NoResultsError(f"{results} has no rows: iova-lab kernel fidelity measures them")
    return [found[key] for key in sorted(found)]


def times(results: Path) -> list[Row]:
    """All times in user space, oldest first.  Raises `FileError`."""
    return read_rows(results / USER, TimesRow, written_by=FIDELITY)


def lockups(results: Path) -> list[Row]:
    """All guests of `iova-lab kernel lockup`, oldest first.  Raises `FileError`."""
    return read_rows(results / LOCKUPS, _LockupRow, written_by=LOCKUP)


def ios(results: Path) -> list[Row]:
    """All boots of `iova-lab kernel io`, oldest first.  Raises `FileError`."""
    return read_rows(results / IOS, _IoRow, written_by=IO)


def verified(results: Path) -> list[Row]:
    """What all boots of `iova-lab kernel io` have read and compared, one row for each sum.

    Raises `FileError`.
    """
    found = read_rows(results / VERIFIED, _VerifiedRow, written_by=IO)
    return list({verified_cell(row): row for row in found}.values())


def dma_lockups(results: Path) -> list[Row]:
    """All guests of `iova-lab kernel dma-lockup`.  Raises `FileError`."""
    return read_rows(results / DMA_LOCKUPS, _DmaLockupRow, written_by=DMA_LOCKUP)


@contextmanager
def packed_at_end(paths: Iterable[Path]) -> Iterator[None]:
    """Compress the rows of these files when the block ends, also on an error.

    Of a cell the last row is kept; of guests that may lock up every run, since what is claimed is
    that each does.
    """
    try:
        yield
    finally:
        for path in paths:
            keys = {LOCKUPS: None, VERIFIED: verified_cell}
            pack_rows(path, keys.get(path.name, _cell))


def verified_cell(row: Row) -> str:
    """What a sum of compared bytes is of."""
    return "\0".join(str(row[name]) for name in ("release", "allocator", "code", "load"))


def _cell(row: Row) -> str:
    names = ["release", "workload", "nr_live", "variant"]
    names += ["allocator", "mode", "forcedac", "crowd", "held", "load"]
    return "\0".join(f"{row[name]:>12}" for name in names if name in row)
