"""What do N threads on one domain wait for, and how long do they hold its lock?"""

from __future__ import annotations

import ctypes as c
import functools
import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from iova_variants import _native_threads, native
from iova_variants._deal import Deal, deal
from iova_variants._possible import native_stream, raise_stream_error
from iova_variants._rcache import OWN, NativeRcache, Rcache, rcache_of
from iova_variants._replay import check_returns
from iova_variants._threads_result import LockTimes, PerOp, ThreadShare, ThreadsResult
from iova_variants._variant import Variant, load, with_own_rcache
from iova_variants.building import Build
from iova_variants.child import Tell, VariantError, in_child

if TYPE_CHECKING:
    from iova_variants.opstream import OpStream


def replay_threads(
    name: str,
    stream: OpStream | Deal,
    *,
    threads: int,
    rcache: Rcache | str = "off",
    judge: bool = False,
    per_op: bool = False,
    in_turn: bool = False,
    build: Build = "threaded",
    timeout: float | None = None,
) -> ThreadsResult:
    """Run the measured ops of ``stream`` on one variant by ``threads`` threads, each on one CPU.

    One thread ages the domains; then all start together, and run what `deal` gives them.
    Afterwards the variant's verify() must pass, every range that a caller owns must be found, no
    two may overlap, and nothing may leak.  ``judge`` also holds every answer against all ranges
    that are live at that moment, with a lock around each op: times mean nothing then.  Where the
    stream reserves ranges after the first alloc, ownership is not checked at all: a reserved range
    merges with what it overlaps.

    ``in_turn`` runs one op at a time, in the stream's order: answers are those of `replay`, no
    thread waits for a lock, and holds cost what they cost when another CPU had the domain before.

    ``rcache`` as for `replay`; its timer never fires, because a window is shorter than its 100 ms.
    Of the kernel's own rcache only its locks are reported.
    With ``timeout`` (seconds) it all happens in a child process.

    A variant that declares `Claim.ENDLESS` is checked in the stream's order only: in another order
    of its threads a request may still loop forever, so give it a ``timeout``.

    Raises as `replay` does.
    """
    dealt = stream if isinstance(stream, Deal) else deal(stream, threads)
    layer = rcache_of(rcache)
    if layer and layer.kernel == OWN:
        name = with_own_rcache(name)
    variant = load(name, build=build)
    request = _Request(variant, dealt, threads, layer, judge, in_turn, per_op)
    check_returns(name, variant, dealt.stream, request.rcache)
    if timeout is None:
        return request.run()
    where = f"in a replay by {threads} threads"
    work = functools.partial(_run_in_child, request)
    return in_child(work, variant.name, lambda progress: where, wall_s=timeout)


def _plan(
    threads: int, flags: int, arrays: list[npt.NDArray[Any] | None]
) -> tuple[_native_threads.Plan, npt.NDArray[np.uint32]]:
    """Lay threads out over the CPUs that this process may use, in turn."""
    allowed = sorted(os.sched_getaffinity(0))
    cpus = np.array([allowed[index % len(allowed)] for index in range(threads)], np.uint32)
    if threads > len(allowed):
        flags |= _native_threads.YIELD
    thread, turn, *per_op = (None if a is None else a.ctypes.data for a in arrays)
    return (
        _native_threads.Plan(thread, turn, cpus.ctypes.data, threads, flags, *per_op),
        cpus,
    )


@dataclass(frozen=True)
class _Request:
    variant: Variant
    dealt: Deal
    threads: int
    rcache: Rcache | None
    judge: bool
    in_turn: bool
    per_op: bool

    def run(self) -> ThreadsResult:
        stream = self.dealt.stream
        library = _native_threads.bind(self.variant.library)
        asked, checked = native_stream(stream), native.Result()
        if library.replay_check(asked, c.byref(checked)):
            raise_stream_error(stream, checked)
        per_op = PerOp.zeros(stream.nr_measured) if self.per_op else None
        arrays = list(vars(per_op).values()) if per_op else [None] * len(fields(PerOp))
        plan, cpus = _plan(
            self.threads,
            self.judge * _native_threads.JUDGE | self.in_turn * _native_threads.IN_TURN,
            [self.dealt.thread, self.dealt.turn, *arrays],
        )
        layer = NativeRcache(self.rcache, stream, tree_ops=False) if self.rcache else None
        shares = (_native_threads.Share * self.threads)()
        result = _native_threads.Result()
        if library.threads_run(
            *(c.byref(asked), c.byref(plan), c.byref(layer.native) if layer else None),
            *(shares, c.byref(result)),
        ):
            _complain(result)
        if self.rcache and self.rcache.kernel == OWN:
            layer = None  # no build with threads counts what the text's own does
        return _result(self.variant, shares, cpus, plan, result, layer, per_op)


def _run_in_child(request: _Request, tell: Tell) -> ThreadsResult:
    return request.run()


def _complain(result: _native_threads.Result) -> None:
    where = "" if result.error_op >= 2**63 else f"measured op {result.error_op}: "
    raise VariantError(where + result.error.decode())


def _result(
    variant: Variant,
    shares: Any,
    cpus: npt.NDArray[np.uint32],
    plan: _native_threads.Plan,
    result: _native_threads.Result,
    layer: NativeRcache | None = None,
    per_op: PerOp | None = None,
) -> ThreadsResult:
    return ThreadsResult(
        variant.name,
        variant.build,
        tuple(_share(int(cpu), share) for cpu, share in zip(cpus, shares, strict=True)),
        bool(plan.flags & _native_threads.YIELD),
        result.ns,
        result.clock_ps / 1000,
        result.empty_hold_ps / 1000,
        result.nr_live,
        result.bytes,
        result.nr_arenas,
        layer.report if layer else None,
        per_op,
    )


def _values(structure: c.Structure, names: tuple[str, ...]) -> dict[str, Any]:
    found = {name: getattr(structure, name) for name in names}
    return {
        name: value if isinstance(value, int) else tuple(value) for name, value in found.items()
    }


def _share(cpu: int, share: _native_threads.Share) -> ThreadShare:
    locks = {
        name: LockTimes(**_values(lock, tuple(field.name for field in fields(LockTimes))))
        for name, lock in zip(_native_threads.LOCK_CLASSES, share.locks, strict=True)
    }
    names = tuple(field.name for field in fields(ThreadShare) if field.name not in ("cpu", "locks"))
    return ThreadShare(cpu=cpu, locks=locks, **_values(share, names))


def bare_lock(threads: int, nr_rounds: int = 20_000, *, timeout: float = 60.0) -> ThreadsResult:
    """All threads take one lock ``nr_rounds`` times around nothing: what does passing it on cost?

    ``ns`` over ``nr_ops`` is the time from one acquisition to the next.
    """
    work = functools.partial(_run_bare, load("null", build="threaded"), threads, nr_rounds)
    return in_child(work, "the lock", lambda progress: f"of {threads} threads", wall_s=timeout)


def _run_bare(variant: Variant, threads: int, nr_rounds: int, tell: Tell) -> ThreadsResult:
    plan, cpus = _plan(threads, 0, [None] * 6)
    shares, result = (_native_threads.Share * threads)(), _native_threads.Result()
    library = _native_threads.bind(variant.library)
    if library.threads_run_bare(c.byref(plan), nr_rounds, shares, c.byref(result)):
        _complain(result)
    return _result(variant, shares, cpus, plan, result)
