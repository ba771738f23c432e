"""How is a whole op stream run on one variant?"""

from __future__ import annotations

import ctypes as c
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import numpy as np
import numpy.typing as npt

from iova_lab.basics.errors import InvalidValueError
from iova_variants import native
from iova_variants._possible import native_stream, raise_stream_error
from iova_variants._rcache import OWN, NativeRcache, Rcache, rcache_of
from iova_variants._replayed import CountedReplay, Judged, TimedReplay, Watched
from iova_variants._variant import Claim, EndlessError, Variant, load, with_own_rcache
from iova_variants.building import Build
from iova_variants.child import Tell, VariantError, in_child

if TYPE_CHECKING:
    from iova_variants.opstream import OpStream

#: Builds that count nodes.
Counting = Literal["counted", "sanitized", "threaded", "tsan", "traced"]


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


class _Options(TypedDict, total=False):
    """Arguments of `replay` that do not decide what it returns."""

    pfns: bool
    op_ns: bool
    verify: bool
    max_visits: int
    timeout: float | None
    rcache: Rcache | str
    tree_ops: bool
    fail_alloc_at: int


@overload
def replay(
    name: str | Variant,
    stream: OpStream,
    *,
    build: Counting,
    judge: bool = False,
    op_visits: bool = False,
    **options: Unpack[_Options],
) -> CountedReplay: ...
@overload
def replay(
    name: str | Variant,
    stream: OpStream,
    *,
    op_visits: Literal[True],
    judge: bool = False,
    build: Build | None = None,
    **options: Unpack[_Options],
) -> CountedReplay: ...
@overload
def replay(
    name: str,
    stream: OpStream,
    *,
    judge: Literal[True],
    op_visits: bool = False,
    build: None = None,
    **options: Unpack[_Options],
) -> CountedReplay: ...
@overload
def replay(
    name: str | Variant,
    stream: OpStream,
    *,
    op_visits: bool = False,
    judge: bool = False,
    build: Build | None = None,
    **options: Unpack[_Options],
) -> TimedReplay: ...
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
) -> TimedReplay:
    """Run a whole op stream on one variant, in fresh domains, in one C call.

    Returns a `CountedReplay` where the build counts nodes.

    ``judge`` holds every answer against every gap, ``verify`` checks the variant's invariants
    after every op, ``max_visits`` gives up with `TooLongError` after so many nodes.  ``build`` is
    chosen by the requested results (counts need "counted").  With ``timeout`` (seconds) the replay
    runs in a child process, so a variant that crashes or hangs takes nothing with it.

    ``rcache`` ("off", "pre-6.7", "6.7", "7.3", or an `Rcache`) puts the kernel's per-CPU caches in
    front: allocs and frees go through the fast API, which rounds sizes below 32 up to a power of
    two and requests only aligned ranges of the variant.  ``tree_ops`` records what then reaches the
    variant.
    "own" calls the fast API of ``linux:SOURCE`` itself; then callers' ranges are judged.

    ``fail_alloc_at`` refuses one request for memory: the one of this number, counted from 1 where
    ageing starts.  The op that made it may be refused, and is not blamed for it; the rest goes on.

    Raises `StreamError` for an impossible stream, before anything runs; `VariantError` where the
    variant breaks its contract, `EndlessError` among these, which every build that counts nodes
    raises; `VariantCrashedError`; `LookupError` for an unknown variant.
    """
    layer = rcache_of(rcache)
    if layer and layer.kernel == OWN:
        name = with_own_rcache(name)
    counts = op_visits or bool(max_visits) or build not in (None, "timed")
    if isinstance(name, Variant):
        variant = name
    else:
        default: Build = "counted" if counts or judge or fail_alloc_at else "timed"
        variant = load(name, build=build or default)
    if counts and variant.build == "timed":
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


def _run_in_child(request: _Request, tell: Tell) -> TimedReplay:
    return _run(request, tell.address)


#: Streams that are known to return, by shared object and digest.
_returns: set[tuple[str, str]] = set()


def check_returns(
    name: str, variant: Variant, stream: OpStream, layer: Rcache | None = None
) -> None:
    """Raise `EndlessError` if a request of ``stream`` would never return.

    Used only for a variant that declares it (`Claim.ENDLESS`), in a build that would not notice.
    """
    if Claim.ENDLESS not in variant.claims or variant.build in ("counted", "sanitized"):
        return
    key = (str(variant.path), stream.digest())
    if layer or key not in _returns:
        counted = load(name, build="counted")
        _run(_Request(counted, stream, False, False, False, False, False, 0, layer, False, 0), None)
        if not layer:
            _returns.add(key)


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


#: Fields of ``struct replay_result`` that are fields of every replay.
_TOTALS = (
    *("ns", "nr_failures", "nr_live", "nr_live_pfns", "span", "bytes", "peak_bytes", "clock_ns"),
    *("node_bytes", "nr_arenas"),
)


def _judged(result: native.Result) -> Judged:
    return Judged(
        nr_spurious=result.nr_spurious,
        nr_not_highest=result.nr_not_highest,
        nr_above_limit=result.nr_above_limit,
        nr_leaked=result.nr_leaked,
    )


def _run(request: _Request, progress: int | None) -> TimedReplay:
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
    shared: dict[str, Any] = {
        **{name: getattr(result, name) for name in _TOTALS},
        "variant": variant.name,
        "build": variant.build,
        "nr_ops": stream.nr_measured,
        "rcache": layer.report if layer and not unseen else None,
        "watched": Watched(
            pfns=pfns,
            op_ns=op_ns,
            op_visits=op_visits,
            worst_visits=result.worst_visits if request.op_visits else None,
            tree_ops=layer.tree_ops if layer else None,
        ),
        "judged": _judged(result) if request.judge else None,
    }
    if variant.build == "timed":
        return TimedReplay(**shared)
    return CountedReplay(
        **shared,
        visits={kind: getattr(result.visits, kind) for kind in native.VISITS},
        nr_memory_requests=result.nr_requests,
    )
