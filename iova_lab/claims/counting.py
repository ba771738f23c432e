"""How many nodes does a variant visit, on which requests?  Exact, so any machine will do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

import iova_variants
from iova_lab import workloads
from iova_lab.claims.measurement import Measured, Run
from iova_variants.opstream import Op, OpStream

REFUSED = 2**64 - 1
SIZES = (1_000, 10_000, 100_000)
QUICK_SIZES = (100, 1_000, 10_000)


class Count(NamedTuple):
    """Nodes of one window: per alloc, per refused alloc, of the worst op, searched per alloc."""

    alloc: float
    refused: float
    worst: float
    searched: float
    nr_refused: int
    nr_spurious: int


def count(variant: str, stream: OpStream, *, judge: bool = False) -> Count:
    """Replay once, counted.  A kind of op that does not occur costs NaN."""
    result = iova_variants.replay(variant, stream, op_visits=True, pfns=True, judge=judge)
    assert result.op_visits is not None
    assert result.pfns is not None
    assert result.visits is not None
    window = slice(stream.nr_ageing, None)
    is_alloc = stream.ops["op"][window] == Op.ALLOC
    refused = is_alloc & (result.pfns[window] == REFUSED)
    return Count(
        alloc=_mean(result.op_visits[is_alloc]),
        refused=_mean(result.op_visits[refused]),
        worst=float(result.op_visits.max()),
        searched=result.visits["search"] / max(int(is_alloc.sum()), 1),
        nr_refused=int(refused.sum()),
        nr_spurious=int(result.nr_spurious or 0),
    )


def _mean(visits: np.ndarray) -> float:
    return float(visits.mean()) if len(visits) else float("nan")


def sizes_for(run: Run, workload: str | None = None, most: int = SIZES[-1]) -> list[int]:
    """The sizes to measure at, as far as the workload has them."""
    sizes = [n for n in (QUICK_SIZES if run.quick else (*SIZES, 1_000_000)) if n <= most]
    return [n for n in sizes if workload is None or workloads.get(workload).why_not(n) is None]


def grow(
    run: Run,
    variants: Sequence[str],
    workload: str | Callable[[int], OpStream],
    kind: str,
    most: int = SIZES[-1],
) -> Measured:
    """Nodes of ``kind`` (a field of `Count`) of every variant at every size."""
    name = workload if isinstance(workload, str) else None
    sizes = sizes_for(run, name, most)
    costs: dict[str, list[float]] = {variant: [] for variant in variants}
    for done, nr_live in enumerate(sizes):
        stream = workloads.generate(name, nr_live) if name else _made(workload, nr_live)
        for variant in variants:
            cost = float(getattr(count(variant, stream), kind))
            if math.isnan(cost):
                raise iova_variants.VariantError(f"{variant} at {nr_live:,}: no op is {kind}")
            costs[variant].append(cost)
        run.on_progress(done + 1, len(sizes))
    return {"sizes": sizes, "costs": costs}


def _made(workload: str | Callable[[int], OpStream], nr_live: int) -> OpStream:
    assert callable(workload)
    return workload(nr_live)
