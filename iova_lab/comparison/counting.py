"""What does one counted, judged replay of a cell say of a variant, and does it survive it?

Everything here is exact: the same on every machine, whatever its load.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import iova_variants
from iova_lab.comparison.plan import Cell, Plan
from iova_variants import Claim
from iova_variants.opstream import Op, OpStream

#: The two kinds of op that a driver waits for, in the order of every table.
KINDS = ("alloc", "free")
OPS = {"alloc": Op.ALLOC, "free": Op.FREE}


@dataclass(frozen=True)
class KindCounts:
    """Nodes visited by one kind of op: all of them, and the most that one of them visited."""

    nr_ops: int
    visits: int
    worst: int

    @property
    def mean(self) -> float:
        return self.visits / self.nr_ops if self.nr_ops else float("nan")


@dataclass(frozen=True)
class Counts:
    """What `ReplayResult` counts, alloc and free apart; judged fields are None for a fake."""

    kinds: dict[str, KindCounts]
    nr_ops: int
    nr_failures: int
    nr_spurious: int | None
    nr_above_limit: int | None
    nr_not_highest: int | None
    nr_live: int
    nr_live_pfns: int
    span: int
    bytes: int
    node_bytes: int

    @property
    def bytes_per_range(self) -> float:
        return self.bytes / self.nr_live if self.nr_live else float("nan")

    @property
    def span_per_pfn(self) -> float:
        return self.span / self.nr_live_pfns if self.nr_live_pfns else float("nan")


class RefusesAllError(iova_variants.VariantError):
    """Every request of the window was refused: its time is the time of saying no."""


def count(plan: Plan, variant: str, cell: Cell) -> Counts:
    """Return `counted`; raises `RefusesAllError` too, which nobody wants to time."""
    counts = counted(plan, variant, cell)
    nr_allocs = counts.kinds["alloc"].nr_ops
    if nr_allocs and counts.nr_failures == nr_allocs:
        raise RefusesAllError(f"refuses all {nr_allocs:,} requests of the window")
    return counts


def counted(plan: Plan, variant: str, cell: Cell) -> Counts:
    """Replay once in a child process, counted and judged.

    Raises `VariantError` (crashed, hung, too many nodes, a broken promise) with one line.
    """
    stream = cell.stream(plan.seed)
    is_fake = Claim.FAKE in iova_variants.load(variant).claims
    try:
        result = iova_variants.replay(
            variant,
            stream,
            judge=not is_fake,
            op_visits=True,
            build="counted",
            max_visits=plan.max_visits,
            timeout=plan.timeout_s,
            rcache=plan.rcache,
        )
    except iova_variants.TooLongError as error:
        raise iova_variants.TooLongError(f"more than {plan.max_visits:,} nodes ({error})") from None
    return _counts(result, stream)


def _counts(result: iova_variants.ReplayResult, stream: OpStream) -> Counts:
    assert result.op_visits is not None
    ops = stream.ops["op"][stream.nr_ageing :]
    kinds = {}
    for kind in KINDS:
        visits = result.op_visits[ops == OPS[kind]].astype(np.uint64)
        kinds[kind] = KindCounts(len(visits), int(visits.sum()), int(visits.max(initial=0)))
    return Counts(
        kinds=kinds,
        nr_ops=result.nr_ops,
        nr_failures=result.nr_failures,
        nr_spurious=result.nr_spurious,
        nr_above_limit=result.nr_above_limit,
        nr_not_highest=result.nr_not_highest,
        nr_live=result.nr_live,
        nr_live_pfns=result.nr_live_pfns,
        span=result.span,
        bytes=result.bytes,
        node_bytes=result.node_bytes,
    )
