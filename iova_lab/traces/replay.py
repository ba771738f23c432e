"""What do variants make of a recorded trace, and do they answer as the recorded kernel did?

A trace with tree-level requests is replayed as those; one that was recorded at the fast API alone,
or on demand, as the drivers' requests, with the recorded kernel's rcache in front of the variant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

import iova_variants
from iova_lab.basics.errors import InvalidValueError
from iova_lab.traces.fast_agreement import rcache_for
from iova_lab.traces.names import LEVELS, NR_TIMINGS
from iova_lab.traces.trace import Trace, has_tree_level, read_fast_trace, read_trace
from iova_variants.opstream import Op

Level = Literal["tree", "fast"]


@dataclass(frozen=True)
class VariantReplay:
    """Results of one variant; all but ``variant`` and ``error`` is None where it failed.

    ``ns_per_op`` is the best of ``nr_timings`` replays, nodes are exact.  ``nr_agree`` of
    ``nr_allocs`` allocations got the recorded address, as recorded and unmended; both are None for
    a synthetic trace, which has no recorded ones.  ``first_row`` is the row in the file of the
    first that did not, -1 if there is none.  ``hit_rate`` is the rcache's, at the fast level.
    """

    variant: str
    error: str | None = None
    nr_ops: int | None = None
    ns_per_op: float | None = None
    nodes_per_op: float | None = None
    worst_visits: int | None = None
    nr_refused: int | None = None
    nr_spurious: int | None = None
    nr_not_highest: int | None = None
    nr_above_limit: int | None = None
    nr_allocs: int | None = None
    nr_agree: int | None = None
    first_row: int | None = None
    hit_rate: float | None = None


@dataclass(frozen=True)
class TraceReplay:
    """A trace on several variants."""

    path: str
    kernel: str
    synthetic: str | None
    approximate: str | None
    level: Level
    rcache: str
    nr_timings: int
    variants: tuple[VariantReplay, ...]


def level_of(path: str | Path, asked: str = "auto") -> Level:
    """The level to replay: the tree, unless it was not recorded or is not wanted."""
    if asked not in LEVELS:
        raise InvalidValueError(f"no level {asked!r}; there are: {', '.join(LEVELS)}")
    if asked == "auto":
        return "tree" if has_tree_level(path) else "fast"
    return "fast" if asked == "fast" else "tree"


def replay_trace(
    path: str | Path,
    variants: Sequence[str] = ("mainline",),
    *,
    level: str = "auto",
    nr_timings: int = NR_TIMINGS,
    timeout: float | None = 600.0,
    on_progress: Callable[[VariantReplay], object] = lambda result: None,
) -> TraceReplay:
    """Replay a trace on each of ``variants``, names or paths of .c files.

    ``on_progress`` is given the result of each.

    A variant that crashes, hangs or breaks its contract is named in its ``error``, and takes no
    other with it.  Raises `TraceError`, and `NotFoundError` for an unknown variant.
    """
    chosen = level_of(path, level)
    trace = read_trace(path) if chosen == "tree" else read_fast_trace(path).trace
    rcache = "off" if chosen == "tree" else rcache_for(trace).kernel
    for variant in variants:
        iova_variants.load(variant)  # a wrong name is told before anything runs
    results = []
    for variant in variants:
        try:
            result = _replay(variant, trace, chosen, nr_timings, timeout)
        except iova_variants.VariantError as error:
            result = VariantReplay(variant, str(error))
        results.append(result)
        on_progress(result)
    return TraceReplay(
        path=str(path),
        kernel=trace.kernel,
        synthetic=trace.synthetic,
        approximate=trace.approximate,
        level=chosen,
        rcache=rcache,
        nr_timings=nr_timings,
        variants=tuple(results),
    )


def _replay(
    variant: str, trace: Trace, level: Level, nr_timings: int, timeout: float | None
) -> VariantReplay:
    rcache: iova_variants.Rcache | str = "off" if level == "tree" else rcache_for(trace)
    run = partial(iova_variants.replay, variant, trace.stream, rcache=rcache, timeout=timeout)
    judged = iova_variants.replay(
        variant,
        trace.stream,
        judge=True,
        op_visits=True,
        pfns=True,
        rcache=rcache,
        timeout=timeout,
    )
    nr_ops = max(judged.nr_ops, 1)
    allocs = trace.stream.ops["op"] == Op.ALLOC
    nr_allocs, wrong = int(allocs.sum()), np.flatnonzero(allocs & (judged.pfns != trace.recorded))
    hits = judged.rcache
    return VariantReplay(
        variant=variant,
        nr_ops=judged.nr_ops,
        ns_per_op=min((run().ns_per_op for _ in range(nr_timings)), default=None),
        nodes_per_op=judged.nodes / nr_ops,
        worst_visits=judged.worst_visits,
        nr_refused=judged.nr_failures,
        nr_spurious=judged.nr_spurious,
        nr_not_highest=judged.nr_not_highest,
        nr_above_limit=judged.nr_above_limit,
        nr_allocs=nr_allocs,
        nr_agree=None if trace.synthetic else nr_allocs - len(wrong),
        first_row=None if trace.synthetic else int(trace.rows[wrong[0]]) if len(wrong) else -1,
        hit_rate=sum(hits.nr_hits) / max(sum(hits.nr_allocs), 1) if hits else None,
    )
