"""Rows of results/contention/: what each file holds, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from iova_lab.basics.packing import pack_rows
from iova_lab.basics.reading import Row, read_rows
from iova_lab.basics.writing import write_rows
from iova_lab.contention.model import Prediction
from iova_lab.contention.published import Case
from iova_lab.contention.service import Kind
from iova_lab.contention.sweep import Cell
from iova_lab.contention.validation import SIDES, Compared
from iova_lab.measuring.load import Load

SWEEP = "`iova-lab contention sweep`"
VALIDATE = "`iova-lab contention validate`"


class _Loaded(msgspec.Struct, kw_only=True):
    load: Load | None = None


class _ServiceRow(_Loaded, kw_only=True):
    """A `Service`, or ``too_long``: why the cell was not measured."""

    key: tuple[str, str, int]
    asked: tuple[str, str, int]
    variant: str = ""
    workload: str = ""
    nr_live: int = 0
    alloc: Kind | None = None
    free: Kind | None = None
    think_ns: float | None = None
    lock_ns: float | None = None
    handoff_ns: float | None = None
    handoff_now_ns: float = 0.0
    too_long: str = ""

    def __post_init__(self) -> None:
        measured = (self.alloc, self.free, self.think_ns, self.lock_ns, self.handoff_ns)
        if not self.too_long and (None in measured or not self.variant or not self.workload):
            raise ValueError("a row without holds")


class _Host(msgspec.Struct, tag_field="what", tag="host"):
    cpu: str
    num_cpu: str
    os: str


class _Constants(_Loaded, kw_only=True, tag_field="what", tag="constants"):
    handoff_ns: float
    remote_ns: float
    source: str


class _Machine(msgspec.Struct):
    handoff_ns: float
    remote_ns: float


class _Lockups(msgspec.Struct):
    hard_cpus: int | None
    soft_cpus: int | None


class _ValidationRow(_Loaded, kw_only=True):
    variant: str
    workload: str
    nr_live: int
    threads: int
    handoff_ns: float
    remote_alloc_ns: float
    remote_free_ns: float
    nr_rounds: int
    nr_calm: int


#: Both sides of what a row of the validation compares.
_Both = msgspec.defstruct(
    "_Both", [(f"{side}_{name}", float) for side in SIDES for name in Compared._fields]
)

_SCHEMAS: dict[str, tuple[type, ...]] = {
    "services": (_ServiceRow,),
    "host": (_Host | _Constants,),  # type: ignore[dict-item]
    "sweep": (Cell, _Machine, Prediction),
    "lockups": (Cell, _Machine, _Lockups),
    "validation": (_ValidationRow, _Both),
    "published": (Case,),
}
#: The large ones, which a command leaves compressed.
PACKED = ("services", "sweep", "lockups", "validation")
MADE_BY = dict.fromkeys(_SCHEMAS, SWEEP) | {"validation": VALIDATE, "published": VALIDATE}


def read(results: Path, name: str) -> list[Row]:
    """Rows of ``name``.jsonl, oldest first.  Raises `FileError`."""
    return read_rows(results / f"{name}.jsonl", *_SCHEMAS[name], written_by=MADE_BY[name])


def compact(
    results: Path,
    name: str,
    key: Callable[[dict[str, Any]], str],
    keep: Callable[[dict[str, Any]], bool] = lambda row: True,
) -> None:
    """Keep the last row of each key of ``name``.jsonl, in order; the file is replaced at once."""
    path = results / f"{name}.jsonl"
    if name in PACKED:
        pack_rows(path, key, keep)
    else:
        write_rows(path, filter(keep, read(results, name)), key)
