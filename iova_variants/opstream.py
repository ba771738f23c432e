"""The requests to an allocator, in their order.

An op stream is a flat array of requests that is made before any clock starts.  A slot stands for
"the range that this op got", so a stream never depends on what a variant answers, and every variant
sees the same requests.  The layout is that of ``struct replay_op`` in harness/replay.h.
"""

from __future__ import annotations

import enum
import hashlib
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from iova_lab.basics.errors import IovaLabError
from iova_lab.basics.whole import whole

OP_DTYPE = np.dtype(
    [
        ("limit_pfn", "<u8"),
        ("size", "<u4"),
        ("slot", "<u4"),
        ("dom", "<u2"),
        ("cpu", "<u2"),
        ("op", "u1"),
        ("flags", "u1"),
        ("zero", "<u2"),
    ]
)


class Op(enum.IntEnum):
    """Op codes."""

    ALLOC = 0
    FREE = 1
    RESERVE = 2
    FIND = 3


class OpFlag(enum.IntFlag):
    """Flags of an op, as in harness/op.h.

    `PACKED` is for ageing.  `PAST_RCACHE`: the caller uses alloc_iova() or free_iova(), so an
    rcache does not see the op; without an rcache it changes nothing.  A range that was allocated
    past the rcache may be freed through it where a kernel's caches could pass it on: aligned, with
    a power of two as its size, or of more than 32 pfns, which no cache takes.
    """

    SIZE_ALIGNED = 1
    PACKED = 2
    PAST_RCACHE = 4


class StreamError(IovaLabError, ValueError):
    """An op stream that no allocator could run; ``op`` is the index of the wrong op."""

    def __init__(self, reason: str, op: int | None = None) -> None:
        super().__init__(reason if op is None else f"op {op}: {reason}")
        self.reason = reason
        self.op = op


@dataclass(frozen=True)
class OpStream:
    """Requests, and the domains they are made in.

    ``ops`` has dtype `OP_DTYPE`; the first ``nr_ageing`` ops are run and not measured.  All domains
    share ``granule`` (bytes) and ``start_pfn``.  Slots and domains are numbered from 0.
    """

    ops: npt.NDArray[np.void]
    nr_ageing: int = 0
    nr_slots: int = field(default=-1)
    nr_domains: int = 1
    granule: int = 4096
    start_pfn: int = 1

    def __post_init__(self) -> None:
        if not isinstance(self.ops, np.ndarray):
            raise StreamError(f"op stream is a {type(self.ops).__name__}, not a NumPy array")
        if self.ops.dtype != OP_DTYPE:
            raise StreamError(f"op stream has dtype {self.ops.dtype}, not {OP_DTYPE}")
        if self.ops.ndim != 1:
            raise StreamError(f"op stream has {self.ops.ndim} dimensions, not 1")
        for name in ("nr_ageing", "nr_slots", "nr_domains", "granule", "start_pfn"):
            value = whole(name, getattr(self, name))
            if not -1 <= value < 1 << 64:
                raise StreamError(f"{name} {value} is not within 0..{(1 << 64) - 1}")
            object.__setattr__(self, name, value)
        object.__setattr__(self, "ops", np.ascontiguousarray(self.ops))
        if self.nr_slots < 0:
            nr_slots = int(self.ops["slot"].max(initial=0)) + 1
            object.__setattr__(self, "nr_slots", nr_slots)

    @property
    def nr_measured(self) -> int:
        """Ops in the measured window."""
        return len(self.ops) - self.nr_ageing

    def digest(self) -> str:
        """SHA-256 of ops and header: equal on every machine for an equal stream."""
        header = (self.nr_ageing, self.nr_slots, self.nr_domains, self.granule, self.start_pfn)
        return hashlib.sha256(repr(header).encode() + self.ops.tobytes()).hexdigest()


def new_ops(nr_ops: int, *, limit_pfn: int, size: int = 1) -> npt.NDArray[np.void]:
    """Return ``nr_ops`` unaligned allocs of ``size`` pfns below ``limit_pfn``, all of slot 0."""
    template = np.zeros(1, OP_DTYPE)
    template["limit_pfn"] = limit_pfn
    template["size"] = size
    return np.repeat(template, nr_ops)
