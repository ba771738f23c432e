"""What is in a trace, domain by domain: sizes, limits, what was live, how often the rcache hit?

One pass over the file, piece by piece: memory grows with domains, not with rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from iova_lab.traces.file import (
    ALLOC,
    ALLOC_FAST,
    FREE,
    FREE_FAST,
    IN_INTERRUPT,
    OPS,
    RESERVE,
    WENT_ON,
    Rows,
    TraceFile,
    open_trace,
)

#: Points of a live-set curve.
NR_POINTS = 256
#: The rcache has an order for each power of two up to this many pfns (32 = 2**5).
LARGEST_CACHED = 32


@dataclass
class DomainInfo:
    """One domain, or all together (``dom`` -1).

    ``nr_ops`` counts rows by the names of docs/traces.md.  All else is of one level, `level`: the
    fast one where it was recorded, else the tree.  ``sizes`` and ``limits`` count allocs,
    ``live_ranges`` and ``live_pfns`` have the live set after each `NR_POINTS`-th of the trace (of
    ranges that were seen allocated).  ``hit_rate`` is the share of allocs of at most 32 pfns that
    the rcache answered, None where one of the two levels was not recorded; ``hit_rates`` has it by
    order of size.
    """

    dom: int
    nr_ops: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OPS, 0))
    nr_refused: int = 0
    nr_in_interrupt: int = 0
    cpus: list[int] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)
    limits: dict[int, int] = field(default_factory=dict)
    nr_reserved_pfns: int = 0
    peak_live_ranges: int = 0
    peak_live_pfns: int = 0
    live_ranges: list[int] = field(default_factory=list)
    live_pfns: list[int] = field(default_factory=list)
    hit_rate: float | None = None
    hit_rates: dict[int, float] = field(default_factory=dict)

    @property
    def nr_rows(self) -> int:
        """All rows."""
        return sum(self.nr_ops.values())


@dataclass
class TraceInfo:
    """A whole trace; ``level`` is "fast" or "tree", ``times_s`` belongs to the live-set curves."""

    path: str
    kernel: str
    synthetic: str | None
    approximate: str | None
    granule: int
    start_pfn: int
    nr_rows: int
    seconds: float
    level: str
    source: dict[str, Any]
    times_s: list[float]
    total: DomainInfo
    domains: list[DomainInfo]

    def as_json(self) -> dict[str, Any]:
        """Plain data; keys of what is counted are text, as JSON has it."""
        return asdict(self)


def trace_info(
    path: str | Path, on_progress: Callable[[int, int], object] = lambda done, total: None
) -> TraceInfo:
    """Read a whole trace file; ``on_progress`` gets rows read, and all.  Raises `TraceError`."""
    file = open_trace(path)
    counts = np.zeros(len(OPS), np.int64)
    for piece in file.pieces(lambda done: on_progress(done // 2, file.nr_rows)):
        counts += np.bincount(piece["op"], minlength=len(OPS))
    has_fast, has_tree = counts[:ALLOC].any(), counts[ALLOC:RESERVE].any()
    gathered = _Gather(file, fast=bool(has_fast), knows_hits=bool(has_fast and has_tree))
    for piece in file.pieces(lambda done: on_progress((file.nr_rows + done) // 2, file.nr_rows)):
        gathered.add(piece)
    return TraceInfo(
        path=str(path),
        kernel=str(file.meta["kernel"]),
        synthetic=file.synthetic,
        approximate=file.approximate,
        granule=file.meta["granule"],
        start_pfn=file.meta["start_pfn"],
        nr_rows=file.nr_rows,
        seconds=gathered.times_s[-1] if file.nr_rows else 0.0,
        level="fast" if has_fast else "tree",
        source={key: file.meta[key] for key in _SOURCE if key in file.meta},
        times_s=gathered.times_s.tolist(),
        total=gathered.finish(gathered.total),
        domains=[gathered.finish(gathered.domains[dom]) for dom in sorted(gathered.domains)],
    )


_SOURCE = ("source", "nr_lost", "dropped", "added", "scaled_from")


class _Sums:
    """What adds up for one domain."""

    def __init__(self, dom: int) -> None:
        self.info = DomainInfo(dom)
        self.ranges = np.zeros(NR_POINTS, np.int64)
        self.pfns = np.zeros(NR_POINTS, np.int64)
        self.now_ranges = self.now_pfns = 0
        self.sizes: Counter[int] = Counter()
        self.limits: Counter[int] = Counter()
        self.allocs: Counter[int] = Counter()  # that the rcache could answer, by order
        self.hits: Counter[int] = Counter()
        self.cpus: set[int] = set()


class _Gather:
    """Sums up the pieces of a trace."""

    def __init__(self, file: TraceFile, *, fast: bool, knows_hits: bool) -> None:
        self._file = file
        self._alloc, self._free = (ALLOC_FAST, FREE_FAST) if fast else (ALLOC, FREE)
        self._knows_hits = knows_hits
        self._done = 0
        self.times_s: npt.NDArray[np.float64] = np.zeros(NR_POINTS)
        self.total = _Sums(-1)
        self.domains: dict[int, _Sums] = {}

    def add(self, piece: Rows) -> None:
        """Count one more piece."""
        points = np.arange(self._done, self._done + len(piece)) * NR_POINTS // self._file.nr_rows
        latest = np.maximum.accumulate(piece["t_ns"]) / 1e9
        np.maximum.at(self.times_s, points, latest)
        np.maximum.accumulate(self.times_s, out=self.times_s)
        self._done += len(piece)
        self._sum(self.total, piece, points)
        order = np.argsort(piece["dom"], kind="stable")
        doms, begins = np.unique(piece["dom"][order], return_index=True)
        for dom, places in zip(doms.tolist(), np.split(order, begins[1:]), strict=True):
            sums = self.domains.setdefault(dom, _Sums(dom))
            self._sum(sums, piece[places], points[places])

    def _sum(self, sums: _Sums, rows: Rows, points: npt.NDArray[np.int64]) -> None:
        info, ops = sums.info, rows["op"]
        for name, count in zip(OPS, np.bincount(ops, minlength=len(OPS)).tolist(), strict=True):
            info.nr_ops[name] += count
        sums.cpus.update(np.unique(rows["cpu"]).tolist())
        info.nr_reserved_pfns += int(rows["size"][ops == RESERVE].sum(dtype=np.int64))
        allocs, frees = ops == self._alloc, ops == self._free
        refused = allocs & (rows["pfn"] == 0)
        info.nr_refused += int(refused.sum())
        here = allocs | frees
        info.nr_in_interrupt += int((rows["flags"][here] & IN_INTERRUPT > 0).sum())
        _count(sums.sizes, rows["size"][allocs])
        _count(sums.limits, rows["limit_pfn"][allocs])
        taken = allocs & ~refused
        if self._free == FREE or self._file.approximate:
            taken |= ops == RESERVE  # the tree has them, no driver asked for them in the recording
        self._live(sums, taken.astype(np.int64) - frees, rows["size"], points)
        if self._knows_hits:
            small = allocs & (rows["size"] <= LARGEST_CACHED)
            orders = np.ceil(np.log2(rows["size"][small])).astype(np.int64)
            _count(sums.allocs, orders)
            _count(sums.hits, orders[rows["flags"][small] & WENT_ON == 0])

    def _live(
        self,
        sums: _Sums,
        steps: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.uint32],
        points: npt.NDArray[np.int64],
    ) -> None:
        info, pfns = sums.info, steps * sizes
        np.add.at(sums.ranges, points, steps)
        np.add.at(sums.pfns, points, pfns)
        ranges_now = sums.now_ranges + np.cumsum(steps)
        pfns_now = sums.now_pfns + np.cumsum(pfns)
        info.peak_live_ranges = max(info.peak_live_ranges, int(ranges_now.max(initial=0)))
        info.peak_live_pfns = max(info.peak_live_pfns, int(pfns_now.max(initial=0)))
        if len(steps):
            sums.now_ranges, sums.now_pfns = int(ranges_now[-1]), int(pfns_now[-1])

    def finish(self, sums: _Sums) -> DomainInfo:
        """What one domain's sums amount to."""
        info = sums.info
        info.cpus = sorted(sums.cpus)
        info.sizes, info.limits = dict(sums.sizes), dict(sums.limits)
        info.live_ranges = np.cumsum(sums.ranges).tolist()
        info.live_pfns = np.cumsum(sums.pfns).tolist()
        if sums.allocs:
            info.hit_rate = sums.hits.total() / sums.allocs.total()
            info.hit_rates = {
                order: sums.hits[order] / nr for order, nr in sorted(sums.allocs.items())
            }
        return info


def _count(counter: Counter[int], values: npt.NDArray[Any]) -> None:
    found, counts = np.unique(values, return_counts=True)
    counter.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
