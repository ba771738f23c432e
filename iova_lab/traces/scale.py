"""Scaled traces: k times as much of the same pattern.

k copies of all requests of the drivers, each a little later than the one before it, go through
the rcache of the recorded kernel to `mainline`; its answers name the ranges.  So the file is as
whole as a recording, with both levels where it had both, and no kernel ever gave these addresses:
``synthetic`` in its header marks that, and all output about it repeats the mark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab.basics.errors import InvalidValueError
from iova_lab.traces.fast_agreement import rcache_for
from iova_lab.traces.file import (
    ALLOC,
    ALLOC_FAST,
    FREE,
    FREE_FAST,
    RESERVE,
    ROWS_AT_ONCE,
    SIZE_ALIGNED,
    TRACE_DTYPE,
    WENT_ON,
    Rows,
    TraceError,
    TraceFile,
    open_trace,
    write_trace,
)
from iova_lab.traces.names import HOWS
from iova_lab.traces.replay import level_of
from iova_lab.traces.trace import REFUSED, Trace, read_fast_trace, read_trace
from iova_variants.opstream import Op, OpFlag

#: All copies begin within this share of the trace, so that their live sets add up.
WITHIN = 0.02
VARIANT = "mainline"


@dataclass(frozen=True)
class Scaled:
    """The file that was made; ``nr_refused`` requests found no room, and were not freed either."""

    file: TraceFile
    nr_refused: int
    stagger_ns: int


def scale_trace(
    source: str | Path,
    target: Path,
    copies: int,
    *,
    how: str = "same-domain",
    stagger_ns: int | None = None,
) -> Scaled:
    """Write ``copies`` times the pattern of ``source`` to ``target``.

    "same-domain": all copies of a device's requests are made in its own domain, as if it had that
    many queues: the live set of each domain grows.  "domains": each copy has domains of its own,
    as if there were that many devices: there are more domains, each like a recorded one.
    Reserved ranges are a domain's, not a device's: no domain has them twice.  Copy i is
    ``i * stagger_ns`` later; without it, all begin within 2 % of the trace.

    Raises `TraceError`, `InvalidValueError`.
    """
    if how not in HOWS:
        raise InvalidValueError(f"no way to scale {how!r}; there are: {', '.join(HOWS)}")
    if copies < 1:
        raise InvalidValueError(f"{copies} copies are less than one")
    header = open_trace(source)
    level = level_of(source)
    fast = level == "fast" or _has_both(source)
    trace = read_fast_trace(source).trace if fast else read_trace(source)
    times = np.maximum.accumulate(trace.t_ns)
    if stagger_ns is None:
        stagger_ns = int(times[-1] * WITHIN / copies)
    many = _interleave(trace, times, copies, how, stagger_ns)
    rcache = rcache_for(many) if fast else "off"
    answers = iova_variants.replay(VARIANT, many.stream, pfns=True, rcache=rcache, tree_ops=fast)
    rows = _rows(many, answers, fast)
    meta = {key: header.meta[key] for key in ("kernel", "granule", "start_pfn")}
    meta |= _label(header, copies, how, stagger_ns)
    pieces = (rows[at : at + ROWS_AT_ONCE] for at in range(0, len(rows), ROWS_AT_ONCE))
    nr_refused = int(((many.stream.ops["op"] == Op.ALLOC) & (answers.pfns == REFUSED)).sum())
    return Scaled(write_trace(target, len(rows), pieces, meta), nr_refused, stagger_ns)


def _has_both(source: str | Path) -> bool:
    try:
        read_fast_trace(source)
    except TraceError:
        return False
    return True


def _label(header: TraceFile, copies: int, how: str, stagger_ns: int) -> dict[str, Any]:
    where = "in the same domains" if how == "same-domain" else "in domains of their own"
    before = f", itself synthetic: {header.synthetic}" if header.synthetic else ""
    if header.approximate:
        before += f"; approximate: {header.approximate}"
    return {
        "synthetic": (
            f"{copies} copies of {header.path.name} {where}, {stagger_ns / 1e6:g} ms apart; "
            f"addresses are {VARIANT}'s, not a kernel's{before}"
        ),
        "scaled_from": {
            "file": header.path.name,
            "copies": copies,
            "how": how,
            "stagger_ns": stagger_ns,
        },
    }


def _interleave(
    trace: Trace, times: npt.NDArray[np.uint64], copies: int, how: str, stagger_ns: int
) -> Trace:
    """All copies in one stream, by time; each keeps its own order."""
    one, stream = trace.stream.ops, trace.stream
    nr_domains = stream.nr_domains * (copies if how == "domains" else 1)
    if nr_domains > 2**16 or stream.nr_slots * copies > 2**32:
        raise InvalidValueError(
            f"{copies} copies have more domains or ranges than a trace can name"
        )
    reserved = np.zeros(stream.nr_slots, bool)
    reserved[one["slot"][one["op"] == Op.RESERVE]] = True
    own = ~reserved[one["slot"]]
    parts, at = [], []
    for copy in range(copies):
        keep = own | (copy == 0 or how == "domains")
        part = one[keep]
        part["slot"] += copy * stream.nr_slots
        part["dom"] += copy * stream.nr_domains * (how == "domains")
        parts.append(part)
        at.append(times[keep] + np.uint64(copy * stagger_ns))
    t_ns = np.concatenate(at)
    order = np.argsort(t_ns, kind="stable")
    many = replace(
        stream,
        ops=np.concatenate(parts)[order],
        nr_slots=stream.nr_slots * copies,
        nr_domains=nr_domains,
    )
    return replace(trace, stream=many, t_ns=t_ns[order])


def _rows(trace: Trace, answers: iova_variants.TimedReplay, fast: bool) -> Rows:
    """The file's rows: what was asked, and around it what then reached the tree."""
    asked = _asked(trace, answers.pfns, fast)
    # No frees of what was refused: no driver unmaps what it could not map.
    keep = (trace.stream.ops["op"] != Op.FREE) | (answers.pfns != REFUSED)
    if not fast:
        answered: Rows = asked[keep]
        return answered
    tree_ops = answers.tree_ops[answers.tree_ops["index"] < len(asked)]  # the rest ends the replay
    asked["flags"][np.unique(tree_ops["index"])] |= WENT_ON
    asked["flags"][asked["op"] == RESERVE] = 0
    tree = _tree(trace, tree_ops)
    # What an alloc caused came before its return; a free's entry before what it caused.
    index = tree_ops["index"].astype(np.int64)
    after = asked["op"][index] == FREE_FAST
    keys = np.concatenate([2 * np.flatnonzero(keep), 2 * index + np.where(after, 1, -1)])
    return np.concatenate([asked[keep], tree])[np.argsort(keys, kind="stable")]


