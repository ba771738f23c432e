"""What breaks when every variant is asked everything, a hundred million times?

Chunks of random ops (soak_streams.py) are replayed under the judge, each in a child process with a
time limit.  Every replay leaves one line of JSON, so a soak can be stopped and taken up again, and
any chunk replayed alone.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pandas as pd
from rich import box
from rich.table import Table

import iova_variants
from iova_lab.basics.reading import read_rows
from iova_lab.basics.writing import append_row, write_whole
from iova_lab.checking.soak_streams import Chunk, make_chunk
from iova_lab.measuring import provenance
from iova_variants import REFUSED, Claim, CountedReplay, EndlessError, TimedReplay, VariantError
from iova_variants.opstream import Op, OpStream

#: The largest size that an rcache takes, in pfns.
MAX_CACHED = 32
#: The timed build must give the same addresses: looked at every so many chunks, prime to the turn
#: of the rcaches and of what is verified.
TIMED_EVERY = 5
Line = dict[str, Any]


class _Stored(msgspec.Struct):
    """A line as it lies in a file; ``built`` is the shared object that it was measured with."""

    built: str
    variant: str
    chunk: int
    nr_ops: int
    nr_verified: int
    nr_allocs: int
    nr_refused: int
    nr_judged: int
    nr_spurious: int | None
    nr_not_highest: int | None
    nr_above_limit: int | None


Rows = npt.NDArray[np.intp]


def run_chunk(variant: str, chunk: Chunk, *, timeout: float | None) -> Line:
    """Replay one chunk on one variant, judged; returns what was counted.

    A chunk ends before a request that never returns, where the variant declares that.  Raises
    `VariantError` with the op where the variant, or the rcache before it, goes wrong.
    """
    try:
        return _run_chunk(variant, chunk, timeout)
    except EndlessError as error:
        if Claim.ENDLESS not in iova_variants.load(variant, build="counted").claims:
            raise
        stream = dataclasses.replace(chunk.stream, ops=chunk.stream.ops[: error.op])
        line = _run_chunk(variant, dataclasses.replace(chunk, stream=stream), timeout)
        return line | {"nr_endless": 1}


def _run_chunk(variant: str, chunk: Chunk, timeout: float | None) -> Line:
    result = iova_variants.replay(
        variant,
        chunk.stream,
        judge=True,
        verify=chunk.verify,
        rcache=chunk.rcache,
        pfns=chunk.rcache != "off" or is_timed(chunk),
        build="counted",
        timeout=timeout,
    )
    if is_timed(chunk):
        _hold_against_timed(variant, chunk, result, timeout)
    claims = iova_variants.load(variant, build="counted").claims
    clean = chunk.reserves != "anywhere" and not claims & (Claim.ABOVE_LIMIT | Claim.FAKE)
    if chunk.rcache != "off" and clean:
        check_callers(chunk.stream, result.pfns)
    return _line(chunk, result)


def is_timed(chunk: Chunk) -> bool:
    """Is this chunk replayed on the timed build as well?"""
    return chunk.index % TIMED_EVERY == 0


def _hold_against_timed(
    variant: str, chunk: Chunk, counted: TimedReplay, timeout: float | None
) -> None:
    """Raise `VariantError` with the first op that the timed build answers otherwise."""
    timed = iova_variants.replay(
        variant, chunk.stream, pfns=True, rcache=chunk.rcache, build="timed", timeout=timeout
    )
    rows = np.flatnonzero(timed.pfns != counted.pfns)
    if len(rows):
        op = int(rows[0])
        pair = f"{int(timed.pfns[op]):#x} and {int(counted.pfns[op]):#x}"
        raise VariantError(f"op {op}: pfns of the timed and the counted build differ: {pair}")


def check_callers(stream: OpStream, pfns: npt.NDArray[np.uint64]) -> None:
    """Hold what the callers of an rcache got to what the judge, behind it, cannot see.

    Limits, alignment, and that no range is handed out again before it was freed.  Raises
    `VariantError` with the first op that is wrong.
    """
    ops = stream.ops
    wrong = [
        ("ends above its limit, from the rcache", _above_limit(ops, pfns)),
        ("is not aligned, from the rcache", _misaligned(ops, pfns)),
        ("was handed out twice by the rcache", _handed_out_twice(ops, pfns)),
    ]
    found = [(int(rows.min()), reason) for reason, rows in wrong if len(rows)]
    if found:
        op, reason = min(found)
        raise VariantError(f"op {op}: pfn {int(pfns[op]):#x} {reason}")


def _given(ops: npt.NDArray[np.void], pfns: npt.NDArray[np.uint64]) -> Rows:
    return np.flatnonzero((ops["op"] == Op.ALLOC) & (pfns != REFUSED))


def _above_limit(ops: npt.NDArray[np.void], pfns: npt.NDArray[np.uint64]) -> Rows:
    """Limits below the size of a cached class are left out: the rcache's check of them wraps."""
    rows = _given(ops, pfns)
    limits, size = ops["limit_pfn"][rows], ops["size"][rows]
    pfn_hi = pfns[rows] + size - np.uint64(1)
    wraps = (size <= MAX_CACHED) & (limits + np.uint64(1) < _rounded(size))
    return np.compress((pfn_hi > limits) & ~wraps, rows)


