"""For how long does a variant hold its lock, as a distribution that a model can draw from?

Nodes visited are exact (counted build).  Holds are measured (threaded build, one thread), each op
several times in replays of the same stream: the lower quartile is what it takes undisturbed.  A
fit of ``base + ns_per_node * nodes``, for allocs and frees apart, says how much of that is the
walk, and gives the holds of a machine where a node costs something else.  What another CPU's caches
add is measured with two threads that take turns, so that nobody waits.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

import iova_variants
from iova_lab import workloads
from iova_lab.opstream import Op, OpStream

#: A distribution keeps the means of so many equal parts of its sorted values, and its maximum.
NR_PARTS = 48
MOST_REPLAYS, SECONDS = 9, 0.3
#: Nodes that one replay may visit: some seconds of walking.
MAX_VISITS = 1_000_000_000

Floats = npt.NDArray[np.float64]
#: Pairs of ns and how often.
Weighted = tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Kind:
    """Holds of one kind of op, alloc or free; ns.

    ``holds`` and ``nodes`` are distributions, the mean of each part and how many ops it stands for.
    ``error`` is the mean over ops of |fit - measured| / measured, ``mean_error`` that of the mean.
    ``remote_ns`` comes on top when another CPU had the lock before.
    """

    nr: int
    holds: Weighted
    nodes: Weighted
    base_ns: float
    ns_per_node: float
    mean_nodes: float
    max_nodes: int
    error: float
    mean_error: float
    remote_ns: float

    @property
    def mean_ns(self) -> float:
        """Mean hold, 0 where there is none."""
        return sum(ns * count for ns, count in self.holds) / self.nr if self.nr else 0.0

    @property
    def max_ns(self) -> float:
        """Longest hold."""
        return max((ns for ns, _ in self.holds), default=0.0)

    def at(self, ns_per_node: float) -> Kind:
        """Where a node costs so much, and all else what it costs here."""
        holds = tuple((self.base_ns + ns_per_node * nodes, count) for nodes, count in self.nodes)
        return replace(self, holds=holds, ns_per_node=ns_per_node)


@dataclass(frozen=True)
class Service:
    """Holds of one variant in one workload, and what is between them.

    ``think_ns`` is what one thread does between two holds in the replay, ``lock_ns`` what taking
    the free lock takes, ``handoff_ns`` from one holder's release to the next one's start where that
    one has waited.
    """

    variant: str
    workload: str
    nr_live: int
    alloc: Kind
    free: Kind
    think_ns: float
    lock_ns: float
    handoff_ns: float

    def at(self, ns_per_node: float) -> Service:
        """Where a node costs so much; 0 for here."""
        if not ns_per_node:
            return self
        return replace(self, alloc=self.alloc.at(ns_per_node), free=self.free.at(ns_per_node))

    def fitted(self) -> Service:
        """Holds as the fit says of the exact node counts: no interruption is in them."""
        alloc, free = (kind.at(kind.ns_per_node) for kind in (self.alloc, self.free))
        return replace(self, alloc=alloc, free=free)

    def as_row(self) -> dict[str, Any]:
        """Plain JSON, in four digits."""
        row = {field.name: getattr(self, field.name) for field in fields(self)}
        return row | {kind: _kind_row(row[kind]) for kind in ("alloc", "free")}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """What `as_row` has written."""
        values = {field.name: row[field.name] for field in fields(cls)}
        for name in ("alloc", "free"):
            kind = dict(values[name])
            for weighted in ("holds", "nodes"):
                kind[weighted] = tuple((float(x), int(count)) for x, count in kind[weighted])
            values[name] = Kind(**kind)
        return cls(**values)


def _kind_row(kind: Kind) -> dict[str, Any]:
    row = {field.name: getattr(kind, field.name) for field in fields(kind)}
    for weighted in ("holds", "nodes"):
        row[weighted] = [[_digits(value), count] for value, count in row[weighted]]
    return {
        name: _digits(value) if isinstance(value, float) else value for name, value in row.items()
    }


def _digits(value: float) -> float:
    return float(f"{value:.4g}")


def parts(values: Floats) -> Weighted:
    """Return the means of equal parts of ``values``, and the maximum apart: sum and max stay."""
    if not len(values):
        return ()
    ordered = np.sort(values)
    groups = [group for group in np.array_split(ordered[:-1], NR_PARTS) if len(group)]
    pairs = [(float(group.mean()), len(group)) for group in groups]
    return (*pairs, (float(ordered[-1]), 1))


def fit(nodes: Floats, holds: Floats) -> tuple[float, float]:
    """Return base and ns per node, neither negative, that leave the least relative error.

    Robust: an op that the system interrupted in most replays does not decide.
    """
    if np.ptp(nodes) == 0:
        return float(np.median(holds)), 0.0
    matrix = np.stack([np.ones_like(nodes), nodes]) / holds
    start = np.array([np.min(holds), np.median(holds) / max(float(np.median(nodes)), 1.0)])
    found = least_squares(
        lambda x: x @ matrix - 1,
        start,
        bounds=(0, np.inf),
        loss="soft_l1",
        f_scale=0.1,
        x_scale=start,
    )
    return float(found.x[0]), float(found.x[1])


def _replays(
    variant: str, stream: OpStream, threads: int, *, seconds: float
) -> tuple[Floats, float, float]:
    """Hold of each op, least time between two holds, least mean wait.

    With two threads, they take turns, op by op.
    """
    dealt = iova_variants.deal(stream, threads)
    alternating = (np.arange(stream.nr_measured) % threads).astype(np.uint16)
    dealt = replace(dealt, thread=alternating)
    holds: list[npt.NDArray[np.uint32]] = []
    gaps, waits = [], []
    began = time.monotonic()
    while len(holds) < MOST_REPLAYS:
        result = iova_variants.replay_threads(
            variant, dealt, threads=threads, per_op=True, in_turn=threads > 1, timeout=600
        )
        assert result.op_hold_ns is not None
        holds.append(result.op_hold_ns)
        lock = result.lock()
        gaps.append((result.ns - lock.wait_ns - lock.hold_ns) / max(lock.nr, 1))
        waits.append(lock.wait_ns / max(lock.nr, 1))
        if time.monotonic() - began > seconds and len(holds) >= 3:
            break
        if time.monotonic() - began > 8 * seconds:
            break
    quartile = np.quantile(np.stack(holds), 0.25, axis=0).astype(np.float64)
    return quartile, max(min(gaps), 0.0), min(waits)


def _remote(variant: str, stream: OpStream, local: Floats, *, seconds: float) -> dict[int, float]:
    """By op code: what a hold costs more when the op before was another CPU's; 0 with one CPU."""
    if len(os.sched_getaffinity(0)) < 2:
        return {}
    turns, *_ = _replays(variant, stream, 2, seconds=seconds)
    code = stream.ops["op"][stream.nr_ageing :]
    extra = {}
    for op in (Op.ALLOC, Op.FREE):
        chosen = code == op
        if chosen.any():
            extra[int(op)] = max(0.0, float(np.median(turns[chosen] - local[chosen])))
    return extra


