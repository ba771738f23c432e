"""Does a variant return the addresses that the real kernel returned, and if not, why?

Two things about a recording, not about an allocator, make an honest replay differ from it; both can
be mended from the recording itself, and every mend is named:

- A domain that was set up before the probes has no reserved ranges in the trace.  All other domains
  of the machine reserve the same ones, so they are taken from those.
- Two CPUs that race for the lock are recorded in the order of their records.  Where exchanging two
  such neighbours makes the answers agree, that was the order of the lock.
"""

from __future__ import annotations

import math
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


def _exchanged(trace: Trace, first: int, second: int) -> Trace:
    order = np.arange(len(trace.rows))
    order[[first, second]] = second, first
    return replace(
        trace,
        stream=replace(trace.stream, ops=trace.stream.ops[order]),
        recorded=trace.recorded[order],
        rows=trace.rows[order],
        t_ns=trace.t_ns[order],
    )


def _raced(trace: Trace, index: int) -> list[tuple[int, int]]:
    """Pairs of neighbours in one domain, ``index`` among them, that another CPU's call raced."""
    ops = trace.stream.ops
    same = np.flatnonzero(ops["dom"] == ops["dom"][index])
    at = int(np.searchsorted(same, index))
    pairs = [(int(same[i]), int(same[i + 1])) for i in (at - 1, at) if 0 <= i < len(same) - 1]
    return [
        (a, b)
        for a, b in pairs
        if ops["cpu"][a] != ops["cpu"][b]
        and ops["slot"][a] != ops["slot"][b]
        and trace.t_ns[b] - trace.t_ns[a] <= RACE_NS
    ]


def _mend_races(trace: Trace, variant: str) -> Mended:
    """Exchange racing neighbours as long as that moves the first disagreement further on."""
    notes: list[str] = []
    wrong = _disagreements(variant, trace)
    while len(wrong):
        for first, second in _raced(trace, int(wrong[0])):
            attempt = _exchanged(trace, first, second)
            still_wrong = _disagreements(variant, attempt)
            if len(still_wrong) < len(wrong):
                notes.append(
                    f"domain {trace.stream.ops['dom'][first]}: rows {trace.rows[first]} and"
                    f" {trace.rows[second]} were recorded {trace.t_ns[second] - trace.t_ns[first]}"
                    " ns apart on two CPUs, in the other order than they took the lock"
                )
                trace, wrong = attempt, still_wrong
                break
        else:
            break
    return Mended(trace, tuple(notes))


def mend(trace: Trace, variant: str = "mainline") -> Mended:
    """Mend what the recording lacks; ``variant`` is the one that the recorded kernel had."""
    reserves = _mend_reserves(trace, variant)
    races = _mend_races(reserves.trace, variant)
    return Mended(races.trace, reserves.notes + races.notes)


def report(trace: Trace, variant: str) -> tuple[pd.DataFrame, Mended]:
    """Per domain: agreement as recorded (``share``) and after mending (``share_mended``)."""
    mended = mend(trace)
    frame = table(trace, _answers(variant, trace))
    after = table(mended.trace, _answers(variant, mended.trace))
    frame["share_mended"] = after["share"]
    frame["first_row_mended"] = after["first_row"]
    return frame, mended
