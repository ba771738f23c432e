"""Does a variant return the addresses that the real kernel returned, and if not, why?

Two things about a recording, not about an allocator, make an honest replay differ from it; both can
be mended from the recording itself, and every mend is named:

- A domain that was set up before the probes has no reserved ranges in the trace.  All other domains
  of the machine reserve the same ones, so they are taken from those.
- A call is recorded when it returns.  Before that another CPU may take the lock, or an interrupt on
  the same CPU may call, and be recorded first.  Where putting the call before those makes the
  answers agree, that was its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

import iova_variants
from iova_lab.traces.trace import Trace
from iova_variants.opstream import Op, OpStream

#: Records further apart than this did not race for a lock: a call takes a few microseconds on the
#: emulated machine that the traces come from.
RACE_NS = 20_000

#: Frees of one batch are recorded 1.4 to 3.5 us apart; further apart is another batch.
BATCH_GAP_NS = 20_000

#: The longest that a call is taken to have been interrupted for.
INTERRUPTED_NS = 20_000_000


@dataclass(frozen=True)
class Mended:
    """A trace after mending, and what was done to it, one line each."""

    trace: Trace
    notes: tuple[str, ...]


def table(trace: Trace, pfns: npt.NDArray[np.uint64]) -> pd.DataFrame:
    """Compare answers with the recorded ones: one row per domain that allocates.

    Columns: ``dom``, ``nr_allocs``, ``nr_agree``, ``share``, and ``first_row``, the row in the
    file of the first disagreement (-1 if there is none).
    """
    allocs = trace.stream.ops["op"] == Op.ALLOC
    frame = pd.DataFrame(
        {
            "dom": trace.stream.ops["dom"][allocs],
            "agree": (pfns == trace.recorded)[allocs],
            "row": trace.rows[allocs],
        }
    )
    first = frame[~frame["agree"]].groupby("dom")["row"].min()
    by_dom = frame.groupby("dom")["agree"]
    rows = pd.DataFrame(
        {"nr_allocs": by_dom.size(), "nr_agree": by_dom.sum(), "share": by_dom.mean()}
    ).reset_index()
    rows["first_row"] = rows["dom"].map(first).fillna(-1).astype(int)
    return rows


def _answers(variant: str, trace: Trace) -> npt.NDArray[np.uint64]:
    return iova_variants.replay(variant, trace.stream, pfns=True, timeout=math.inf).pfns


def _disagreements(variant: str, trace: Trace) -> npt.NDArray[np.int64]:
    return np.flatnonzero(_answers(variant, trace) != trace.recorded)


def common_reserves(trace: Trace) -> npt.NDArray[np.int64]:
    """One domain's reserves, by index, if all domains that have any begin with the same."""
    ops = trace.stream.ops
    reserves = np.flatnonzero(ops["op"] == Op.RESERVE)
    doms = np.unique(ops["dom"][reserves])
    per_dom = [reserves[ops["dom"][reserves] == dom] for dom in doms]
    if not per_dom:
        return reserves
    shortest = min(per_dom, key=len)
    ranges = ops[["limit_pfn", "size"]]
    same = all((ranges[other[: len(shortest)]] == ranges[shortest]).all() for other in per_dom)
    return shortest if same else reserves[:0]


def with_reserves(trace: Trace, dom: int, reserves: npt.NDArray[np.int64]) -> Trace:
    """Prefix the reserves of another domain, for ``dom``."""
    ops = trace.stream.ops
    added = ops[reserves].copy()
    added["dom"] = dom
    added["slot"] = trace.stream.nr_slots + np.arange(len(added))
    stream = OpStream(
        np.concatenate([added, ops]),
        nr_domains=trace.stream.nr_domains,
        granule=trace.stream.granule,
        start_pfn=trace.stream.start_pfn,
    )
    return replace(
        trace,
        stream=stream,
        recorded=np.concatenate([trace.recorded[reserves], trace.recorded]),
        rows=np.concatenate([np.full(len(added), -1), trace.rows]),
        t_ns=np.concatenate([trace.t_ns[reserves], trace.t_ns]),
    )


def _mend_reserves(trace: Trace, variant: str) -> Mended:
    ops = trace.stream.ops
    reserved = ops["dom"][ops["op"] == Op.RESERVE]
    wrong = ops["dom"][_disagreements(variant, trace)]
    notes = []
    for dom in np.setdiff1d(wrong, reserved):
        reserves = common_reserves(trace)
        if not len(reserves):
            break
        trace = with_reserves(trace, int(dom), reserves)
        notes.append(
            f"domain {dom}: set up before the recording began, so its {len(reserves)} reserved"
            " ranges are not in the trace; taken from the other domains, which all have the same"
        )
    return Mended(trace, tuple(notes))