def _asked(trace: Trace, pfns: npt.NDArray[np.uint64], fast: bool) -> Rows:
    ops = trace.stream.ops
    rows = np.zeros(len(ops), TRACE_DTYPE)
    for name in ("size", "dom", "cpu"):
        rows[name] = ops[name]
    codes = [ALLOC_FAST, FREE_FAST, RESERVE] if fast else [ALLOC, FREE, RESERVE]
    rows["op"] = np.choose(ops["op"], codes)
    rows["t_ns"] = trace.t_ns
    rows["pfn"] = np.where(pfns == REFUSED, 0, pfns)
    allocs = ops["op"] == Op.ALLOC
    rows["limit_pfn"] = np.where(allocs, ops["limit_pfn"], 0)
    rows["flags"] = np.where(ops["flags"] & OpFlag.SIZE_ALIGNED > 0, SIZE_ALIGNED, 0)
    reserves = ops["op"] == Op.RESERVE
    rows["pfn"][reserves] = (ops["limit_pfn"] - ops["size"] + np.uint64(1))[reserves]
    return rows


def _tree(trace: Trace, tree_ops: npt.NDArray[np.void]) -> Rows:
    index = tree_ops["index"]
    rows = np.zeros(len(tree_ops), TRACE_DTYPE)
    rows["t_ns"], rows["cpu"] = trace.t_ns[index], trace.stream.ops["cpu"][index]
    rows["dom"] = tree_ops["dom"]
    allocs = tree_ops["op"] == Op.ALLOC
    rows["op"] = np.where(allocs, ALLOC, FREE)
    rows["pfn"] = np.where(tree_ops["pfn"] == REFUSED, 0, tree_ops["pfn"])
    rows["limit_pfn"] = np.where(allocs, tree_ops["limit_pfn"], 0)
    rows["flags"] = np.where(allocs, SIZE_ALIGNED, 0)
    rows["size"] = list(_sizes(tree_ops))
    return rows


def _sizes(tree_ops: npt.NDArray[np.void]) -> Iterator[int]:
    """A free does not say how large its range is: its alloc did."""
    live: dict[tuple[int, int], int] = {}
    fields = (tree_ops[name].tolist() for name in ("dom", "pfn", "size", "op"))
    for dom, pfn, size, op in zip(*fields, strict=True):
        if op == Op.ALLOC:
            live[dom, pfn] = size
            yield size
        else:
            yield live.pop((dom, pfn))
