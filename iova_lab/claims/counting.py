"""How many nodes does a variant visit, on which requests?  Exact, so any machine will do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypedDict

import iova_variants
from iova_lab import workloads
from iova_lab.claims.claim import Finding, Quantity, Verdict
from iova_lab.claims.judging import judge_growth
from iova_lab.claims.measurement import Measured, Run
from iova_lab.measuring.counts import WindowCounts, count
from iova_variants.opstream import OpStream

SIZES = (1_000, 10_000, 100_000)
QUICK_SIZES = (100, 1_000, 10_000)


#: What `grow` follows, by name: nodes per alloc, per refused alloc, of the worst op, searched per
#: alloc.
COSTS: dict[str, Callable[[WindowCounts], float]] = {
    "alloc": lambda one: one.kinds["alloc"].mean,
    "refused": lambda one: one.refused.mean,
    "worst": lambda one: float(one.worst),
    "searched": lambda one: one.visits["search"] / max(one.kinds["alloc"].nr_ops, 1),
}
#: What an answer calls each of these.
UNITS = {
    "alloc": "nodes/alloc",
    "refused": "nodes/refusal",
    "worst": "nodes, worst op,",
    "searched": "nodes searched/alloc",
}
#: Of each word for growth: the rule, what growth that is less clear is worth, and the exponents.
GROWTH = {
    "linear": (
        "reproduced if linear, partly if they grow faster than a logarithm in another way, not if "
        "they don't",
        Verdict.PARTLY,
        Quantity("exponent", 1, 1),
    ),
    "flat": (
        "reproduced if flat, partly if logarithmic, not if they grow faster",
        Verdict.PARTLY,
        Quantity("exponent", 0, 0),
    ),
    "logarithmic": (
        "reproduced if flat or logarithmic, not if they grow faster",
        Verdict.NOT,
        Quantity("exponent", 0, 0.3010),
    ),
}


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
    """Nodes of ``kind`` (a key of `COSTS`) of every variant at every size."""
    name = workload if isinstance(workload, str) else None
    make: Callable[[int], OpStream] = (
        partial(workloads.generate, workload) if isinstance(workload, str) else workload
    )
    sizes = sizes_for(run, name, most)
    costs: dict[str, list[float]] = {variant: [] for variant in variants}
    for done, nr_live in enumerate(sizes):
        stream = make(nr_live)
        for variant in variants:
            cost = COSTS[kind](count(variant, stream))
            if math.isnan(cost):
                raise iova_variants.VariantError(f"{variant} at {nr_live:,}: no op is {kind}")
            costs[variant].append(cost)
        run.on_progress(done + 1, len(sizes))
    return {"sizes": sizes, "costs": costs}


class Growing(TypedDict):
    """The fields of a claim on how one curve grows."""

    rule: str
    judge: Callable[[Measured], Finding]
    measure: Callable[[Run], Measured]
    published: Quantity


def growing(
    counted: str,
    expected: str,
    variant: str,
    workload: str | Callable[[int], OpStream],
    kind: str,
    most: int = SIZES[-1],
) -> Growing:
    """What `grow` counts of one variant grows as ``expected``, a key of `GROWTH`.

    ``counted`` says in the rule what that is.
    """
    rule, less, published = GROWTH[expected]
    return {
        "rule": f"{counted}: {rule}.",
        "judge": judge_growth(expected, variant, UNITS[kind], less=less),
        "measure": partial(grow, variants=[variant], workload=workload, kind=kind, most=most),
        "published": published,
    }


def node_size(run: Run, variant: str) -> Measured:
    """Bytes of a node, and of whole slabs per live range."""
    stream = workloads.generate("random_replace", run.least(100_000, 1_000))
    result = iova_variants.replay(variant, stream)
    return {"node_bytes": result.node_bytes, "bytes_per_range": result.bytes / result.nr_live}