def moved(trace: Trace, index: int, to: int) -> Trace:
    """Put op ``index`` before op ``to``."""
    order = np.arange(len(trace.rows))
    order[to : index + 1] = [index, *range(to, index)]
    return replace(
        trace,
        stream=replace(trace.stream, ops=trace.stream.ops[order]),
        recorded=trace.recorded[order],
        rows=trace.rows[order],
        t_ns=trace.t_ns[order],
    )


def _batches(trace: Trace, index: int) -> Iterator[int]:
    """Begins of the batches of frees right before op ``index``, in its domain and on its CPU."""
    ops, times = trace.stream.ops, trace.t_ns.astype(np.int64)
    if ops["op"][index] != Op.ALLOC:
        return
    here = (ops["dom"] == ops["dom"][index]) & (ops["cpu"] == ops["cpu"][index])
    before = np.flatnonzero(here[:index])[::-1]
    frees = ops["op"][before] == Op.FREE
    for at, free in enumerate(frees[:-1]):
        if not free or times[index] - times[before[at]] > INTERRUPTED_NS:
            return
        gap_ns = times[before[at]] - times[before[at + 1]]
        if not frees[at + 1] or gap_ns > BATCH_GAP_NS:
            yield int(before[at])


def places(trace: Trace, index: int) -> Iterator[tuple[int, int]]:
    """Moves (which op, before which) that could mend op ``index``, the likeliest first."""
    yield from ((index, begin) for begin in _batches(trace, index))
    ops, times = trace.stream.ops, trace.t_ns.astype(np.int64)
    same = np.flatnonzero(ops["dom"] == ops["dom"][index])
    at = int(np.searchsorted(same, index))
    for later, earlier in ((at + 1, at), (at, at - 1)):
        if earlier < 0 or later >= len(same):
            continue
        one, other = int(same[later]), int(same[earlier])
        if ops["slot"][one] == ops["slot"][other]:
            continue
        raced = ops["cpu"][one] != ops["cpu"][other]
        # On one CPU only what is recorded at its return can have been there first.
        if raced or ops["op"][one] == Op.ALLOC:
            longest = RACE_NS if raced else INTERRUPTED_NS
            if times[one] - times[other] <= longest:
                yield one, other


def note(trace: Trace, op: int, to: int) -> str:
    """Say why op ``op`` was put before op ``to``."""
    ops = trace.stream.ops
    where = f"domain {ops['dom'][op]}: row {trace.rows[op]}"
    ago_ns = int(trace.t_ns[op]) - int(trace.t_ns[to])
    if ops["cpu"][op] != ops["cpu"][to]:
        return f"{where} raced row {trace.rows[to]}, {ago_ns} ns earlier on another CPU"
    between = ops[to:op]
    calls = (between["dom"] == ops["dom"][op]) & (between["cpu"] == ops["cpu"][op])
    return (
        f"{where} was interrupted before it returned: {calls.sum()} calls on the same CPU, from"
        f" {ago_ns} ns before its return"
    )


def _mend_order(trace: Trace, variant: str) -> Mended:
    """Move calls as long as that leaves fewer that disagree."""
    notes: list[str] = []
    wrong = _disagreements(variant, trace)
    while len(wrong):
        for op, to in places(trace, int(wrong[0])):
            attempt = moved(trace, op, to)
            still_wrong = _disagreements(variant, attempt)
            if len(still_wrong) < len(wrong):
                notes.append(note(trace, op, to))
                trace, wrong = attempt, still_wrong
                break
        else:
            break
    return Mended(trace, tuple(notes))


def mend(trace: Trace, variant: str = "mainline") -> Mended:
    """Mend what the recording lacks; ``variant`` is the one that the recorded kernel had."""
    reserves = _mend_reserves(trace, variant)
    order = _mend_order(reserves.trace, variant)
    return Mended(order.trace, reserves.notes + order.notes)


def report(trace: Trace, variant: str) -> tuple[pd.DataFrame, Mended]:
    """Per domain: agreement as recorded (``share``) and after mending (``share_mended``)."""
    mended = mend(trace)
    frame = table(trace, _answers(variant, trace))
    after = table(mended.trace, _answers(variant, mended.trace))
    frame["share_mended"] = after["share"]
    frame["first_row_mended"] = after["first_row"]
    return frame, mended
