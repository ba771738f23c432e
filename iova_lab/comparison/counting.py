"""What does one counted, judged replay of a cell say of a variant, and does it survive it?

Everything here is exact: the same on every machine, whatever its load.
"""

from __future__ import annotations

from dataclasses import fields

import iova_variants
from iova_lab.comparison.plan import Cell, Plan
from iova_lab.measuring import counts as counting
from iova_lab.measuring.counts import KINDS, Counts, KindCounts

__all__ = ["KINDS", "Counts", "KindCounts", "count"]


def count(plan: Plan, variant: str, cell: Cell) -> Counts:
    """Return `counted`; raises `VariantError` too where every request of the window was refused.

    Its time is the time of saying no, which nobody wants to know.
    """
    counts = counted(plan, variant, cell)
    nr_allocs = counts.kinds["alloc"].nr_ops
    if nr_allocs and counts.nr_failures == nr_allocs:
        raise iova_variants.VariantError(f"refuses all {nr_allocs:,} requests of the window")
    return counts


def counted(plan: Plan, variant: str, cell: Cell) -> Counts:
    """Replay once in a child process, counted and judged.

    Raises `VariantError` (crashed, hung, too many nodes, a broken promise) with one line.
    """
    stream = cell.stream(plan.seed)
    try:
        found = counting.count(
            variant, stream, plan.max_visits, rcache=plan.rcache, timeout=plan.timeout_s
        )
    except iova_variants.TooLongError as error:
        raise iova_variants.TooLongError(f"more than {plan.max_visits:,} nodes ({error})") from None
    return Counts(**{one.name: getattr(found, one.name) for one in fields(Counts)})
