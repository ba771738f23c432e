"""Workloads: the requests of callers.  One module each, found by listing this folder.

A workload module has a docstring with the real behaviour that it imitates and where that is
documented, the bounds ``MIN_NR_LIVE`` and ``MAX_NR_LIVE`` (both optional) of the number of live
ranges at which it means something, and ``generate(nr_live, seed=...)``.  A recorded one has
``recorded()``, its `Trace`, too.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from iova_lab.basics.errors import InvalidValueError, IovaLabError, NotFoundError
from iova_variants.opstream import OpStream

if TYPE_CHECKING:
    from iova_lab.traces.trace import Trace


class SizeError(IovaLabError, ValueError):
    """A workload has no meaning at this number of live ranges; the message has the reason."""


@dataclass(frozen=True)
class Workload:
    """One generator: ``make(nr_live, seed=...)`` returns its op stream.

    ``recorded`` returns the trace that it replays, None where nothing was recorded.
    """

    name: str
    summary: str
    doc: str
    min_nr_live: int
    max_nr_live: int
    make: Callable[..., OpStream]
    recorded: Callable[[], Trace] | None = None

    def why_not(self, nr_live: int) -> str | None:
        """Why this workload can't be had at ``nr_live``, or None."""
        if self.min_nr_live <= nr_live <= self.max_nr_live:
            return None
        bounds = f"{self.min_nr_live}..{self.max_nr_live}"
        return f"{self.name} has {bounds} live ranges, so not {nr_live}"


def names() -> list[str]:
    """Names of all workloads, sorted."""
    modules = [info.name for info in pkgutil.iter_modules(__path__)]
    return sorted(name for name in modules if not name.startswith("_"))


def check_name(name: str) -> None:
    """Raise `NotFoundError` unless ``name`` is a workload's, or the path of a file."""
    if name.endswith((".npz", ".json")):
        if not Path(name).is_file():
            raise NotFoundError(f"no such file: {name}")
    elif name not in names():
        known = ", ".join(names())
        raise NotFoundError(
            f"no workload named {name!r}; there are: {known}; or give a path to a trace (.npz)"
        )


def split(text: str) -> tuple[str, int | None]:
    """Name, or path, and number of live ranges of ``NAME@N``; None without @N.

    Raises `InvalidValueError` where no number follows the @.
    """
    name, at, number = text.rpartition("@")
    if not at or text.endswith((".npz", ".json")):
        return text, None
    if not re.fullmatch(r"[0-9_]+", number):
        raise InvalidValueError(
            f"{text!r}: what follows @ is a number of live ranges, as in ring@1000"
        )
    return name, int(number)


@cache
def get(name: str) -> Workload:
    """Look up one workload by name, or by its path a trace or what `iova-lab try` has saved.

    Raises `NotFoundError` for an unknown name, `TraceError` for a file that is not a trace,
    `InvalidValueError` for one that is not a history.
    """
    check_name(name)
    if name.endswith(".npz"):
        return _trace_file(name)
    if name.endswith(".json"):
        return _history_file(name)
    module = importlib.import_module(f"{__name__}.{name}")
    doc = module.__doc__ or ""
    return Workload(
        name=name,
        summary=doc.split("\n")[0],
        doc=doc,
        min_nr_live=getattr(module, "MIN_NR_LIVE", 1),
        max_nr_live=getattr(module, "MAX_NR_LIVE", 2**32 - 1),
        make=module.generate,
        recorded=getattr(module, "recorded", None),
    )


def find(name: str) -> Workload | None:
    """As `get`, but None for what is not at hand: a trace that has been moved, for one."""
    try:
        return get(name)
    except (LookupError, OSError, ValueError):
        return None


def _trace_file(path: str) -> Workload:
    from iova_lab.traces.trace import read_trace

    trace = read_trace(path)
    doc = f"Recorded on {trace.kernel}: {path}"
    if trace.approximate:
        doc = f"APPROXIMATE ({trace.approximate}), of kernel {trace.kernel}: {path}"
    if trace.synthetic:
        doc = f"SYNTHETIC ({trace.synthetic}), of kernel {trace.kernel}: {path}"
    return Workload(
        path, doc, doc, 1, 2**32 - 1, lambda nr_live, seed=0: trace.stream, lambda: trace
    )


def _history_file(path: str) -> Workload:
    from iova_lab.traces.history import read

    saved = read(Path(path))
    doc = f"On this {saved.variant} broke: {saved.says}"
    return Workload(path, doc, doc, 1, 2**32 - 1, lambda nr_live, seed=0: saved.history.stream())


def recording(file: str) -> OpStream:
    """All that reached the tree in one of the lab's own recordings, ``debian-6.1.npz`` for one."""
    from iova_lab.traces.trace import TRACE_DIR

    return generate(str(TRACE_DIR / file), 1)


@lru_cache(maxsize=2)
def generate(name: str, nr_live: int, seed: int = 0) -> OpStream:
    """Make the op stream of a workload with ``nr_live`` live ranges in its measured window.

    The same bytes on every machine for the same arguments.  Raises `SizeError` where the workload
    has no meaning at ``nr_live``, `NotFoundError` for an unknown name.
    """
    workload = get(name)
    reason = workload.why_not(nr_live)
    if reason:
        raise SizeError(reason)
    if seed < 0:
        raise InvalidValueError(f"seed {seed} is negative: seeds count from 0")
    stream = workload.make(nr_live, seed=seed)
    stream.ops.setflags(write=False)  # every caller gets this one
    return stream
