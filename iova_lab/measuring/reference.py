"""The reference: every cell of the asv grid, a part at a time, the smallest sizes first.

A part is the exact counts or the times of some workloads at one size, fewer of them the longer a
cell takes: at most minutes, so that a run that is cut loses no more.  What is stored is not
measured again.  Beside asv's file of the commit, load.jsonl has a row for each part: how long it
took, and what other programs and the hypervisor took of the CPUs meanwhile.

A part of times is measured again where other programs were busy; of one workload, where mainline's
two times in that part have intervals without a common point.  After `MOST_TRIES` it stands, and
its row says so.
"""

from __future__ import annotations

import fcntl
import itertools
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pandas as pd

from iova_lab import workloads
from iova_lab.basics import repository
from iova_lab.basics.errors import IovaLabError
from iova_lab.basics.writing import append_row
from iova_lab.measuring import carried, reference_load, results
from iova_lab.measuring.load import Load, Watch
from iova_lab.measuring.metrics import METRICS, MOST_BEHIND, RCACHE_METRICS, Metric
from iova_lab.measuring.reference_load import (
    COUNTS,
    LOADS,
    MOST_TRIES,
    RCACHE_COUNTS,
    RCACHE_TIMES,
    TIMES,
    PartRow,
)

SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
#: In the order in which they are measured at a size.
KINDS = (COUNTS, TIMES, RCACHE_COUNTS, RCACHE_TIMES)
_TIMED = ("drift.", "latency.", "rcache.Latency")
#: Of each kind, asv's benchmarks.
BENCHMARKS = {
    COUNTS: [name for name in METRICS if not name.startswith(_TIMED)],
    TIMES: [name for name in METRICS if name.startswith(_TIMED)],
    RCACHE_COUNTS: [name for name in RCACHE_METRICS if not name.startswith(_TIMED)],
    RCACHE_TIMES: [name for name in RCACHE_METRICS if name.startswith(_TIMED)],
}
_OF_RCACHE = (RCACHE_COUNTS, RCACHE_TIMES)
_OF_TIMES = (TIMES, RCACHE_TIMES)
#: Workloads in a part of times or of large counts, and in a part at `SLOW_CELLS` live ranges.
NR_WORKLOADS, NR_SLOW = 6, 1
#: From these sizes on counts take longer than asv itself, and every cell takes seconds.
LARGE_COUNTS, SLOW_CELLS = 100_000, 1_000_000
#: What decides about a measured value; other commits may come between two parts.
CODE = ("iova_variants", "harness", "iova_lab/workloads", "iova_lab/measuring", "benchmarks")
INTERRUPTED = 130

#: Runs a command of asv, and returns its exit status.
RunAsv = Callable[[list[str]], int]


class MeasuringError(IovaLabError):
    """Nothing can be measured now; the message says why."""


@dataclass(frozen=True)
class Part:
    """What one run of asv measures: ``kind`` at one size, of some workloads."""

    kind: str
    nr_live: int
    workloads: tuple[str, ...]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """The grid that it is a part of."""
        return RCACHE_METRICS if self.kind in _OF_RCACHE else METRICS

    def __str__(self) -> str:
        names = f"{len(self.workloads)} workloads" if self.workloads[1:] else self.workloads[0]
        return f"{self.kind} of {names} at {self.nr_live:,} live ranges"


@contextmanager
def alone_on_machine() -> Iterator[None]:
    """Hold this machine's lock of what measures times.  Raises `MeasuringError` if it is taken."""
    path = Path(tempfile.gettempdir(), "iova-lab-measuring.lock")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MeasuringError(
                f"another run of iova-lab measures times on this machine ({path}): wait for it"
            ) from None
        yield


def commit_of(results_dir: Path, machine: str) -> str:
    """The commit to measure: the one that was begun, while `CODE` is as it was; else HEAD."""
    head = repository.output("rev-parse", "HEAD")
    if head is None or not Path("asv.conf.json").exists():
        raise MeasuringError("asv measures commits: run this in a git checkout of iova-lab")
    try:
        begun = results.find_run(results_dir, machine).commit
    except results.ResultsError:
        return head
    same = repository.output("diff", "--quiet", begun, head, "--", *CODE) is not None
    return begun if same else head


