"""How much of an approximate trace does mainline explain?

A measure of what was assumed: an allocator that gets the requests as they were returns the recorded
addresses.  Each wrong limit, size or order costs some.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab.traces.fast_agreement import rcache_for
from iova_lab.traces.file import Rows, open_trace, write_trace
from iova_lab.traces.trace import REFUSED, Trace, chosen, forget_traces, read_fast_trace
from iova_variants.opstream import Op

VARIANT = "mainline"
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Settled:
    """The share that is explained, and in how many domains untaken pages are not reserved."""

    share: float
    nr_domains: int = 0


def explained(path: str | Path) -> float:
    """The share of allocations that get the recorded address, through the kernel's rcache.

    Raises `TraceError` for a file that is none, or has no fast level.
    """
    trace = read_fast_trace(path).trace
    return _share(trace, _agree(trace))


def settle(path: Path) -> Settled:
    """Reserve the pages that no request got only in domains of which mainline explains more so.

    A reserved range is a node of mainline's tree, and a free next to it makes it the place where
    the next search begins.  What was live before the recording was such a node; what an alignment
    left over was none.  Both look alike, so both are tried, for each domain, and the file is
    written again where it helps.  Raises as `explained` does.
    """
    trace = read_fast_trace(path).trace
    with_them = _agree(trace)
    untaken = _untaken(trace)
    if not untaken.any():
        return Settled(_share(trace, with_them))
    without = _agree(chosen(trace, ~untaken))
    better = without > with_them
    if better.any():
        gone = trace.rows[untaken & better[trace.stream.ops["dom"]]]
        _write_without(path, gone)
    return Settled(_share(trace, np.maximum(with_them, without)), int(better.sum()))


def _share(trace: Trace, agree: npt.NDArray[np.int64]) -> float:
    nr_allocs = int(_is_alloc(trace).sum())
    return float(agree.sum() / nr_allocs) if nr_allocs else 0.0


def _is_alloc(trace: Trace) -> _Mask:
    mask: _Mask = (trace.stream.ops["op"] == Op.ALLOC) & (trace.recorded != REFUSED)
    return mask


def _agree(trace: Trace) -> npt.NDArray[np.int64]:
    """Allocations that get the recorded address, by domain."""
    done = iova_variants.replay(
        VARIANT, trace.stream, pfns=True, rcache=rcache_for(trace), timeout=math.inf
    )
    agree = _is_alloc(trace) & (done.pfns == trace.recorded)
    return np.bincount(trace.stream.ops["dom"][agree], minlength=trace.stream.nr_domains)


def _untaken(trace: Trace) -> _Mask:
    """Ranges that are reserved and never freed: no request got their pages."""
    ops = trace.stream.ops
    freed = ops["slot"][ops["op"] == Op.FREE]
    mask: _Mask = (ops["op"] == Op.RESERVE) & ~np.isin(ops["slot"], freed)
    return mask


def _write_without(path: Path, gone: npt.NDArray[np.int64]) -> None:
    """Write the file again without the rows of these numbers."""
    file = open_trace(path)

    def pieces() -> Iterator[Rows]:
        first = 0
        for piece in file.pieces():
            yield piece[~np.isin(np.arange(first, first + len(piece)), gone)]
            first += len(piece)

    write_trace(path, file.nr_rows - len(gone), pieces(), file.meta)
    forget_traces()
