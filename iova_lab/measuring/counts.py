"""What does one counted, judged replay show of a window?  All pages have their counts from `count`.

Counts are exact, the same on every machine whatever its load, so a window is replayed once for all
callers, and its counts are kept in a file that is named after what they depend on.  `measure`
makes one row per cell; instructions, where they are requested, are from instructions.py, the same
for every run with the same compiler.  What would visit more than `NODE_BUDGET` nodes is left out,
with the reason in its row (docs/decisions/0007-budget.md); a variant that was too slow at one size
of a workload is not run at a larger one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

import iova_variants
from iova_lab import workloads
from iova_lab.basics import repository
from iova_lab.basics.writing import write_whole
from iova_lab.measuring.cells import NODE_BUDGET
from iova_lab.measuring.instructions import per_op
from iova_variants import REFUSED, Claim, Rcache
from iova_variants.building import BUILT_DIR
from iova_variants.opstream import Op, OpStream

#: Where counts are kept; the benchmarks name their checkout's, whichever commit is installed.
_CHECKOUT = repository.ROOT if (repository.ROOT / ".git").exists() else None
FOLDER = (_CHECKOUT / "build" if _CHECKOUT else BUILT_DIR) / "counts"
#: Counts of another version of this module are other counts.
_VERSION = sha256(Path(__file__).read_bytes()).hexdigest()[:8]

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
        """Nodes per op of this kind; NaN if there is none."""
        return self.visits / self.nr_ops if self.nr_ops else float("nan")


@dataclass(frozen=True)
class Counts:
    """What `CountedReplay` counts, alloc and free apart; judged fields are None for a fake."""

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
        """Bytes held per live range; NaN if there is none."""
        return self.bytes / self.nr_live if self.nr_live else float("nan")

    @property
    def span_per_pfn(self) -> float:
        """Pfns from the lowest to the highest live one, per live one; NaN if there is none."""
        return self.span / self.nr_live_pfns if self.nr_live_pfns else float("nan")

    @property
    def nodes_per_op(self) -> float:
        """Nodes visited by the allocs and frees of a window, by op of it."""
        return sum(kind.visits for kind in self.kinds.values()) / self.nr_ops

    @property
    def worst(self) -> int:
        """Most nodes that one op visited."""
        return max(kind.worst for kind in self.kinds.values())


@dataclass(frozen=True)
class WindowCounts(Counts):
    """`Counts`, and what a comparison does not keep.

    ``refused`` has the allocs that got nothing, which ``kinds`` has too; ``visits`` are all nodes,
    by what they were visited for; ``hit_rate`` is the share of requests that the rcache answered,
    None without one; ``op_visits`` has the nodes of each op of the window.
    """

    refused: KindCounts
    visits: dict[str, int]
    hit_rate: float | None
    op_visits: tuple[int, ...] = field(repr=False)

    @property
    def served(self) -> float:
        """Nodes per alloc that got a range; NaN if none did."""
        alloc = self.kinds["alloc"]
        nr_served = alloc.nr_ops - self.refused.nr_ops
        return (alloc.visits - self.refused.visits) / nr_served if nr_served else float("nan")


def count(
    variant: str,
    stream: OpStream,
    budget: int = 0,
    *,
    rcache: Rcache | str = "off",
    timeout: float | None = None,
) -> WindowCounts:
    """Replay, counted and judged, unless that was done; fakes are not judged.

    Counts depend on the shared object, the stream and the rcache, and on nothing else; what was
    counted within a smaller budget holds for a larger one.  Raises `TooLongError` beyond ``budget``
    nodes (0: none), else as `iova_variants.replay`; of other errors nothing is kept.
    """
    code = iova_variants.load(variant, build="counted").path.stem
    layer = sha256(repr(rcache).encode()).hexdigest()[:8]
    path = FOLDER / f"{code}-{stream.digest()[:16]}-{layer}-{_VERSION}.json"
    most = budget or math.inf
    row: dict[str, Any] = {}
    with suppress(OSError, ValueError, LookupError, TypeError):
        row = dict(json.loads(path.read_bytes()))
        if row.get("within", math.nan) <= most:
            return _as_counts(row["counts"])
        if row.get("beyond", math.nan) >= most:
            raise iova_variants.TooLongError(row["too_long"])
    try:
        found = _replayed(variant, stream, budget, rcache, timeout)
    except iova_variants.TooLongError as error:
        _keep(path, row | {"beyond": most, "too_long": str(error)})
        raise
    _keep(path, row | {"within": most, "counts": asdict(found)})
    return found


def _keep(path: Path, row: dict[str, Any]) -> None:
    with suppress(OSError):  # a folder of another user's: it is counted again
        write_whole(path, json.dumps(row))


def _as_counts(row: dict[str, Any]) -> WindowCounts:
    """Return what `asdict` has made of counts, and JSON of that."""
    kinds = {kind: KindCounts(**counts) for kind, counts in row.pop("kinds").items()}
    refused, op_visits = KindCounts(**row.pop("refused")), tuple(row.pop("op_visits"))
    return WindowCounts(kinds=kinds, refused=refused, op_visits=op_visits, **row)


def _replayed(
    variant: str, stream: OpStream, budget: int, rcache: Rcache | str, timeout: float | None
) -> WindowCounts:
    result = iova_variants.replay(
        variant,
        stream,
        judge=Claim.FAKE not in iova_variants.load(variant).claims,
        op_visits=True,
        pfns=True,
        build="counted",
        max_visits=budget,
        rcache=rcache,
        timeout=timeout,
    )
    judged = result.judged
    ops, visits = stream.ops["op"][stream.nr_ageing :], result.op_visits.astype(np.uint64)
    refused = (ops == Op.ALLOC) & (result.pfns[stream.nr_ageing :] == REFUSED)
    return WindowCounts(
        kinds={kind: _kind(visits[ops == OPS[kind]]) for kind in KINDS},
        nr_ops=result.nr_ops,
        nr_failures=result.nr_failures,
        nr_spurious=judged.nr_spurious if judged else None,
        nr_above_limit=judged.nr_above_limit if judged else None,
        nr_not_highest=judged.nr_not_highest if judged else None,
        nr_live=result.nr_live,
        nr_live_pfns=result.nr_live_pfns,
        span=result.span,
        bytes=result.bytes,
        node_bytes=result.node_bytes,
        refused=_kind(visits[refused]),
        visits=result.visits,
        hit_rate=_hit_rate(result.rcache),
        op_visits=tuple(visits.tolist()),
    )


def _kind(visits: np.ndarray) -> KindCounts:
    return KindCounts(len(visits), int(visits.sum()), int(visits.max(initial=0)))


@dataclass(frozen=True)
class Row:
    """One cell; everything but the names is None where it was left out for ``reason``.

    ``search`` + ``descend`` + ``update`` are ``nodes``, all per op; ``worst`` is of one op.
    ``instructions`` are per op, None where they were not requested.
    With an ``rcache`` in front, ops are the callers' and nodes are those of what it missed;
    ``hit_rate`` is the share of requests that it answered.
    ``spurious`` and ``not_highest`` are None where they cannot be judged: a fake keeps no ranges.
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