def parts(sizes: Sequence[int], kinds: Sequence[str]) -> list[Part]:
    """All parts, in the order in which they are measured: at every size, counts before times."""
    found = []
    for nr_live in sizes:
        names = [name for name in workloads.names() if not workloads.get(name).why_not(nr_live)]
        for kind in KINDS if nr_live <= MOST_BEHIND else (COUNTS, TIMES):
            each = _per_part(kind, nr_live)
            batches = [tuple(names[i : i + each]) for i in range(0, len(names), each)]
            found += [Part(kind, nr_live, batch) for batch in batches if kind in kinds]
    return found


def _per_part(kind: str, nr_live: int) -> int:
    """How many workloads are one part; asv starts for each, which takes ten seconds or more."""
    if nr_live >= SLOW_CELLS:
        return NR_SLOW
    return NR_WORKLOADS if kind in _OF_TIMES or nr_live >= LARGE_COUNTS else len(workloads.names())


def stored(
    results_dir: Path, machine: str, commit: str, metrics: Mapping[str, Metric] = METRICS
) -> pd.DataFrame | None:
    """All cells of the commit, as `results.tidy` has them; None before the first."""
    try:
        return results.tidy(results_dir, results.find_run(results_dir, machine, commit), metrics)
    except results.ResultsError:
        return None


def missing(frame: pd.DataFrame | None, part: Part, variants: Sequence[str]) -> set[Key]:
    """Variant and workload of each cell of ``part`` that can be measured, and is not."""
    every = set(itertools.product(variants, part.workloads))
    if frame is None:
        return every
    metrics = {part.metrics[name].name for name in BENCHMARKS[part.kind]}
    if part.kind == TIMES:
        metrics -= {"ns_again", "load"}  # of one variant, and taken with the others
    rows = frame[
        frame["metric"].isin(metrics)
        & frame["workload"].isin(part.workloads)
        & (frame["nr_live"] == part.nr_live)
    ]
    gone = every - set(zip(rows["variant"], rows["workload"], strict=True))
    rows = rows[rows["status"].isin({results.NOT_MEASURED, results.STALE})]
    return set(zip(rows["variant"], rows["workload"], strict=True)) & every | gone


#: Variant and workload.
Key = tuple[str, str]


def pattern(part: Part, cells: set[Key]) -> str:
    """What asv's ``--bench`` takes for these cells of a part."""
    alike: dict[str, list[str]] = {}  # workloads that miss the same variants
    for workload in sorted({workload for _, workload in cells}):
        names = sorted(name for name, other in cells if other == workload)
        alike.setdefault("|".join(names), []).append(workload)
    named = [f"'({names})', '({'|'.join(found)})'" for names, found in alike.items()]
    again = [re.sub(r"^'[^']+'", "'[^']+'", one) for one in named]  # it has variants of its own
    return "|".join(
        rf"^{name}\(({'|'.join(again if name.startswith('drift') else named)}), {part.nr_live}\)$"
        for name in BENCHMARKS[part.kind]
    )


def _apart(frame: pd.DataFrame, part: Part) -> set[str]:
    """Workloads of ``part`` at which one variant's two times have no common point."""
    keys = ["variant", "workload"]
    first, again = (
        results.select(frame, metric=name, nr_live=part.nr_live).set_index(keys)
        for name in ("ns_per_op", "ns_again")
    )
    both = first.merge(again, on=keys, suffixes=("", "_again"))
    apart = both[
        (both["ci_lo"] > both["ci_hi_again"]) | (both["ci_lo_again"] > both["ci_hi"])
    ].index.get_level_values("workload")
    return set(apart) & set(part.workloads)