def _misaligned(ops: npt.NDArray[np.void], pfns: npt.NDArray[np.uint64]) -> Rows:
    rows = _given(ops, pfns)
    return np.compress(pfns[rows] % _rounded(ops["size"][rows]) != 0, rows)


def _rounded(sizes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint64]:
    """The next powers of two."""
    return np.exp2(np.ceil(np.log2(sizes))).astype(np.uint64)


def _handed_out_twice(ops: npt.NDArray[np.void], pfns: npt.NDArray[np.uint64]) -> Rows:
    """Rows that fill what is filled: in each domain, fills and frees of a pfn take turns."""
    rows = np.flatnonzero((ops["op"] != Op.FIND) & (pfns != REFUSED))
    rows = rows[np.lexsort((rows, pfns[rows], ops["dom"][rows]))]
    fills, pfn, dom = ops["op"][rows] != Op.FREE, pfns[rows], ops["dom"][rows]
    again = fills[1:] & fills[:-1] & (pfn[1:] == pfn[:-1]) & (dom[1:] == dom[:-1])
    return np.compress(again, rows[1:])


def _line(chunk: Chunk, result: CountedReplay) -> Line:
    nr_allocs = int(np.count_nonzero(chunk.stream.ops["op"] == Op.ALLOC))
    layer = result.rcache
    return {
        "variant": result.variant,
        "chunk": chunk.index,
        "rcache": "off" if chunk.rcache == "off" else chunk.rcache.kernel,
        "reserves": chunk.reserves,
        "nr_ops": len(chunk.stream.ops),
        "nr_verified": chunk.verify * len(chunk.stream.ops),
        "nr_allocs": nr_allocs,
        "nr_refused": result.nr_failures,
        "nr_judged": layer.nr_tree_allocs if layer else nr_allocs,
        "nr_spurious": result.nr_spurious,
        "nr_not_highest": result.nr_not_highest,
        "nr_above_limit": result.nr_above_limit,
        "nr_endless": 0,
        "nr_hits": sum(layer.nr_hits) if layer else 0,
        "nr_flushes": layer.nr_flushes if layer else 0,
        "nr_overflows": layer.nr_overflows if layer else 0,
        "nr_trims": layer.nr_trims if layer else 0,
        "ns": result.ns,
    }


def run_alone(variants: Iterable[str], seed: int, index: int, timeout: float) -> pd.DataFrame:
    """Replay exactly one chunk; one row per variant.  Raises `VariantError` at the first breach."""
    chunk = make_chunk(seed, index)
    return pd.DataFrame([run_chunk(name, chunk, timeout=timeout) for name in variants])


# ---- many of them ----


