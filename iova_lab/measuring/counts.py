"""How many nodes, and how many instructions, does each variant take, in each workload and size?

One row per cell, the same on every machine: counted and judged replays; instructions, where they
are asked for, from instructions.py, the same for every run with the same compiler.  What would
visit more than `BUDGET` nodes is left out, with the reason in its row
(docs/decisions/0007-budget.md); a variant that was too slow at one size of a workload is not asked
at a larger one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import iova_variants
from iova_lab import workloads
from iova_lab.measuring.instructions import per_op
from iova_variants import Claim
from iova_variants.opstream import OpStream

#: Nodes that one replay may visit, as in benchmarks/_common.py.
BUDGET = 3_000_000_000


@dataclass(frozen=True)
class Row:
    """One cell; everything but the names is None where it was left out for ``reason``.

    ``search`` + ``descend`` + ``update`` are ``nodes``, all per op; ``worst`` is of one op.
    ``instructions`` are per op, None where they were not asked for.
    With an ``rcache`` in front, ops are the callers' and nodes are those of what it missed;
    ``hit_rate`` is the share of requests that it answered.
    ``spurious`` and ``not_highest`` are None where nobody can judge: a fake keeps no books.
    """

    workload: str
    nr_live: int
    variant: str
    nodes: float | None = None
    worst: int | None = None
    search: float | None = None
    descend: float | None = None
    update: float | None = None
    nr_ops: int | None = None
    failures: int | None = None
    spurious: int | None = None
    not_highest: int | None = None
    span: int | None = None
    bytes_per_range: float | None = None
    node_bytes: int | None = None
    instructions: float | None = None
    rcache: str = "off"
    hit_rate: float | None = None
    reason: str = ""


def cells(sizes: Sequence[int]) -> list[tuple[str, int]]:
    """Workloads, each at those of ``sizes`` that it has."""
    return [
        (name, size)
        for name in workloads.names()
        for size in sizes
        if workloads.get(name).why_not(size) is None
    ]


def measure(
    variants: Sequence[str],
    sizes: Sequence[int],
    *,
    instructions: bool = False,
    rcache: str = "off",
) -> Iterator[Row]:
    """Count every cell on every variant, cell by cell; ``rcache`` stands in front of each.

    Raises `ToolError` without valgrind.
    """
    too_slow: set[tuple[str, str]] = set()
    for workload, nr_live in cells(sizes):
        stream = workloads.generate(workload, nr_live)
        for variant in variants:
            reason = f"more than {BUDGET:,} nodes"
            row = Row(workload, nr_live, variant, rcache=rcache, reason=reason)
            if (workload, variant) not in too_slow:
                row = _count(row, stream)
            if instructions and row.nodes is not None:
                row = replace(row, instructions=per_op(variant, stream))
            if row.nodes is None:
                too_slow.add((workload, variant))
            yield row


def _count(row: Row, stream: OpStream) -> Row:
    try:
        result = iova_variants.replay(
            row.variant,
            stream,
            judge=True,
            op_visits=True,
            max_visits=BUDGET,
            rcache=row.rcache,
            timeout=math.inf,  # in a child: what a file of the user's does is not this process's
        )
    except iova_variants.TooLongError:
        return row
    visits = {kind: nr / result.nr_ops for kind, nr in (result.visits or {}).items()}
    fake = Claim.FAKE in iova_variants.load(row.variant).claims
    counts = {
        "nodes": sum(visits.values()),
        "worst": result.worst_visits,
        "nr_ops": result.nr_ops,
        "failures": result.nr_failures,
        "spurious": None if fake else result.nr_spurious,
        "not_highest": None if fake else result.nr_not_highest,
        "span": result.span,
        "bytes_per_range": result.bytes / max(result.nr_live, 1),
        "node_bytes": result.node_bytes,
        "hit_rate": _hit_rate(result.rcache),
        "reason": "",
    }
    return Row(**(asdict(row) | visits | counts))


def _hit_rate(layer: iova_variants.RcacheReport | None) -> float | None:
    return None if layer is None else sum(layer.nr_hits) / max(sum(layer.nr_allocs), 1)