def cells(sizes: Sequence[int], names: Sequence[str] = ()) -> list[tuple[str, int]]:
    """Workloads, all or those of these ``names``, each at those of ``sizes`` that it has."""
    return [
        (name, size)
        for name in names or workloads.names()
        for size in sizes
        if workloads.get(name).why_not(size) is None
    ]


def measure(
    variants: Sequence[str],
    sizes: Sequence[int],
    *,
    names: Sequence[str] = (),
    instructions: bool = False,
    rcache: str = "off",
) -> Iterator[Row]:
    """Count every cell on every variant, cell by cell; ``rcache`` stands in front of each.

    ``names`` are those of workloads, by default all.  Raises `ToolError` without valgrind.
    """
    too_slow: set[tuple[str, str]] = set()
    for workload, nr_live in cells(sizes, names):
        stream = workloads.generate(workload, nr_live)
        for variant in variants:
            reason = f"more than {NODE_BUDGET:,} nodes"
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
        # In a child: what a file of the user's does is not this process's.
        found = count(row.variant, stream, NODE_BUDGET, rcache=row.rcache, timeout=math.inf)
    except iova_variants.TooLongError:
        return row
    return replace(
        row,
        search=found.visits["search"] / found.nr_ops,
        descend=found.visits["descend"] / found.nr_ops,
        update=found.visits["update"] / found.nr_ops,
        nodes=found.nodes_per_op,
        worst=found.worst,
        nr_ops=found.nr_ops,
        failures=found.nr_failures,
        spurious=found.nr_spurious,
        not_highest=found.nr_not_highest,
        span=found.span,
        bytes_per_range=found.bytes / max(found.nr_live, 1),
        node_bytes=found.node_bytes,
        hit_rate=found.hit_rate,
        reason="",
    )


def _hit_rate(layer: iova_variants.RcacheReport | None) -> float | None:
    return None if layer is None else sum(layer.nr_hits) / max(sum(layer.nr_allocs), 1)
