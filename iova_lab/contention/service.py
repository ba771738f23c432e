"""For how long does a variant hold its lock, as a distribution that a model can draw from?

Nodes visited are exact (counted build).  Holds are measured (threaded build, one thread), each op
several times in replays of the same stream: the lower quartile is what it takes undisturbed.  A
fit of ``base + ns_per_node * nodes``, for allocs and frees apart, says how much of that is the
walk, and gives the holds of a machine where a node costs something else.  What another CPU's caches
add is measured with two threads that take turns, so that nobody waits.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import msgspec
import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError
from iova_lab.contention import plausible
from iova_lab.contention.constants import Constants, digits
from iova_lab.contention.plausible import fit_doubts
from iova_lab.measuring.cells import SHORT_NODE_BUDGET
from iova_lab.measuring.counts import count
from iova_lab.measuring.load import Load
from iova_variants.opstream import Op, OpStream

#: A distribution keeps the means of so many equal parts of its sorted values, and its maximum.
NR_PARTS = 48
MOST_REPLAYS, LEAST_REPLAYS, SECONDS = 9, 3, 0.3

Floats = npt.NDArray[np.float64]
#: Pairs of ns and how often.
Weighted = tuple[tuple[float, int], ...]


@dataclass(frozen=True)
class Kind:
    """Holds of one kind of op, alloc or free; ns.

    ``holds`` and ``nodes`` are distributions, the mean of each part and how many ops it stands for.
    ``error`` is the mean over ops of |fit - measured| / measured, ``mean_error`` that of the mean.
    ``remote_ns`` is added when another CPU had the lock before.
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

    def on(self, constants: Constants) -> Service:
        """The same holds on a machine with these constants."""
        alloc, free = (
            replace(kind, remote_ns=constants.remote_ns if kind.nr else 0.0)
            for kind in (self.alloc, self.free)
        )
        return replace(self, alloc=alloc, free=free, handoff_ns=constants.handoff_ns)

    def undisturbed(self) -> Service:
        """Where interruptions are among the holds of a linear scan, holds as fitted to the nodes.

        Only where the fit is good: `plausible.service_doubts` has the other cells.
        """
        row = self.as_row()
        alloc, free = (
            kind.at(kind.ns_per_node) if plausible.is_replaced(row[name]) else kind
            for name, kind in (("alloc", self.alloc), ("free", self.free))
        )
        return replace(self, alloc=alloc, free=free)

    def as_row(self) -> dict[str, Any]:
        """Plain JSON, in four digits."""
        row = asdict(self)
        return row | {kind: _rounded(row[kind]) for kind in plausible.KINDS}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """What `as_row` has written, whatever else the row has."""
        return msgspec.convert(row, cls)


class ImplausibleError(InvalidValueError):
    """Measured holds that nothing can be predicted from."""


def require_plausible(service: Service, load: Load, ns_per_node: float = 0.0) -> None:
    """Raise `ImplausibleError` if the holds don't fit the number of nodes that was visited.

    With a cost of a node from elsewhere, ``ns_per_node``, the holds measured here aren't used.
    """
    row = service.as_row()
    doubts = plausible.service_doubts(row)
    doubts += [f"{kind}: {doubt}" for kind in plausible.KINDS for doubt in fit_doubts(row[kind])]
    if doubts and not ns_per_node:
        raise ImplausibleError(
            f"nothing is predicted for {service.variant} on {service.workload}:"
            f" {'; '.join(dict.fromkeys(doubts))}; this machine was {load}."
            " Measure again on an idle machine, or pass --ns-per-node"
        )


def _rounded(kind: dict[str, Any]) -> dict[str, Any]:
    for weighted in ("holds", "nodes"):
        kind[weighted] = [[digits(value), count] for value, count in kind[weighted]]
    return {
        name: digits(value) if isinstance(value, float) else value for name, value in kind.items()
    }


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

    def relative(base_and_slope: Floats) -> Floats:
        return base_and_slope @ matrix - 1

    found = least_squares(
        relative,
        start,
        bounds=(0, np.inf),
        loss="soft_l1",
        f_scale=0.1,
        x_scale=start,
    )
    return float(found.x[0]), float(found.x[1])


def _replays(variant: str, stream: OpStream, *, seconds: float) -> tuple[Floats, float, float]:
    """Hold of each op on one thread, least time between two holds, least mean wait.

    At least `LEAST_REPLAYS`, however long they take: one alone can't show an interruption.
    """
    dealt = iova_variants.deal(stream, 1)
    holds: list[npt.NDArray[np.uint32]] = []
    gaps, waits = [], []
    began = time.monotonic()
    while len(holds) < MOST_REPLAYS:
        result = iova_variants.replay_threads(variant, dealt, threads=1, per_op=True, timeout=600)
        holds.append(result.op_hold_ns)
        lock = result.lock()
        gaps.append((result.ns - lock.wait_ns - lock.hold_ns) / max(lock.nr, 1))
        waits.append(lock.wait_ns / max(lock.nr, 1))
        if time.monotonic() - began > seconds and len(holds) >= LEAST_REPLAYS:
            break
    quartile = np.quantile(np.stack(holds), 0.25, axis=0).astype(np.float64)
    return quartile, max(min(gaps), 0.0), min(waits)


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
    constants: Constants,
    seed: int = 0,
    seconds: float = SECONDS,
    max_visits: int = SHORT_NODE_BUDGET,
) -> Service:
    """Count and time one cell.  Raises `TooLongError` beyond ``max_visits``, else as `replay`."""
    stream = workloads.generate(workload, nr_live, seed)
    nodes = np.array(count(variant, stream, max_visits, timeout=600).op_visits, np.float64)
    local, think, lock = _replays(variant, stream, seconds=seconds)
    code = stream.ops["op"][stream.nr_ageing :]
    kinds = {
        op: _kind(nodes[code == op], local[code == op], constants.remote_ns)
        for op in (Op.ALLOC, Op.FREE)
    }
    return Service(
        *(iova_variants.load(variant).name, workload, nr_live, kinds[Op.ALLOC], kinds[Op.FREE]),
        think_ns=digits(think),
        lock_ns=digits(lock),
        handoff_ns=constants.handoff_ns,
    )
