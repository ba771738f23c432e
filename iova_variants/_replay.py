"""How is a whole op stream run on one variant, and what comes back?"""

from __future__ import annotations

import ctypes as c
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from iova_lab.basics.errors import InvalidValueError
from iova_variants import native
from iova_variants._rcache import OWN, NativeRcache, Rcache, RcacheReport, rcache_of
from iova_variants._variant import Claim, EndlessError, Variant, load, with_own_rcache
from iova_variants.building import Build
from iova_variants.child import Tell, VariantError, in_child

if TYPE_CHECKING:
    from iova_variants.opstream import OpStream


@dataclass(frozen=True)
class ReplayResult:
    """Totals of the measured window, and what was asked for op by op.

    ``ns`` is the time from the first measured op to the last; it is a measurement only if nothing
    was watched.  ``nr_*`` count requests of the window; the last four are None unless judged.
    ``visits`` counts nodes by kind (search, descend, update), None in the timed build;
    ``worst_visits`` is the most that one op visited, None unless ``op_visits`` was asked for.
    ``bytes`` is what the variant holds after the window: domains and whole slabs.  ``span`` is
    the pfns from the lowest to the highest live one, summed over domains.
    ``pfns`` has one entry per op of the stream (2**64 - 1 where there is no address); ``op_ns`` and
    ``op_visits`` one per measured op.  ``op_ns`` holds the clock's own cost, at least ``clock_ns``.

    ``nr_arenas`` is how often memory was taken from the system within the window: 0, or ``ns`` has
    that in it.

    ``node_bytes`` is the size of one node (of the first slab cache), before the slab rounds it up.

    ``nr_memory_requests`` is how often the variant asked for memory, ageing included, None in the
    timed build; ``nr_leaked`` counts frees that left their range live because they got none.

    With an rcache, ``nr_failures`` counts what callers were refused, and the last four judge what
    reached the variant; ``rcache`` says how much that was, ``tree_ops`` has it op by op.  Of the
    kernel's own rcache the timed build counts nothing: there ``rcache`` is None.
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
    visits: dict[str, int] | None
    worst_visits: int | None = None
    nr_spurious: int | None = None
    nr_not_highest: int | None = None
    nr_above_limit: int | None = None
    nr_leaked: int | None = None
    nr_memory_requests: int | None = None
    pfns: npt.NDArray[np.uint64] | None = None
    op_ns: npt.NDArray[np.uint32] | None = None
    op_visits: npt.NDArray[np.uint32] | None = None
    rcache: RcacheReport | None = None
    tree_ops: npt.NDArray[np.void] | None = None

    @property
    def ns_per_op(self) -> float:
        """Nanoseconds per measured op."""
        return self.ns / self.nr_ops

    @property
    def nodes(self) -> int:
        """Nodes visited in the window.  Raises `InvalidValueError` in the timed build."""
        if self.visits is None:
            raise InvalidValueError("the timed build counts no nodes: ask for build='counted'")
        return sum(self.visits.values())

    @property
    def nodes_per_op(self) -> float:
        """Nodes visited per measured op, as `nodes`."""
        return self.nodes / self.nr_ops


class TooLongError(VariantError):
    """A replay visited more nodes than it was allowed to."""


@dataclass(frozen=True)
class _Request:
    """What to run and watch: all that `_run` needs."""

    variant: Variant
    stream: OpStream
    pfns: bool
    op_ns: bool
    op_visits: bool
    judge: bool
    verify: bool
    max_visits: int
    rcache: Rcache | None
    tree_ops: bool
    fail_alloc_at: int


def replay(
    name: str | Variant,
    stream: OpStream,
    *,
    pfns: bool = False,
    op_ns: bool = False,
    op_visits: bool = False,
    judge: bool = False,
    verify: bool = False,
    max_visits: int = 0,
    build: Build | None = None,
    timeout: float | None = None,
    rcache: Rcache | str = "off",
    tree_ops: bool = False,
    fail_alloc_at: int = 0,
) -> ReplayResult:
    """Run a whole op stream on one variant, in fresh domains, in one C call.

    ``judge`` holds every answer against every gap, ``verify`` checks the variant's invariants
    after every op, ``max_visits`` gives up with `TooLongError` after so many nodes.  ``build`` is
    chosen by what is asked (counts need "counted").  With ``timeout`` (seconds) the replay runs
    in a child process, so a variant that crashes or hangs takes nothing with it.

    ``rcache`` ("off", "pre-6.7", "6.7", or an `Rcache`) puts the kernel's per-CPU caches in front:
    allocs and frees go through the fast API, which rounds sizes below 32 up to a power of two and
    asks the variant for aligned ranges only.  ``tree_ops`` records what then reaches the variant.
    "own" calls the fast API of ``linux:SOURCE`` itself; then callers' ranges are judged.

    ``fail_alloc_at`` refuses one request for memory: the one of this number, counted from 1 where
    ageing starts.  The op that made it may be refused, and is not blamed for it; the rest goes on.

    Raises `StreamError` for an impossible stream, before anything runs; `VariantError` where the
    variant breaks its contract, `EndlessError` among these, which every build that counts nodes
    raises; `VariantCrashedError`; `LookupError` for an unknown variant.
    """
    counts = op_visits or judge or bool(max_visits) or bool(fail_alloc_at)
    layer = rcache_of(rcache)
    if layer and layer.kernel == OWN:
        name = with_own_rcache(name)
    if isinstance(name, Variant):
        variant = name
    else:
        variant = load(name, build=build or ("counted" if counts else "timed"))
    if (op_visits or max_visits) and variant.build == "timed":
        raise InvalidValueError("the timed build counts no nodes: ask for build='counted'")
    if fail_alloc_at and variant.build == "timed":
        raise InvalidValueError("the timed build refuses no memory: ask for build='counted'")
    if fail_alloc_at < 0:
        raise InvalidValueError(f"fail_alloc_at {fail_alloc_at} is negative: requests count from 1")
    if tree_ops and not layer:
        raise InvalidValueError("without an rcache every op reaches the tree: tree_ops needs one")
    if tree_ops and layer and layer.kernel == OWN:
        raise InvalidValueError("what reaches the tree is not seen behind the file's own rcache")
    request = _Request(
        *(variant, stream, pfns, op_ns, op_visits, judge, verify, max_visits, layer, tree_ops),
        fail_alloc_at,
    )
    check_returns(name if isinstance(name, str) else variant.name, variant, stream, layer)
    if timeout is None:
        return _run(request, None)
    nr_ops = len(stream.ops)
    work = functools.partial(_run_in_child, request)
    return in_child(work, variant.name, lambda index: f"at op {index} of {nr_ops}", wall_s=timeout)


def _run_in_child(request: _Request, tell: Tell) -> ReplayResult:
    return _run(request, tell.address)


#: Streams that are known to return, by shared object and digest.
_returns: set[tuple[str, str]] = set()


def check_returns(
    name: str, variant: Variant, stream: OpStream, layer: Rcache | None = None
) -> None:
    """Raise `EndlessError` if a request of ``stream`` would never return.

    Asks only a variant that declares it (`Claim.ENDLESS`), in a build that would not notice.
    """
    if Claim.ENDLESS not in variant.claims or variant.build in ("counted", "sanitized"):
        return
    key = (str(variant.path), stream.digest())
    if layer or key not in _returns:
        counted = load(name, build="counted")
        _run(_Request(counted, stream, False, False, False, False, False, 0, layer, False, 0), None)
        if not layer:
            _returns.add(key)


def check(stream: OpStream) -> None:
    """Raise `StreamError` if no variant could run ``stream``; the message names the op."""
    variant = load("null")
    result = native.Result()
    if variant.library.replay_check(native_stream(stream), c.byref(result)):
        raise_stream_error(stream, result)


def native_stream(stream: OpStream) -> native.Stream:
    """``struct replay_stream``; lives no longer than ``stream``."""
    return native.Stream(
        stream.ops.ctypes.data,
        len(stream.ops),
        *(stream.nr_ageing, stream.nr_slots, stream.nr_domains, stream.granule, stream.start_pfn),
    )


def raise_stream_error(stream: OpStream, result: native.Result) -> None:
    """Say which op is impossible, with its fields."""
    from iova_variants.opstream import StreamError

    text = result.error.decode()
    if result.error_op < len(stream.ops):
        fields = zip(stream.ops.dtype.names or (), stream.ops[result.error_op].item(), strict=True)
        shown = ", ".join(f"{name} {value}" for name, value in fields if name != "zero")
        raise StreamError(f"{text} ({shown})", result.error_op)
    raise StreamError(text)


def _buffer(wanted: bool, length: int, dtype: type[np.generic]) -> npt.NDArray[Any] | None:
    return np.zeros(length, dtype) if wanted else None


def _address(array: npt.NDArray[Any] | None) -> int | None:
    return None if array is None else array.ctypes.data


def _replay(
    variant: Variant,
    stream: native.Stream,
    watch: native.Watch,
    layer: NativeRcache | None,
    result: native.Result,
) -> bool:
    """Run it; is something wrong?"""
    library, pointers = variant.library, (c.byref(stream), c.byref(watch))
    if layer is None:
        return bool(library.replay_run(*pointers, c.byref(result)))
    return bool(library.replay_run_rcached(*pointers, c.byref(layer.native), c.byref(result)))


def _error(result: native.Result) -> VariantError:
    text = f"op {result.error_op}: {result.error.decode()}"
    if result.endless:
        error = EndlessError(text)
        error.op = result.error_op
        return error
    return TooLongError(text) if b"budget" in result.error else VariantError(text)


def _run(request: _Request, progress: int | None) -> ReplayResult:
    variant, stream = request.variant, request.stream
    pfns = _buffer(request.pfns, len(stream.ops), np.uint64)
    op_ns = _buffer(request.op_ns, max(stream.nr_measured, 0), np.uint32)
    op_visits = _buffer(request.op_visits, max(stream.nr_measured, 0), np.uint32)
    flags = request.judge * native.JUDGE | request.verify * native.VERIFY
    buffers = map(_address, (pfns, op_ns, op_visits))
    watch = native.Watch(flags, request.max_visits, *buffers, progress, request.fail_alloc_at)
    asked, result = native_stream(stream), native.Result()
    if variant.library.replay_check(asked, c.byref(result)):
        raise_stream_error(stream, result)
    layer = None
    if request.rcache:
        layer = NativeRcache(request.rcache, stream, tree_ops=request.tree_ops)
    if _replay(variant, asked, watch, layer, result):
        raise _error(result)
    unseen = variant.build == "timed" and request.rcache and request.rcache.kernel == OWN
    return ReplayResult(
        variant=variant.name,
        build=variant.build,
        ns=result.ns,
        nr_ops=stream.nr_measured,
        nr_failures=result.nr_failures,
        nr_live=result.nr_live,
        nr_live_pfns=result.nr_live_pfns,
        span=result.span,
        bytes=result.bytes,
        peak_bytes=result.peak_bytes,
        clock_ns=result.clock_ns,
        visits=None
        if variant.build == "timed"
        else {kind: getattr(result.visits, kind) for kind in native.VISITS},
        worst_visits=result.worst_visits if request.op_visits else None,
        nr_spurious=result.nr_spurious if request.judge else None,
        nr_not_highest=result.nr_not_highest if request.judge else None,
        nr_above_limit=result.nr_above_limit if request.judge else None,
        nr_leaked=result.nr_leaked if request.judge else None,
        node_bytes=result.node_bytes,
        nr_arenas=result.nr_arenas,
        nr_memory_requests=None if variant.build == "timed" else result.nr_requests,
        pfns=pfns,
        op_ns=op_ns,
        op_visits=op_visits,
        rcache=layer.report if layer and not unseen else None,
        tree_ops=layer.tree_ops if layer else None,
    )
