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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

import iova_variants
from iova_lab.traces.trace import Trace, chosen
from iova_variants.opstream import Op

#: Indices of ops in a trace.
Places = npt.NDArray[np.int64]
#: A value for each op of a trace.
Mask = npt.NDArray[np.bool_]

#: Records further apart than this did not race for a lock: a call takes a few microseconds on the
#: emulated machine that the traces come from.
RACE_NS = 20_000

#: Frees of one batch are recorded 1.4 to 3.5 us apart; further apart is another batch.
BATCH_GAP_NS = 20_000

#: The longest that a call is taken to have been interrupted for.
INTERRUPTED_NS = 20_000_000

_SET_UP_BEFORE = (
    "domain {dom}: set up before the recording began, so its {nr} reserved ranges are not in the"
    " trace; taken from the other domains, which all have the same"
)


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
    allocs, agree = trace.stream.ops["op"] == Op.ALLOC, pfns == trace.recorded
    frame = shares(trace, agree, allocs, ["nr_allocs", "nr_agree", "share"])
    return with_first_row(frame, trace, np.flatnonzero(allocs & ~agree))


def shares(trace: Trace, agree: Mask, of: Mask, columns: list[str]) -> pd.DataFrame:
    """Of some ops, by domain: their number, that of those that agree, and the share of these."""
    groups = pd.Series(agree[of]).groupby(trace.stream.ops["dom"][of])
    found = groups.agg(["size", "sum", "mean"])
    return found.set_axis(columns, axis=1).rename_axis("dom")


def with_first_row(frame: pd.DataFrame, trace: Trace, wrong: Places) -> pd.DataFrame:
    """Add the row in the file of the first of the ops ``wrong`` of each domain, -1 for none."""
    first = pd.Series(trace.rows[wrong]).groupby(trace.stream.ops["dom"][wrong]).min()
    first = first.reindex(frame.index).fillna(-1).astype(int)
    return frame.assign(first_row=first).reset_index()


def _answers(variant: str, trace: Trace) -> npt.NDArray[np.uint64]:
    return iova_variants.replay(variant, trace.stream, pfns=True, timeout=math.inf).pfns


def _disagreements(variant: str, trace: Trace) -> Places:
    return np.flatnonzero(_answers(variant, trace) != trace.recorded)


def _common_reserves(trace: Trace) -> Places:
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


def _with_reserves(trace: Trace, dom: int, reserves: Places) -> Trace:
    """Prefix the reserves of another domain, for ``dom``."""
    nr_added, nr_slots = len(reserves), trace.stream.nr_slots
    longer = chosen(trace, np.concatenate([reserves, np.arange(len(trace.rows))]))
    added = longer.stream.ops[:nr_added]
    added["dom"] = dom
    added["slot"] = nr_slots + np.arange(nr_added)
    longer.rows[:nr_added] = -1
    return replace(longer, stream=replace(longer.stream, nr_slots=nr_slots + nr_added))


def mend_reserves(trace: Trace, wrong: Places, note: str) -> Mended:
    """Give the domains of the ops ``wrong`` the reserves that all others have, if they have none.

    ``note`` is about one domain: {dom} is its number, {nr} that of its reserves.
    """
    ops = trace.stream.ops
    notes = []
    for dom in np.setdiff1d(ops["dom"][wrong], ops["dom"][ops["op"] == Op.RESERVE]):
        reserves = _common_reserves(trace)
        if not len(reserves):
            break
        trace = _with_reserves(trace, int(dom), reserves)
        notes.append(note.format(dom=dom, nr=len(reserves)))
    return Mended(trace, tuple(notes))


def _moved(trace: Trace, index: int, to: int) -> Trace:
    """Put op ``index`` before op ``to``."""
    order = np.arange(len(trace.rows))
    order[to : index + 1] = [index, *range(to, index)]
    return chosen(trace, order)


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


def _moves(trace: Trace, index: int) -> Iterator[tuple[int, int]]:
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


def _why_moved(trace: Trace, op: int, to: int) -> str:
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


def mend_order(
    trace: Trace, wrong_of: Callable[[Trace], Places], badness: Callable[[Places], float]
) -> Mended:
    """Move calls as long as that lessens the ``badness`` of those that disagree."""
    notes: list[str] = []
    wrong = wrong_of(trace)
    while len(wrong):
        for op, to in _moves(trace, int(wrong[0])):
            attempt = _moved(trace, op, to)
            still_wrong = wrong_of(attempt)
            if badness(still_wrong) < badness(wrong):
                notes.append(_why_moved(trace, op, to))
                trace, wrong = attempt, still_wrong
                break
        else:
            break
    return Mended(trace, tuple(notes))


def mend(trace: Trace, variant: str = "mainline") -> Mended:
    """Mend what the recording lacks; ``variant`` is the one that the recorded kernel had."""
    wrong_of = partial(_disagreements, variant)
    reserves = mend_reserves(trace, wrong_of(trace), _SET_UP_BEFORE)
    order = mend_order(reserves.trace, wrong_of, badness=len)
    return Mended(order.trace, reserves.notes + order.notes)


def report(trace: Trace, variant: str) -> tuple[pd.DataFrame, Mended]:
    """Per domain: agreement as recorded (``share``) and after mending (``share_mended``)."""
    mended = mend(trace)
    frame = table(trace, _answers(variant, trace))
    after = table(mended.trace, _answers(variant, mended.trace))
    frame["share_mended"] = after["share"]
    frame["first_row_mended"] = after["first_row"]
    return frame, mended
