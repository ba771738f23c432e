"""Which rcache stands in front of a variant, how does its clock run, and what did it do?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import numpy.typing as npt

from iova_lab.basics.errors import InvalidValueError
from iova_variants import native

if TYPE_CHECKING:
    from iova_variants.opstream import OpStream

Kernel = Literal["pre-6.7", "6.7", "7.3", "own"]

#: The caches that are part of the kernel's own file: ``linux:SOURCE`` alone has them.
OWN = "own"
#: What `replay` takes as ``rcache`` for any variant, by name.
RCACHES: tuple[str, ...] = ("off", *(name for name in get_args(Kernel) if name != OWN))

#: Between two rounds of the timer that trims the depots since v6.7.
TIMER_NS = 100_000_000

#: One row per op that the rcache let through to the variant: ``struct replay_tree_op``.
TREE_OP_DTYPE = np.dtype(
    [
        ("index", "<u8"),
        ("limit_pfn", "<u8"),
        ("pfn", "<u8"),
        ("size", "<u4"),
        ("dom", "<u2"),
        ("op", "u1"),
        ("flags", "u1"),
    ]
)


@dataclass(frozen=True, eq=False)
class Rcache:
    """The rcache of a kernel, on a machine.

    "7.3" is that of v7.3, "6.7" that of v6.7 to 7.2, "pre-6.7" that of v6.0 to v6.6; v5.11 to
    v5.19 had a ``magazine_size`` of 128 pfns, and before v5.11 ``flush_depots`` was False as well.
    "own" is that of the kernel's file itself, which has its own sizes; it exists for
    ``linux:SOURCE``.

    ``nr_cpus`` CPUs are online; 0 means the highest cpu of the stream and all below.
    ``nr_possible`` CPUs can come online, and a domain has caches for each of them; 0 means those
    online.  Until 7.3 a domain allocates 12 magazines for each possible CPU when it is created.
    7.3 allocates one when a free first needs it; until then it returns the same addresses.

    ``flush``: a refused request empties the magazines of all CPUs online, and with
    ``flush_depots`` all depots, and tries again.  ``depot_max`` bounds the depots of pre-6.7: one
    more magazine is freed into the tree.

    The timer of 6.7 and 7.3 runs on a virtual clock: each op takes ``ns_per_op`` (0: time stands
    still), or op ``i`` happens at ``t_ns[i]``.  Every 100 ms after the first op, each depot with
    more than ``nr_cpus`` magazines frees one.
    """

    kernel: Kernel
    magazine_size: int = 127
    nr_cpus: int = 0
    flush: bool = True
    flush_depots: bool = True
    ns_per_op: int = 1000
    t_ns: npt.NDArray[np.uint64] | None = None
    depot_max: int = 32
    nr_possible: int = 0

    def __post_init__(self) -> None:
        if self.kernel not in get_args(Kernel):
            raise InvalidValueError(
                f"no rcache named {self.kernel!r}; there are: {', '.join((*RCACHES, OWN))}"
            )
        if not 1 <= self.magazine_size <= 1 << 20:
            raise InvalidValueError(
                f"magazine_size {self.magazine_size} is not within 1..{1 << 20}"
            )
        if self.depot_max < 1:
            raise InvalidValueError(f"depot_max {self.depot_max} is not positive")
        for name in ("nr_cpus", "nr_possible", "ns_per_op"):
            if getattr(self, name) < 0:
                raise InvalidValueError(f"{name} {getattr(self, name)} is negative")

    def cpus_for(self, stream: OpStream) -> int:
        """CPUs online while ``stream`` runs.  Raises `InvalidValueError` if it uses another."""
        used = int(stream.ops["cpu"].max(initial=0)) + 1
        if self.nr_cpus and self.nr_cpus < used:
            raise InvalidValueError(f"an op of the stream runs on cpu {used - 1} of {self.nr_cpus}")
        return self.nr_cpus or used

    def possible_for(self, stream: OpStream) -> int:
        """Possible CPUs while ``stream`` runs.  Raises `InvalidValueError` if more are online."""
        online = self.cpus_for(stream)
        if self.nr_possible and self.nr_possible < online:
            raise InvalidValueError(
                f"nr_possible {self.nr_possible} is below the number of CPUs online, {online}"
            )
        return self.nr_possible or online

    def ticks(self, stream: OpStream) -> npt.NDArray[np.uint64]:
        """Return the ops of ``stream`` before which the timer fires, ascending."""
        nr_ops = len(stream.ops)
        if self.kernel == "pre-6.7" or not nr_ops or not (self.ns_per_op or self.t_ns is not None):
            return np.zeros(0, np.uint64)
        if self.t_ns is None:
            rounds = np.arange(1, (nr_ops - 1) * self.ns_per_op // TIMER_NS + 1, dtype=np.uint64)
            return -(-rounds.astype(np.int64) * TIMER_NS // self.ns_per_op).astype(np.uint64)
        if len(self.t_ns) != nr_ops:
            raise InvalidValueError(f"t_ns has {len(self.t_ns)} times for {nr_ops} ops")
        since = np.maximum.accumulate(self.t_ns) - self.t_ns[0]
        rounds = np.arange(1, int(since[-1]) // TIMER_NS + 1, dtype=np.uint64)
        return np.searchsorted(since, rounds * np.uint64(TIMER_NS)).astype(np.uint64)


def rcache_of(rcache: Rcache | str) -> Rcache | None:
    """Look up an rcache by name; None for "off".  Raises `InvalidValueError` for another name."""
    if isinstance(rcache, Rcache):
        return rcache
    return None if rcache == "off" else Rcache(rcache)  # type: ignore[arg-type]


@dataclass(frozen=True)
class RcacheReport:
    """Counts of the rcache in the measured window, over all domains.

    ``nr_allocs`` and ``nr_frees`` count requests by order 0..5; their last entry counts what no
    order takes, and what goes past the rcache (`OpFlag.PAST_RCACHE`).  ``nr_tree_allocs`` has
    second tries in it, ``nr_tree_frees`` every range freed into the tree.  ``nr_held`` (ranges by
    order) and ``held_pfns`` are in the caches after the window: live in the tree, but not to any
    caller.  ``nr_flush_locks`` is how often a kernel takes the tree's lock in the flushes, once for
    each magazine.  ``magazine_bytes`` is the memory of all magazines after the window.

    The two peaks are 0 after a replay by threads.
    """

    nr_allocs: tuple[int, ...]
    nr_hits: tuple[int, ...]
    nr_frees: tuple[int, ...]
    nr_tree_allocs: int
    nr_tree_frees: int
    nr_flushes: int
    nr_flush_locks: int
    nr_overflows: int
    nr_trims: int
    nr_held: tuple[int, ...]
    held_pfns: int
    peak_held_pfns: int
    magazine_bytes: int
    peak_magazine_bytes: int

    @property
    def hit_rates(self) -> tuple[float, ...]:
        """Share of requests answered without the tree, by order; nan where there were none."""
        pairs = zip(self.nr_hits, self.nr_allocs, strict=False)
        return tuple(hits / allocs if allocs else float("nan") for hits, allocs in pairs)

    @property
    def tree_ops_per_request(self) -> float:
        """Ops that reached the variant, per alloc or free asked for; nan if none was."""
        requests = sum(self.nr_allocs) + sum(self.nr_frees)
        tree_ops = self.nr_tree_allocs + self.nr_tree_frees
        return tree_ops / requests if requests else float("nan")


class NativeRcache:
    """``struct replay_rcache`` with the buffers that it points to."""

    def __init__(self, rcache: Rcache, stream: OpStream, *, tree_ops: bool) -> None:
        ticks = rcache.ticks(stream)
        rows = np.zeros(2 * len(stream.ops), TREE_OP_DTYPE) if tree_ops else None
        self._ticks, self._rows = ticks, rows
        self.native = native.Rcache(
            nr_cpus=rcache.cpus_for(stream),
            nr_possible=rcache.possible_for(stream),
            lazy=rcache.kernel == "7.3",
            magazine_size=rcache.magazine_size,
            depot_max=rcache.depot_max if rcache.kernel == "pre-6.7" else 0,
            flush=rcache.flush,
            flush_depots=rcache.flush_depots,
            ticks=ticks.ctypes.data,
            nr_ticks=len(ticks),
            tree_ops=None if rows is None else rows.ctypes.data,
        )

    @property
    def tree_ops(self) -> npt.NDArray[np.void] | None:
        """What reached the variant, if that was asked for."""
        return None if self._rows is None else self._rows[: self.native.nr_tree_ops].copy()

    @property
    def report(self) -> RcacheReport:
        """What the rcache did, after the run."""
        stats = self.native.stats
        return RcacheReport(
            nr_allocs=tuple(stats.nr_allocs),
            nr_hits=tuple(stats.nr_hits),
            nr_frees=tuple(stats.nr_frees),
            nr_tree_allocs=stats.nr_tree_allocs,
            nr_tree_frees=stats.nr_tree_frees,
            nr_flushes=stats.nr_flushes,
            nr_flush_locks=stats.nr_flush_locks,
            nr_overflows=stats.nr_overflows,
            nr_trims=stats.nr_trims,
            nr_held=tuple(stats.nr_held),
            held_pfns=stats.held_pfns,
            peak_held_pfns=stats.peak_held_pfns,
            magazine_bytes=stats.magazine_bytes,
            peak_magazine_bytes=stats.peak_magazine_bytes,
        )