def _kind(nodes: Floats, holds: Floats, remote_ns: float) -> Kind:
    holds = np.maximum(holds, 1.0)
    if not len(nodes):
        return Kind(0, (), (), 0.0, 0.0, 0.0, 0, 0.0, 0.0, 0.0)
    base, per_node = fit(nodes, holds)
    fitted = base + per_node * nodes
    return Kind(
        nr=len(nodes),
        holds=parts(holds),
        nodes=parts(nodes),
        base_ns=base,
        ns_per_node=per_node,
        mean_nodes=float(nodes.mean()),
        max_nodes=int(nodes.max()),
        error=float(np.mean(np.abs(fitted - holds) / holds)),
        mean_error=float(fitted.mean() / holds.mean() - 1),
        remote_ns=remote_ns,
    )


def measure(
    variant: str,
    workload: str,
    nr_live: int,
    *,
    handoff_ns: float,
    seed: int = 0,
    seconds: float = SECONDS,
    max_visits: int = MAX_VISITS,
) -> Service:
    """Count and time one cell.  Raises `TooLongError` beyond ``max_visits``, else as `replay`."""
    stream = workloads.generate(workload, nr_live, seed)
    counted = iova_variants.replay(
        variant, stream, op_visits=True, max_visits=max_visits, timeout=600
    )
    assert counted.op_visits is not None
    nodes = counted.op_visits.astype(np.float64)
    local, think, lock = _replays(variant, stream, 1, seconds=seconds)
    remote = _remote(variant, stream, local, seconds=seconds)
    code = stream.ops["op"][stream.nr_ageing :]
    kinds = {
        op: _kind(nodes[code == op], local[code == op], remote.get(int(op), 0.0))
        for op in (Op.ALLOC, Op.FREE)
    }
    return Service(
        *(counted.variant, workload, nr_live, kinds[Op.ALLOC], kinds[Op.FREE]),
        think_ns=_digits(think),
        lock_ns=_digits(lock),
        handoff_ns=handoff_ns,
    )


def handoff_ns(rounds: int = 15, nr_pairs: int = 4_000) -> float:
    """From a release to the next holder's start, when that one waits; 0 with one CPU.

    Two threads take one lock around nothing.  The least of what is not a hold, of the rounds in
    which most acquisitions had to queue: all that a busy system does makes it more.
    """
    if len(os.sched_getaffinity(0)) < 2:
        return 0.0
    found = []
    for _ in range(rounds):
        result = iova_variants.bare_lock(2, nr_pairs)
        lock = result.lock()
        if lock.nr_queued > 0.5 * lock.nr:
            found.append((result.ns - lock.hold_ns) / lock.nr)
    return _digits(min(found)) if found else 0.0
