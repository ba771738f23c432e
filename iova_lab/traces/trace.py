"""Traces: requests of a real kernel's drivers, and the addresses that it returned.

Reads one level of a trace file (docs/traces.md has the format) into an op stream.  The tree level
has the requests that went past the rcache to the allocator proper, which is what a variant sees;
the fast level has the drivers' requests.  Both carry the addresses that the kernel returned, so a
variant's answers can be held against them.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab.traces.file import (
    ALLOC,
    ALLOC_FAST,
    FREE,
    RESERVE,
    SIZE_ALIGNED,
    TRACE_DTYPE,
    WENT_ON,
    Rows,
    TraceError,
    TraceFile,
    open_trace,
)
from iova_variants.opstream import OP_DTYPE, Op, OpFlag, OpStream, StreamError

__all__ = [
    "REFUSED",
    "TRACE_DIR",
    "TRACE_DTYPE",
    "FastTrace",
    "Trace",
    "TraceError",
    "has_fast_level",
    "has_tree_level",
    "read_fast_trace",
    "read_trace",
]

TRACE_DIR = Path(__file__).resolve().parent

REFUSED = np.uint64(iova_variants.REFUSED)

#: Arrays of more bytes than that lie in a file without a name: the system may write them out.
IN_MEMORY = 1 << 28


@dataclass(frozen=True)
class Trace:
    """One level of one trace.

    ``recorded`` has one pfn per op of ``stream``: what the kernel returned (2**64 - 1 where it
    refused), was given, or reserved.  ``rows`` has each op's row in the file, ``t_ns`` its time.
    ``synthetic`` is how it was made, None if it was recorded; ``approximate`` what was assumed of
    a recording, None if nothing was.
    """

    path: Path
    kernel: str
    stream: OpStream
    recorded: npt.NDArray[np.uint64]
    rows: npt.NDArray[np.int64]
    t_ns: npt.NDArray[np.uint64]
    synthetic: str | None = None
    approximate: str | None = None

    @property
    def nr_live(self) -> int:
        """Ranges that are live after the last op, of all domains."""
        answered = self.recorded != REFUSED
        frees = self.stream.ops["op"] == Op.FREE
        return int((~frees & answered).sum()) - int(frees.sum())


def chosen(trace: Trace, places: npt.NDArray[Any]) -> Trace:
    """The ops at these places, in this order, or those of a mask; their slots stay as they are."""
    stream = trace.stream
    return replace(
        trace,
        stream=replace(stream, ops=stream.ops[places]),
        recorded=trace.recorded[places],
        rows=trace.rows[places],
        t_ns=trace.t_ns[places],
    )


@dataclass(frozen=True)
class FastTrace:
    """The fast level of one trace, the drivers' requests to the rcache, and the reserved ranges.

    ``went_on`` has one entry per row of the file: did this call reach the tree?  That is not known
    where nothing was recorded at the tree level: then ``knows_reach`` is false.
    """

    trace: Trace
    went_on: npt.NDArray[np.bool_]
    knows_reach: bool = True


@lru_cache(maxsize=4)
def read_trace(path: str | Path) -> Trace:
    """Read the tree level of a trace file.

    Raises `TraceError` with one line for a file that is none, or has no tree level.
    """
    file = open_trace(path)
    if not has_tree_level(path):
        hint = ""
        if has_fast_level(path):
            hint = "; it has the fast level alone, which `iova-lab trace replay` puts an rcache to"
        raise TraceError(
            f"{path}: no request reached the tree: there is nothing to replay there{hint}"
        )
    return _read(file, fast=False)


@lru_cache(maxsize=4)
def read_fast_trace(path: str | Path) -> FastTrace:
    """Read the fast level of one trace file.  Raises as `read_trace` does."""
    file = open_trace(path)
    has_tree = has_tree_level(path)
    if has_tree:
        read_trace(path)  # a broken tree level is a broken file
    if not has_fast_level(path):
        raise TraceError(f"{path}: it has no alloc_iova_fast and no free_iova_fast")
    went_on = _room(file.nr_rows, np.dtype(bool))
    done = 0
    for piece in file.pieces():
        went_on[done : done + len(piece)] = piece["flags"] & WENT_ON > 0
        done += len(piece)
    return FastTrace(_read(file, fast=True), went_on, has_tree)


def has_tree_level(path: str | Path) -> bool:
    """Is there a call in it that reached the tree?  Ranges that were reserved are none."""
    return any(_nr_rows(path)[ALLOC:RESERVE])


def has_fast_level(path: str | Path) -> bool:
    """Is there a call of a driver in it?"""
    return any(_nr_rows(path)[ALLOC_FAST:ALLOC])


@lru_cache(maxsize=4)
def _nr_rows(path: str | Path) -> tuple[int, ...]:
    """How many rows there are of each op code."""
    counts = np.zeros(RESERVE + 1, np.int64)
    for piece in open_trace(path).pieces():
        counts += np.bincount(piece["op"], minlength=RESERVE + 1)
    return tuple(counts.tolist())


def forget_traces() -> None:
    """Forget what was read: a file has been written again."""
    for read in (read_trace, read_fast_trace, _nr_rows):
        read.cache_clear()


def _room(length: int, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """An array of zeros, in memory or in a file that nobody has to remove."""
    if length * dtype.itemsize <= IN_MEMORY:
        return np.zeros(length, dtype)
    with tempfile.TemporaryFile() as file:
        return np.memmap(file, dtype, "w+", shape=(length,))


def _read(file: TraceFile, *, fast: bool) -> Trace:
    """Make the requests of one level into an op stream."""
    counts = _nr_rows(file.path)
    nr_ops = counts[RESERVE] + sum(counts[:ALLOC] if fast else counts[ALLOC:RESERVE])
    ops = _room(nr_ops, OP_DTYPE)
    recorded, t_ns = (_room(nr_ops, np.dtype(np.uint64)) for _ in range(2))
    rows = _room(nr_ops, np.dtype(np.int64))
    slots = _Slots(file.path)
    done = first = 0
    for piece in file.pieces():
        wanted = (piece["op"] < ALLOC) == fast
        places = np.flatnonzero(wanted | (piece["op"] == RESERVE))
        calls = piece[places]
        if fast:
            calls["op"][calls["op"] < ALLOC] += ALLOC
        here = slice(done, done + len(calls))
        rows[here] = first + places
        ops[here] = _ops(calls)
        ops["slot"][here] = slots.of(calls, rows[here])
        refused = (calls["op"] == ALLOC) & (calls["pfn"] == 0)
        recorded[here] = np.where(refused, REFUSED, calls["pfn"])
        t_ns[here] = calls["t_ns"]
        done, first = done + len(calls), first + len(piece)
    return _check(
        Trace(
            path=file.path,
            kernel=str(file.meta["kernel"]),
            stream=OpStream(
                ops,
                nr_slots=slots.nr_slots,
                nr_domains=int(ops["dom"].max(initial=0)) + 1,
                granule=file.meta["granule"],
                start_pfn=file.meta["start_pfn"],
            ),
            recorded=recorded,
            rows=rows,
            t_ns=t_ns,
            synthetic=file.synthetic,
            approximate=file.approximate,
        )
    )


def _ops(calls: Rows) -> Rows:
    """Requests without their slots; codes are those of the tree level."""
    ops = np.zeros(len(calls), OP_DTYPE)
    for name in ("limit_pfn", "size", "dom", "cpu"):
        ops[name] = calls[name]
    ops["op"] = np.choose(calls["op"] - ALLOC, [Op.ALLOC, Op.FREE, Op.RESERVE])
    aligned = (calls["op"] == ALLOC) & (calls["flags"] & SIZE_ALIGNED > 0)
    ops["flags"] = np.where(aligned, OpFlag.SIZE_ALIGNED, 0)
    reserves = calls["op"] == RESERVE
    ops["limit_pfn"][reserves] = (calls["pfn"] + calls["size"] - 1)[reserves]
    return ops


class _Slots:
    """Numbers the ranges: an alloc or reserve opens a slot, the free of its pfn names it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._live: dict[tuple[int, int], int] = {}
        self.nr_slots = 0

    def of(self, calls: Rows, rows: npt.NDArray[np.int64]) -> list[int]:
        """Slots of the next calls; ``rows`` are theirs in the file.  Raises `TraceError`."""
        live, slots, nr_slots = self._live, [], self.nr_slots
        fields = (calls[name].tolist() for name in ("op", "dom", "pfn"))
        for index, (op, dom, pfn) in enumerate(zip(*fields, strict=True)):
            if op == FREE:
                slot = live.pop((dom, pfn), None)
                if slot is None:
                    raise TraceError(
                        f"{self._path}: row {rows[index]} frees pfn {pfn:#x} of domain {dom}, which"
                        " is not live: the trace lost a record, or begins after its domain did"
                    )
                slots.append(slot)
                continue
            if pfn and (dom, pfn) in live:
                raise TraceError(
                    f"{self._path}: row {rows[index]} allocates pfn {pfn:#x} of domain {dom}, which"
                    " is still live: the trace lost a free"
                )
            if pfn:
                live[dom, pfn] = nr_slots
            slots.append(nr_slots)
            nr_slots += 1
        self.nr_slots = nr_slots
        return slots


def _check(trace: Trace) -> Trace:
    """Tell what no allocator could be asked by its row in the file."""
    try:
        iova_variants.check(trace.stream)
    except StreamError as error:
        where = "" if error.op is None else f"row {trace.rows[error.op]}: "
        raise TraceError(f"{trace.path}: {where}{error.reason}") from None
    return trace
