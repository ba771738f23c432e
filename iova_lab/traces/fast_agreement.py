"""Does the rcache do what the real kernel's fast API did, and if not, why?

Replays what drivers asked (alloc_iova_fast, free_iova_fast) through the rcache over a variant, and
compares two things with the recording: every address, and which calls went on to the tree.

Two things about a recording make an honest replay differ from it.  Both are mended from the
recording itself, and every mend is named:

- A domain that was set up before the probes has no reserved ranges in the trace; see `agreement`.
- A call is recorded when it returns.  Between its look-up in the caches and its return an interrupt
  may free a whole batch on the same CPU, which is then recorded first; or another CPU may take the
  lock of the tree first.  Where putting the call before those makes the answers agree for longer,
  that was its place.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

import iova_variants
from iova_lab.basics.errors import InvalidValueError
from iova_lab.traces.agreement import common_reserves, moved, note, places, with_reserves
from iova_lab.traces.trace import FastTrace, Trace
from iova_variants import Rcache
from iova_variants.opstream import Op


@dataclass(frozen=True)
class MendedFast:
    """A fast-level trace after mending, and what was done to it, one line each."""

    fast: FastTrace
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Agreement:
    """Per op of the trace: is the address the recorded one, and did the call go equally far?"""

    address: npt.NDArray[np.bool_]
    reach: npt.NDArray[np.bool_]


def rcache_for(trace: Trace) -> Rcache:
    """Return the rcache of the kernel that was recorded, with the recording's clock."""
    found = re.match(r"(\d+)\.(\d+)", trace.kernel)
    if not found:
        raise InvalidValueError(
            f"{trace.path}: kernel {trace.kernel!r} does not begin with a version"
        )
    version = int(found[1]), int(found[2])
    if version < (6, 7):
        return Rcache("pre-6.7", t_ns=trace.t_ns)
    return Rcache("6.7" if version < (7, 3) else "7.3", t_ns=trace.t_ns)


def compare(fast: FastTrace, variant: str = "mainline", rcache: Rcache | None = None) -> Agreement:
    """Replay the trace, and hold every call against the recording.

    ``rcache`` is the recorded kernel's own unless it is given.
    """
    trace = fast.trace
    result = iova_variants.replay(
        variant,
        trace.stream,
        rcache=rcache or rcache_for(trace),
        pfns=True,
        tree_ops=True,
        timeout=math.inf,
    )
    nr_ops = len(trace.stream.ops)
    reached = np.zeros(nr_ops + 1, bool)  # the last is the flush at the end
    reached[result.tree_ops["index"]] = True
    added = trace.rows < 0
    return Agreement(
        address=result.pfns == trace.recorded,
        reach=(reached[:nr_ops] == fast.went_on[trace.rows])
        | (not fast.knows_reach)
        | added
        | (trace.stream.ops["op"] == Op.RESERVE),
    )


def _wrong(fast: FastTrace, variant: str) -> npt.NDArray[np.int64]:
    """Calls that do not agree; a free of a wrong address is only a consequence."""
    agreement = compare(fast, variant)
    allocs = fast.trace.stream.ops["op"] == Op.ALLOC
    return np.flatnonzero((allocs & ~agreement.address) | ~agreement.reach)


def table(fast: FastTrace, variant: str = "mainline") -> pd.DataFrame:
    """Compare per domain: one row for each that allocates.

    Columns: ``dom``, ``nr_allocs``, ``nr_agree`` and ``share`` (addresses), ``nr_calls``,
    ``nr_reach_agree`` and ``reach_share`` (went on to the tree or not), and ``first_row``, the row
    in the file of the first call that does not agree (-1 if there is none).
    """
    ops, agreement = fast.trace.stream.ops, compare(fast, variant)
    allocs, calls = ops["op"] == Op.ALLOC, ops["op"] != Op.RESERVE
    address = pd.Series(agreement.address[allocs]).groupby(ops["dom"][allocs])
    frame = pd.DataFrame(
        {"nr_allocs": address.size(), "nr_agree": address.sum(), "share": address.mean()}
    ).rename_axis("dom")
    reach = pd.Series(agreement.reach[calls]).groupby(ops["dom"][calls])
    frame = frame.join(
        pd.DataFrame(
            {"nr_calls": reach.size(), "nr_reach_agree": reach.sum(), "reach_share": reach.mean()}
        )
    )
    wrong = np.flatnonzero((allocs & ~agreement.address) | ~agreement.reach)
    first = pd.Series(fast.trace.rows[wrong]).groupby(ops["dom"][wrong]).min()
    frame["first_row"] = first.reindex(frame.index).fillna(-1).astype(int)
    return frame.reset_index()


def _mend_reserves(fast: FastTrace, variant: str) -> MendedFast:
    ops = fast.trace.stream.ops
    wrong = ops["dom"][_wrong(fast, variant)]
    notes = []
    for dom in np.setdiff1d(wrong, ops["dom"][ops["op"] == Op.RESERVE]):
        reserves = common_reserves(fast.trace)
        if not len(reserves):
            break
        fast = replace(fast, trace=with_reserves(fast.trace, int(dom), reserves))
        notes.append(f"domain {dom}: reserved ranges taken from the other domains")
    return MendedFast(fast, tuple(notes))


def _first_in(dom: int, fast: FastTrace, variant: str) -> int:
    """Index of the first wrong op of a domain; beyond the last op if there is none."""
    wrong = _wrong(fast, variant)
    return int(min(wrong[fast.trace.stream.ops["dom"][wrong] == dom], default=len(fast.went_on)))


def _mend_domain(fast: FastTrace, dom: int, variant: str) -> MendedFast:
    """Move calls as long as that moves the first wrong one of the domain further on."""
    notes: list[str] = []
    index = _first_in(dom, fast, variant)
    while index < len(fast.trace.rows):
        for op, to in places(fast.trace, index):
            attempt = replace(fast, trace=moved(fast.trace, op, to))
            first = _first_in(dom, attempt, variant)
            if first > index:
                notes.append(note(fast.trace, op, to))
                fast, index = attempt, first
                break
        else:
            break
    return MendedFast(fast, tuple(notes))


def mend(fast: FastTrace, variant: str = "mainline") -> MendedFast:
    """Mend what the recording lacks; ``variant`` is the one that the recorded kernel had."""
    mended = _mend_reserves(fast, variant)
    doms = mended.fast.trace.stream.ops["dom"]
    for dom in np.unique(doms[_wrong(mended.fast, variant)]).tolist():
        ordered = _mend_domain(mended.fast, dom, variant)
        mended = MendedFast(ordered.fast, mended.notes + ordered.notes)
    return mended


def report(fast: FastTrace, variant: str = "mainline") -> tuple[pd.DataFrame, MendedFast]:
    """Per domain: agreement as recorded, and after mending (``share_mended`` ...)."""
    mended = mend(fast, variant)
    after = table(mended.fast, variant)
    frame = table(fast, variant)
    for name in ("share", "reach_share", "first_row"):
        frame[f"{name}_mended"] = after[name]
    return frame, mended