@dataclass
class Soak:
    """A soak: what it is made of, what is done, and what broke.

    Lines lie in ``out``, by seed and variant; those of an older build of a variant don't count.
    """

    variants: Sequence[str]
    seed: int
    nr_ops: int
    out: Path
    timeout: float
    done: dict[str, dict[int, Line]] = field(init=False)
    breaches: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.done = {variant: self._read(variant) for variant in self.variants}

    @property
    def nr_done(self) -> int:
        """Ops done so far, of all variants."""
        return sum(line["nr_ops"] for lines in self.done.values() for line in lines.values())

    def run(self, advanced: Callable[[], None] = lambda: None) -> None:
        """Replay what is missing; ``advanced`` is called as `nr_done` grows.

        A variant that breaks has its breach noted, and is left out of what follows.
        """
        lacking = dict.fromkeys(self.variants, self.nr_ops)
        for index in itertools.count():
            active = [name for name in lacking if lacking[name] > 0 and name not in self.breaches]
            if not active:
                break
            todo = [name for name in active if index not in self.done[name]]
            if todo:
                self._replay(todo, make_chunk(self.seed, index), advanced)
            for name in active:
                if index in self.done[name]:
                    lacking[name] -= self.done[name][index]["nr_ops"]

    def _replay(self, variants: Iterable[str], chunk: Chunk, advanced: Callable[[], None]) -> None:
        for variant in variants:
            try:
                line = run_chunk(variant, chunk, timeout=self.timeout)
            except VariantError as error:
                where = f"--seed {self.seed} --chunk {chunk.index}"
                self.breaches[variant] = f"{error} (again: iova-lab soak {variant} {where})"
                continue
            self.done[variant][chunk.index] = line
            append_row(self._path(variant), {"built": _built(variant), **line})
            advanced()

    def _path(self, variant: str) -> Path:
        return self.out / f"seed-{self.seed}" / f"{iova_variants.short_name(variant)}.jsonl"

    def _read(self, variant: str) -> dict[int, Line]:
        path, built = self._path(variant), _built(variant)
        lines = read_rows(path, _Stored, written_by="`iova-lab soak`")
        return {line["chunk"]: line for line in lines if line["built"] == built}

    def frame(self) -> pd.DataFrame:
        """One row per replay: the fields of its line."""
        return pd.DataFrame([line for lines in self.done.values() for line in lines.values()])


def store(run: Soak, path: Path, arguments: Sequence[str]) -> None:
    """Write what came out of a soak to ``path``, and how it was made.

    Per variant: ops, those verified, judged requests, what was wrong with them, and the breach or
    "".  ``nr_asked`` is what each variant was to be given; less was done if the soak was stopped.
    """
    made = provenance.here(arguments, run.variants)
    sums = ("nr_ops", "nr_verified", "nr_judged", "nr_spurious", "nr_not_highest", "nr_above_limit")
    done = {
        variant: {name: sum(line[name] or 0 for line in lines.values()) for name in sums}
        | {"breach": run.breaches.get(variant, "")}
        for variant, lines in run.done.items()
    }
    stored = asdict(made) | {"seed": run.seed, "nr_asked": run.nr_ops, "variants": done}
    write_whole(path, json.dumps(stored, indent=1, sort_keys=True) + "\n")


def _built(variant: str) -> str:
    """The shared object's name: it tells the variant's C file and all that is compiled with it."""
    return iova_variants.load(variant, build="counted").path.stem


# ---- what came out ----

#: Column of the table: what it counts, and in which count it is a share.
COLUMNS = {
    "ops": ("nr_ops", ""),
    "verified after each": ("nr_verified", "nr_ops"),
    "requests": ("nr_allocs", ""),
    "refused": ("nr_refused", "nr_allocs"),
    "asked of the variant": ("nr_judged", ""),
    "spurious": ("nr_spurious", "nr_judged"),
    "not highest": ("nr_not_highest", "nr_judged"),
    "above limit": ("nr_above_limit", "nr_judged"),
    "endless": ("nr_endless", "nr_judged"),
}


def table(frame: pd.DataFrame, by: str = "variant") -> Table:
    """Sum up the replays of `Soak.frame`: counts, and shares of them.  It prints as markdown."""
    shown = Table(box=box.MARKDOWN)
    shown.add_column(by)
    for column in COLUMNS:
        shown.add_column(column, justify="right")
    if not len(frame):
        return shown
    totals = frame.groupby(by).sum(numeric_only=True)
    for name, row in totals.iterrows():
        shown.add_row(str(name), *(_cell(row, *counted) for counted in COLUMNS.values()))
    return shown


def _cell(row: pd.Series, count: str, whole: str) -> str:
    if not whole or not row[count]:
        return f"{row[count]:,}"
    return f"{row[count]:,} ({row[count] / row[whole]:.2%})"
