"""What was asked, up to where it broke: how is that written down, and read again?

A `History` is a short op stream, mostly of one domain.  `save` writes it as JSON, which
`iova-lab example FILE` replays and draws, and which `iova-lab replay` takes as a workload.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
import numpy as np

from iova_lab.basics.reading import read_json, wrong
from iova_variants.opstream import OP_DTYPE, Op, OpFlag, OpStream


class Step(NamedTuple):
    """One request; ``limit_pfn`` is inclusive, and the highest pfn of a reserved range.

    ``cpu`` and ``past`` (past the rcache) matter only where an rcache is in front of the variant.
    """

    op: Op
    slot: int
    size: int = 0
    limit_pfn: int = 0
    aligned: bool = False
    cpu: int = 0
    past: bool = False


@dataclass(frozen=True)
class History:
    """Requests, in order.

    ``fail_alloc_at``: which request for memory is refused, counted from 1; 0 for none.  ``doms``
    has the domain of each step, nothing where all are of one.
    """

    steps: tuple[Step, ...]
    start_pfn: int = 1
    granule: int = 4096
    fail_alloc_at: int = 0
    doms: tuple[int, ...] = ()

    def stream(self) -> OpStream:
        """All of it as an op stream, every op measured."""
        stream = stream_of(self.steps, self.start_pfn)
        stream.ops["dom"] = self.doms or 0
        return replace(stream, granule=self.granule, nr_domains=self.nr_domains)

    @property
    def nr_domains(self) -> int:
        """Domains that its requests are made in."""
        return max(self.doms, default=0) + 1

    def placed(self) -> Iterator[tuple[int, Step]]:
        """The domain of each step, and the step."""
        return zip(self.doms or [0] * len(self.steps), self.steps, strict=True)

    def only(self, dom: int) -> History:
        """Only what was asked in one domain."""
        steps = [step for at, step in self.placed() if at == dom]
        slots = dict.fromkeys(step.slot for step in steps)
        numbered = {slot: index for index, slot in enumerate(slots)}
        kept = tuple(step._replace(slot=numbered[step.slot]) for step in steps)
        return replace(self, steps=kept, doms=())

    def until(self, nr_steps: int) -> History:
        """Only so many steps of it."""
        return replace(self, steps=self.steps[:nr_steps], doms=self.doms[:nr_steps])

    @property
    def nr_slots(self) -> int:
        """Ranges that are named in it."""
        return len({step.slot for step in self.steps})

    def described(self) -> list[str]:
        """One line per request, equal ones in a row as one: ``200 x alloc 1, limit 0xfffff``."""
        lines = []
        several = self.nr_domains > 1
        texts = [f"domain {dom}: " * several + _described(step) for dom, step in self.placed()]
        for text, group in itertools.groupby(texts):
            count = len(list(group))
            lines.append(f"{count:,} x {text}" if count > 1 else text)
        return lines


def _described(step: Step) -> str:
    where = f", CPU {step.cpu}" * bool(step.cpu) + ", past the rcache" * step.past
    if step.op == Op.RESERVE:
        return f"reserve {step.limit_pfn - step.size + 1:#x}..{step.limit_pfn:#x}"
    if step.op == Op.ALLOC:
        aligned = ", aligned" if step.aligned else ""
        return f"alloc {step.size:#x}, limit {step.limit_pfn:#x}{aligned}{where}"
    return f"{step.op.name.lower()} the range of slot {step.slot}{where}"


def stream_of(steps: Sequence[Step], start_pfn: int, nr_ageing: int = 0) -> OpStream:
    """These steps as an op stream of one domain."""
    aligned, past = OpFlag.SIZE_ALIGNED.value, OpFlag.PAST_RCACHE.value
    flags = [aligned * one.aligned | past * one.past for one in steps]
    rows = [
        (one.limit_pfn, one.size, one.slot, 0, one.cpu, one.op, flag, 0)
        for one, flag in zip(steps, flags, strict=True)
    ]
    ops = np.array(rows, OP_DTYPE)
    return OpStream(ops, nr_ageing=nr_ageing, start_pfn=start_pfn)


def history_of(stream: OpStream, rows: Sequence[int]) -> History:
    """Keep these ops of a stream, slots and domains numbered anew, and packed ops unpacked.

    A history has no CPUs and no rcache, so whether an op goes past one is left out as well.
    """
    slots: dict[int, int] = {}
    numbered: dict[int, int] = {}
    steps, doms = [], []
    for op in stream.ops[np.asarray(rows, np.intp)]:
        doms.append(numbered.setdefault(int(op["dom"]), len(numbered)))
        slot = slots.setdefault(int(op["slot"]), len(slots))
        aligned = bool(op["flags"] & OpFlag.SIZE_ALIGNED)
        steps.append(Step(Op(int(op["op"])), slot, int(op["size"]), int(op["limit_pfn"]), aligned))
    return History(
        tuple(steps), stream.start_pfn, stream.granule, doms=tuple(doms) if any(doms) else ()
    )


def step_from_json(step: dict[str, Any]) -> Step:
    """Read one step as `step_to_json` wrote it."""
    limit_pfn = int(step.get("limit_pfn", "0"), 16)
    size = int(step.get("size", "0"), 16)
    where = (step.get("cpu", 0), step.get("past", False))
    aligned = step.get("aligned", False)
    return Step(Op[step["op"].upper()], step["slot"], size, limit_pfn, aligned, *where)


def step_to_json(step: Step) -> dict[str, Any]:
    """Plain values; pfns as hexadecimal text, for people read these files."""
    row: dict[str, Any] = {"op": step.op.name.lower(), "slot": step.slot}
    if step.op != Op.FREE:
        row |= {"size": hex(step.size), "limit_pfn": hex(step.limit_pfn)}
    more = {"aligned": step.aligned, "cpu": step.cpu, "past": step.past}
    return row | {name: value for name, value in more.items() if value}


def save(history: History, path: Path, *, variant: str, says: str) -> Path:
    """Write one history, with the variant that broke on it and what was wrong."""
    head = {
        "variant": variant,
        "says": says,
        "start_pfn": hex(history.start_pfn),
        "granule": history.granule,
        "fail_alloc_at": history.fail_alloc_at,
    }
    rows = [
        step_to_json(step) | ({"dom": dom} if history.doms else {})
        for dom, step in history.placed()
    ]
    lines = ",\n  ".join(map(json.dumps, rows))
    text = json.dumps(head)[:-1] + f', "steps": [\n  {lines}\n]}}\n'
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@dataclass(frozen=True)
class Saved:
    """What a file of `save` holds."""

    history: History
    variant: str
    says: str


_Pfn = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{1,16}$")]
_Size = Annotated[str, msgspec.Meta(pattern="^0x[0-9a-fA-F]{1,8}$")]


class _StepRow(msgspec.Struct, forbid_unknown_fields=True):
    op: Literal["alloc", "free", "reserve", "find"]
    slot: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
    size: _Size = "0x0"
    limit_pfn: _Pfn = "0x0"
    aligned: bool = False
    cpu: Annotated[int, msgspec.Meta(ge=0, lt=2**16)] = 0
    past: bool = False
    dom: Annotated[int, msgspec.Meta(ge=0, lt=2**16)] = 0


class _HistoryRow(msgspec.Struct):
    """What `save` writes."""

    variant: str
    says: str
    start_pfn: _Pfn
    granule: Annotated[int, msgspec.Meta(ge=2, le=2**31)]
    fail_alloc_at: Annotated[int, msgspec.Meta(ge=0)] | None
    steps: Annotated[list[_StepRow], msgspec.Meta(min_length=1)]


def read(path: Path) -> Saved:
    """Read what `save` wrote.  Raises `FileError` for another file, with one line."""
    row = read_json(path, _HistoryRow, written_by="`iova-lab try`")
    for index, step in enumerate(row.steps):
        if step.slot >= len(row.steps):
            reason = f"steps[{index}].slot: {step.slot} is not below the number of steps"
            raise wrong(path, reason, "`iova-lab try`")
    if row.granule & (row.granule - 1):
        raise wrong(path, f"granule: {row.granule} is not a power of two", "`iova-lab try`")
    steps = tuple(step_from_json(msgspec.structs.asdict(one)) for one in row.steps)
    doms = tuple(one.dom for one in row.steps)
    history = History(
        steps,
        int(row.start_pfn, 16),
        row.granule,
        row.fail_alloc_at or 0,
        doms if any(doms) else (),
    )
    return Saved(history, row.variant, row.says)
