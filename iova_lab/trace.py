"""What did a real kernel's drivers ask, and what did it answer?

Reads a trace file (docs/traces.md has the format) and keeps its tree level: the requests that went
past the rcache to the allocator proper, which is what a variant sees.  They carry the addresses
that the kernel returned, so a variant's answers can be held against them.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab.opstream import OP_DTYPE, Op, OpFlag, OpStream, StreamError

TRACE_DIR = Path(__file__).resolve().parent / "traces"

TRACE_DTYPE = np.dtype(
    [
        ("t_ns", "<u8"),
        ("pfn", "<u8"),
        ("limit_pfn", "<u8"),
        ("size", "<u4"),
        ("dom", "<u2"),
        ("cpu", "<u2"),
        ("op", "u1"),
        ("flags", "u1"),
    ]
)

# Trace codes 0 and 1 are the fast level: alloc_iova_fast and free_iova_fast.
ALLOC, FREE, RESERVE = 2, 3, 4
NR_CODES = 5
WENT_ON = 1 << 0
SIZE_ALIGNED = 1 << 3

REFUSED = np.uint64(2**64 - 1)


class TraceError(ValueError):
    """A file that is not a trace, or a broken one; the message says what and where."""


@dataclass(frozen=True)
class Trace:
    """The tree level of one trace.

    ``recorded`` has one pfn per op of ``stream``: what the kernel returned (2**64 - 1 where it
    refused), was given, or reserved.  ``rows`` has each op's row in the file, ``t_ns`` its time.
    """

    path: Path
    kernel: str
    stream: OpStream
    recorded: npt.NDArray[np.uint64]
    rows: npt.NDArray[np.int64]
    t_ns: npt.NDArray[np.uint64]


def _arrays(path: Path) -> tuple[npt.NDArray[np.void], Any]:
    """Rows and meta as they are in the file, whatever they are."""
    try:
        archive = np.load(path, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise TraceError(f"{path}: not a trace: not an .npz file")
        with archive:
            missing = {"ops", "meta"} - set(archive.files)
            if missing:
                raise TraceError(f"{path}: not a trace: it has no {' and no '.join(missing)}")
            return archive["ops"], json.loads(str(archive["meta"]))
    except OSError as error:
        raise TraceError(f"{path}: {error.strerror or 'not a trace: not an .npz file'}") from None
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise TraceError(f"{path}: truncated, or not a trace: {error}") from None
    except json.JSONDecodeError as error:
        raise TraceError(f"{path}: meta is not JSON: {error}") from None
    except ValueError as error:
        if isinstance(error, TraceError):
            raise
        raise TraceError(f"{path}: not a trace: {error}") from None


def _load(path: Path) -> tuple[npt.NDArray[np.void], dict[str, Any]]:
    rows, meta = _arrays(path)
    if rows.dtype != TRACE_DTYPE:
        raise TraceError(f"{path}: ops have dtype {rows.dtype}, not {TRACE_DTYPE}")
    if rows.ndim != 1:
        raise TraceError(f"{path}: ops have {rows.ndim} dimensions, not 1")
    if not isinstance(meta, dict):
        raise TraceError(f"{path}: meta is not a JSON object: {meta!r}")
    absent = {"kernel", "granule", "start_pfn"} - set(meta)
    if absent:
        raise TraceError(f"{path}: meta has no {', '.join(sorted(absent))}")
    for name in ("granule", "start_pfn"):
        if not isinstance(meta[name], int):
            raise TraceError(f"{path}: meta has {name} {meta[name]!r}, which is not a number")
    return rows, meta


def _check(trace: Trace) -> Trace:
    """Tell what no allocator could be asked by its row in the file."""
    try:
        iova_variants.check(trace.stream)
    except StreamError as error:
        where = "" if error.op is None else f"row {trace.rows[error.op]}: "
        raise TraceError(f"{trace.path}: {where}{error.reason}") from None
    return trace


def _slots(path: Path, tree: npt.NDArray[np.void], rows: npt.NDArray[np.int64]) -> list[int]:
    """Number the ranges: an alloc or reserve opens a slot, the free of its pfn names it."""
    live: dict[tuple[int, int], int] = {}
    slots: list[int] = []
    nr_slots = 0
    fields = (tree[name].tolist() for name in ("op", "dom", "pfn"))
    for index, (op, dom, pfn) in enumerate(zip(*fields, strict=True)):
        if op == FREE:
            slot = live.pop((dom, pfn), None)
            if slot is None:
                raise TraceError(
                    f"{path}: row {rows[index]} frees pfn {pfn:#x} of domain {dom}, which is not"
                    " live: the trace lost a record, or begins after its domain did"
                )
            slots.append(slot)
            continue
        if pfn and (dom, pfn) in live:
            raise TraceError(
                f"{path}: row {rows[index]} allocates pfn {pfn:#x} of domain {dom}, which is"
                " still live: the trace lost a free"
            )
        if pfn:
            live[dom, pfn] = nr_slots
        slots.append(nr_slots)
        nr_slots += 1
    return slots


@lru_cache(maxsize=4)
def read_trace(path: str | Path) -> Trace:
    """Read one trace file.  Raises `TraceError` with one line for anything that is not one."""
    path = Path(path)
    table, meta = _load(path)
    unknown = np.flatnonzero(table["op"] >= NR_CODES)
    if len(unknown):
        row = unknown[0]
        raise TraceError(f"{path}: row {row} has the unknown op code {table['op'][row]}")
    rows = np.flatnonzero(table["op"] >= ALLOC)
    if not len(rows):
        raise TraceError(f"{path}: no request reached the tree: there is nothing to replay")
    return _trace(path, meta, table[rows], rows)


@dataclass(frozen=True)
class FastTrace:
    """The fast level of one trace, what drivers ask the rcache, and the reserved ranges.

    ``went_on`` has one entry per row of the file: did this call reach the tree?
    """

    trace: Trace
    went_on: npt.NDArray[np.bool_]


@lru_cache(maxsize=4)
def read_fast_trace(path: str | Path) -> FastTrace:
    """Read the fast level of one trace file.  Raises as `read_trace` does."""
    path = Path(path)
    read_trace(path)  # a broken tree level is a broken file
    table, meta = _load(path)
    rows = np.flatnonzero((table["op"] < ALLOC) | (table["op"] == RESERVE))
    calls = table[rows]
    fast = calls["op"] < ALLOC
    if not fast.any():
        raise TraceError(f"{path}: it has no alloc_iova_fast and no free_iova_fast")
    calls["op"][fast] += ALLOC
    return FastTrace(_trace(path, meta, calls, rows), table["flags"] & WENT_ON > 0)


def _trace(
    path: Path, meta: dict[str, Any], tree: npt.NDArray[np.void], rows: npt.NDArray[np.int64]
) -> Trace:
    """Make the requests of one level, with the codes of the tree level, into an op stream."""
    ops = np.zeros(len(tree), OP_DTYPE)
    for name in ("limit_pfn", "size", "dom", "cpu"):
        ops[name] = tree[name]
    ops["op"] = np.choose(tree["op"] - ALLOC, [Op.ALLOC, Op.FREE, Op.RESERVE])
    aligned = (tree["op"] == ALLOC) & (tree["flags"] & SIZE_ALIGNED > 0)
    ops["flags"] = np.where(aligned, OpFlag.SIZE_ALIGNED, 0)
    reserves = tree["op"] == RESERVE
    ops["limit_pfn"][reserves] = (tree["pfn"] + tree["size"] - 1)[reserves]
    ops["slot"] = _slots(path, tree, rows)
    refused = (tree["op"] == ALLOC) & (tree["pfn"] == 0)
    trace = Trace(
        path=path,
        kernel=str(meta["kernel"]),
        stream=OpStream(
            ops,
            nr_domains=int(ops["dom"].max()) + 1,
            granule=meta["granule"],
            start_pfn=meta["start_pfn"],
        ),
        recorded=np.where(refused, REFUSED, tree["pfn"]),
        rows=rows,
        t_ns=tree["t_ns"],
    )
    return _check(trace)
