"""What does a replay return?  A time from every build, and counts from those that count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from iova_lab.basics.errors import InvalidValueError
from iova_variants._rcache import RcacheReport
from iova_variants.building import Build

T = TypeVar("T")


@dataclass(frozen=True)
class Watched:
    """Arrays of one replay, op by op; None where `replay` was not called for them."""

    pfns: npt.NDArray[np.uint64] | None = None
    op_ns: npt.NDArray[np.uint32] | None = None
    op_visits: npt.NDArray[np.uint32] | None = None
    worst_visits: int | None = None
    tree_ops: npt.NDArray[np.void] | None = None


@dataclass(frozen=True)
class Judged:
    """Breaches that the judge found in the window.

    ``nr_leaked`` counts frees that left their range live because they got no memory.
    """

    nr_spurious: int
    nr_not_highest: int
    nr_above_limit: int
    nr_leaked: int


@dataclass(frozen=True)
class TimedReplay:
    """Totals of the measured window, from any build, and arrays that were requested.

    ``ns`` is the time from the first measured op to the last; it is a measurement only of the
    timed build, and only if nothing was watched.  ``nr_*`` count requests of the window.
    ``bytes`` is what the variant holds after the window: domains and whole slabs.  ``span`` is
    the pfns from the lowest to the highest live one, summed over domains.

    ``nr_arenas`` is how often memory was taken from the system within the window: 0, or ``ns`` has
    that in it.

    ``node_bytes`` is the size of one node (of the first slab cache), before the slab rounds it up.

    With an rcache, ``nr_failures`` counts refusals of callers; ``rcache`` has how much
    reached the variant.  Of the kernel's own rcache the timed build counts nothing: there
    ``rcache`` is None.

    ``judged`` is None unless the judge was requested; behind an rcache it judges what reached the
    variant.

    An array or a judgement that was not requested raises `InvalidValueError`, which names the
    argument of `replay`.
    """

    variant: str
    build: Build
    ns: int
    nr_ops: int
    nr_failures: int
    nr_live: int
    nr_live_pfns: int
    span: int
    bytes: int
    peak_bytes: int
    clock_ns: int
    node_bytes: int
    nr_arenas: int
    rcache: RcacheReport | None
    watched: Watched
    judged: Judged | None

    @property
    def ns_per_op(self) -> float:
        """Nanoseconds per measured op."""
        return self.ns / self.nr_ops

    @property
    def pfns(self) -> npt.NDArray[np.uint64]:
        """Addresses, one per op of the stream: 2**64 - 1 where there is none."""
        return asked(self.watched.pfns, "replay(..., pfns=True)")

    @property
    def op_ns(self) -> npt.NDArray[np.uint32]:
        """Nanoseconds of each measured op, with the clock's own cost: at least ``clock_ns``."""
        return asked(self.watched.op_ns, "replay(..., op_ns=True)")

    @property
    def tree_ops(self) -> npt.NDArray[np.void]:
        """The ops that reached the variant behind an rcache."""
        return asked(self.watched.tree_ops, "replay(..., tree_ops=True)")

    @property
    def nr_spurious(self) -> int:
        """Requests that were refused although a fit existed; asked for with ``judge``."""
        return asked(self.judged, "replay(..., judge=True)").nr_spurious

    @property
    def nr_not_highest(self) -> int:
        """Answers below the highest fit; asked for with ``judge``."""
        return asked(self.judged, "replay(..., judge=True)").nr_not_highest

    @property
    def nr_above_limit(self) -> int:
        """Answers above their limit; asked for with ``judge``."""
        return asked(self.judged, "replay(..., judge=True)").nr_above_limit

    @property
    def nr_leaked(self) -> int:
        """Frees that left their range live, for want of memory; asked for with ``judge``."""
        return asked(self.judged, "replay(..., judge=True)").nr_leaked


@dataclass(frozen=True)
class CountedReplay(TimedReplay):
    """A replay of a build that counts nodes: counts are exact, and ``ns`` is no measurement.

    ``visits`` counts nodes by kind (search, descend, update).  ``nr_memory_requests`` is how often
    the variant requested memory, ageing included.
    """

    visits: dict[str, int]
    nr_memory_requests: int

    @property
    def nodes(self) -> int:
        """Nodes visited in the window."""
        return sum(self.visits.values())

    @property
    def nodes_per_op(self) -> float:
        """Nodes visited per measured op."""
        return self.nodes / self.nr_ops

    @property
    def op_visits(self) -> npt.NDArray[np.uint32]:
        """Nodes visited by each measured op."""
        return asked(self.watched.op_visits, "replay(..., op_visits=True)")

    @property
    def worst_visits(self) -> int:
        """The most nodes that one op visited; asked for with ``op_visits``."""
        return asked(self.watched.worst_visits, "replay(..., op_visits=True)")


def asked(value: T | None, call: str) -> T:
    """Return what a replay was asked for.  Raises `InvalidValueError`, which names the ``call``."""
    if value is None:
        raise InvalidValueError(f"this replay was not asked for it: {call}")
    return value