@dataclass
class Reference:
    """The measuring of one commit on one machine; ``say`` is told what begins."""

    results_dir: Path
    machine: str
    commit: str
    variants: Sequence[str]
    run_asv: RunAsv
    say: Callable[[str], object]

    def left(self, todo: Sequence[Part]) -> list[tuple[Part, set[Key]]]:
        """Parts with their missing cells; those that are whole are left out."""
        grids = {part.kind in _OF_RCACHE: part for part in todo}
        frames = {behind: self._stored(part) for behind, part in grids.items()}
        found = [
            (part, missing(frames[part.kind in _OF_RCACHE], part, self.variants)) for part in todo
        ]
        return [(part, cells) for part, cells in found if cells]

    def measure(self, todo: Sequence[Part]) -> int:
        """Measure what is missing of ``todo``.  Returns 0, or the status with which asv ended.

        Raises KeyboardInterrupt; the parts that had ended are stored.
        """
        status = 0
        begun = self.left(todo)
        for index, (part, _) in enumerate(begun):
            # Counts decide which cells have times, so they are looked up again.
            cells = missing(self._stored(part), part, self.variants)
            if cells:
                self.say(
                    f"part {index + 1} of {len(begun)}: {part}; {self.estimate(begun[index:])}"
                )
                status = max(status, self._measure(part, cells))
        return status

    def _measure(self, part: Part, cells: set[Key]) -> int:
        for nr_try in range(1, MOST_TRIES + 1):
            status, load, seconds = self._run(part, cells)
            if status == INTERRUPTED:
                raise KeyboardInterrupt
            if status not in (0, 2):  # 2: some cells failed, and are stored as failed
                raise MeasuringError(f"asv ended with status {status}: its last lines are above")
            disturbed = self._disturbed(part, load, cells)
            row = PartRow(
                commit=self.commit,
                kind=part.kind,
                nr_live=part.nr_live,
                workloads=sorted({workload for _, workload in cells}),
                nr_cells=len(cells),
                nr_try=nr_try,
                seconds=round(seconds, 1),
                disturbed=sorted(disturbed),
                **load.as_row(),
            )
            append_row(self.loads, msgspec.to_builtins(row))
            again = {(name, workload) for name, workload in cells if workload in disturbed}
            if not again or nr_try == MOST_TRIES:
                return status
            cells = again
            self.say(f"disturbed ({load}), measured again: {', '.join(row.disturbed)}")
        raise AssertionError("unreachable")

    def _run(self, part: Part, cells: set[Key]) -> tuple[int, Load, float]:
        arguments = ["run", "--machine", self.machine, f"{self.commit}^!"]
        arguments += ["--bench", pattern(part, cells)]
        watch, began = Watch(), time.monotonic()
        status = self.run_asv([sys.executable, "-m", "asv", *arguments])
        return status, watch.load(), time.monotonic() - began

    def _disturbed(self, part: Part, load: Load, cells: set[Key]) -> set[str]:
        """Workloads of a part of times to measure again; a carried mainline is of another day."""
        if part.kind not in _OF_TIMES:
            return set()
        if load.is_loaded:
            return set(part.workloads)
        frame = self._stored(part)
        if frame is None or part.kind != TIMES:
            return set()
        both = {workload for variant, workload in cells if variant == carried.BASE}
        return _apart(frame, part) & both

    def _stored(self, part: Part) -> pd.DataFrame | None:
        return stored(self.results_dir, self.machine, self.commit, part.metrics)

    @property
    def loads(self) -> Path:
        """The file with a row for each part."""
        return self.results_dir / self.machine / LOADS

    def estimate(self, left: Sequence[tuple[Part, set[Key]]]) -> str:
        """How long the rest takes, by what cells of its kind took, at the nearest size."""
        rows = reference_load.rows_of(self.loads.parent, self.commit)
        seconds = 0.0
        for part, cells in left:
            each = reference_load.seconds_per_cell(rows, part.kind, part.nr_live)
            if each is None:
                return "no estimate yet"
            seconds += each * len(cells)
        return f"about {max(seconds / 60, 1):.0f} min left, if larger sizes cost no more a cell"
