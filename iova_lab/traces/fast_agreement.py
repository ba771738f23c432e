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
from functools import partial

import numpy as np
import pandas as pd

import iova_variants
from iova_lab.basics.errors import InvalidValueError
from iova_lab.traces.agreement import (
    Mask,
    Mended,
    Places,
    mend_order,
    mend_reserves,
    shares,
    with_first_row,
)
from iova_lab.traces.trace import FastTrace, Trace
from iova_variants import Rcache
from iova_variants.opstream import Op


@dataclass(frozen=True)
class Agreement:
    """Per op of the trace: is the address the recorded one, and did the call go equally far?"""

    address: Mask
    reach: Mask


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


def _wrong(fast: FastTrace, agreement: Agreement) -> Places:
    """Calls that do not agree; a free of a wrong address is only a consequence."""
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
    trace = fast.trace
    address = shares(trace, agreement.address, allocs, ["nr_allocs", "nr_agree", "share"])
    columns = ["nr_calls", "nr_reach_agree", "reach_share"]
    reach = shares(trace, agreement.reach, calls, columns)
    return with_first_row(address.join(reach), trace, _wrong(fast, agreement))


def mend(fast: FastTrace, variant: str = "mainline") -> Mended:
    """Mend what the recording lacks; ``variant`` is the one that the recorded kernel had.

    Calls are moved as long as that moves the first wrong one of a domain further on.
    """

    def wrong_of(trace: Trace) -> Places:
        attempt = replace(fast, trace=trace)
        return _wrong(attempt, compare(attempt, variant))

    def wrong_in(dom: int, trace: Trace) -> Places:
        wrong = wrong_of(trace)
        inside: Places = wrong[trace.stream.ops["dom"][wrong] == dom]
        return inside

    mended = mend_reserves(
        fast.trace,
        wrong_of(fast.trace),
        "domain {dom}: reserved ranges taken from the other domains",
    )
    doms = mended.trace.stream.ops["dom"]
    for dom in np.unique(doms[wrong_of(mended.trace)]).tolist():
        ordered = mend_order(
            mended.trace,
            partial(wrong_in, dom),
            badness=lambda wrong: -int(wrong[0]) if len(wrong) else -math.inf,
        )
        mended = Mended(ordered.trace, mended.notes + ordered.notes)
    return mended


def report(fast: FastTrace, variant: str = "mainline") -> tuple[pd.DataFrame, Mended]:
    """Per domain: agreement as recorded, and after mending (``share_mended`` ...)."""
    mended = mend(fast, variant)
    after = table(replace(fast, trace=mended.trace), variant)
    frame = table(fast, variant)
    for name in ("share", "reach_share", "first_row"):
        frame[f"{name}_mended"] = after[name]
    return frame, mended
