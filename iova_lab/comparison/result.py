"""What came out of a comparison, and where does it lie?

One folder holds it all, so that every page can be made again from files: ``comparison.json`` (the
plan, exact counts, what failed and why), ``pyperf/<n>-<variant>.json.gz`` (one benchmark per cell,
for `python -m pyperf compare_to` and the like) and ``ops/<cell>.npz`` (times of single ops).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyperf

from iova_lab.basics.errors import NotFoundError
from iova_lab.comparison.counting import Counts
from iova_lab.comparison.plan import Cell, Plan


@dataclass(frozen=True)
class Subject:
    """A variant as it was measured; ``digest`` names the shared object, so the code itself."""

    label: str
    given: str
    summary: str
    kernel_release: str
    digest: str
    is_fake: bool


@dataclass(frozen=True)
class OpTimes:
    """Times of all ops of one kind, of one variant in one process, in ns.

    Every op is timed in several replays: ``least`` has the least time of each op, in ascending
    order, and ``longest`` is the longest of all readings.
    """

    least: npt.NDArray[np.uint32]
    longest: int


@dataclass
class CellResult:
    """Results of one cell, by the index of the variant in `Plan.variants`.

    A variant is in ``counts`` if it survived its counted replay, and in ``failures`` with one line
    if it did not survive that or anything later; then it has no ratio.  ``runs[which][process]`` is
    a pyperf run, ``op_times[which, kind][process]`` has the times of single allocs or frees.
    ``stream`` is the digest of the op stream.  ``withdrawn`` is the reason why the times of this
    cell are not shown, "" where they are.
    """

    cell: Cell
    counts: dict[int, Counts] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)
    runs: dict[int, list[pyperf.Run]] = field(default_factory=dict)
    op_times: dict[tuple[int, str], list[OpTimes]] = field(default_factory=dict)
    clock_ns: int = 0
    stream: str = ""
    withdrawn: str = ""

    def values(self, which: int) -> dict[int, npt.NDArray[np.float64]]:
        """Seconds per op of one variant, by the number of the process: one value per round."""
        return {
            int(run.get_metadata()["turn"]): np.array(run.values)
            for run in self.runs.get(which, [])
        }

    def benchmark(self, which: int) -> pyperf.Benchmark | None:
        """All runs of one variant as pyperf has them; None if there are none."""
        runs = self.runs.get(which)
        return pyperf.Benchmark(runs) if runs else None


@dataclass
class Comparison:
    """A plan and its results.  ``partial`` is the reason why they are not complete, or empty.

    ``commit`` and ``compiler`` are those of `provenance`, "" where they were not recorded.
    """

    plan: Plan
    subjects: tuple[Subject, ...]
    cells: list[CellResult]
    system: dict[str, str] = field(default_factory=dict)
    checks: list[str] = field(default_factory=list)
    partial: str = ""
    date: str = ""
    commit: str = ""
    compiler: str = ""

    @property
    def loads(self) -> list[float]:
        """1-minute load averages of all processes; empty where none was recorded."""
        return [
            float(load)
            for cell in self.cells
            for runs in cell.runs.values()
            for run in runs
            if (load := run.get_metadata().get("load_avg_1min")) is not None
        ]

    @property
    def nr_cpus(self) -> int | None:
        """CPUs of the machine, None if that was not recorded."""
        text = self.system.get("logical CPUs", "")
        return int(text) if text.isdecimal() else None

    @property
    def has_failed(self) -> bool:
        """Is there a cell in which a variant did not do what it should?"""
        return any(cell.failures for cell in self.cells)

    def cell(self, name: str) -> CellResult:
        """Look up one cell by its name, ``near_empty@100``.  Raises `NotFoundError`."""
        for cell in self.cells:
            if cell.cell.name == name:
                return cell
        known = ", ".join(cell.cell.name for cell in self.cells)
        raise NotFoundError(f"no cell named {name!r}; there are: {known}")
