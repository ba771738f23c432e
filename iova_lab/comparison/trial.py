"""What is measured of a file that is right: exactly everywhere, and by the clock where time allows.

Every workload and the recorded traces are replayed once and counted: nodes, refusals, memory,
exact whatever the machine does.  Times need many fresh processes a cell, so in two minutes there
is room for a few cells: the common case first, then what the list has complained about most.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import iova_variants
from iova_lab import comparison, workloads
from iova_lab.comparison.counting import Counts, count
from iova_lab.comparison.plan import NR_LIVE, within
from iova_lab.measuring.cells import number
from iova_lab.measuring.statistics import Ratio

#: Fresh processes that a cell needs, a few more than the fewest, and what is measured in each.
_NR_PROCESSES = 10
_PROCESS_S = 0.6

#: A busier machine shows it here; the common case is the cheapest, so noise is largest in it.
_NOISE_CELL = comparison.Cell("near_empty", 100)

OnProgress = Callable[[str, float], None]

#: The common case, then one bad case, then the rest as `comparison` has it.
_FIRST = ("near_empty", "random_replace", "trace_6_12", "full_32bit")


def measure(
    variants: Sequence[str],
    seconds: float,
    on_progress: OnProgress,
    cells: tuple[comparison.Cell, ...] = (),
) -> comparison.Comparison:
    """Measure these cells, else as many as there is time for, and end when the time is over.

    On a machine that is busy beyond expectation the last rounds are missing, where ``seconds`` is
    not positive all of them; ``partial`` says so.
    """
    plan = comparison.Plan(
        base=variants[0],
        candidates=tuple(variants[1:]),
        cells=cells or timed_cells(seconds, len(variants)),
        budget_s=max(seconds, 1.0),
    )
    return comparison.measure(plan, lambda share, text: on_progress(text, share), limit_s=seconds)


def noise(seconds: float, on_progress: OnProgress) -> Ratio | None:
    """Mainline against itself: what remains is what can't be seen on this machine now."""
    result = measure(("mainline", "mainline"), seconds, on_progress, (_NOISE_CELL,))
    return comparison.verdicts(result)[0].ratio


def timed_cells(seconds: float, nr_variants: int) -> tuple[comparison.Cell, ...]:
    """As many cells as that time has room for on this machine as busy as it is; at least one."""
    cells = sorted(
        comparison.DEFAULT_CELLS,
        key=lambda cell: _FIRST.index(cell.workload) if cell.workload in _FIRST else len(_FIRST),
    )
    cell_s = _NR_PROCESSES * (_start_s() + _PROCESS_S * nr_variants / 2)
    return tuple(cells[: max(int(seconds / cell_s), 1)])


def _start_s() -> float:
    """What a fresh process takes before it measures anything."""
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", "import iova_lab.measuring.paired_worker"], check=True)
    return time.monotonic() - begun


@dataclass(frozen=True)
class Counted:
    """One workload: its counts by variant, or in one line why there are none."""

    cell: comparison.Cell
    counts: dict[str, Counts | str]

    def row(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "workload": self.cell.workload,
            "nr_live": self.cell.nr_live,
            "variants": {
                label: found
                if isinstance(found, str)
                else {
                    "nodes_per_op": found.nodes_per_op,
                    "worst_op": found.worst,
                    "refused": found.nr_failures,
                    "spurious": found.nr_spurious,
                    "bytes_per_range": found.bytes_per_range,
                }
                for label, found in self.counts.items()
            },
        }


def shown(counts: Counts | str) -> tuple[str, ...]:
    """Nodes per op, worst op, refusals, spurious failures; or why not, in the first of them."""
    if isinstance(counts, str):
        reason = "too many" if "nodes" in counts else counts
        return (reason, "-", "-", "-")
    spurious = "-" if counts.nr_spurious is None else f"{counts.nr_spurious:,}"
    return (
        number(counts.nodes_per_op),
        f"{counts.worst:,}",
        f"{counts.nr_failures:,}",
        spurious,
    )


def count_all(
    variants: Sequence[str], labels: Sequence[str], on_progress: OnProgress
) -> Iterable[Counted]:
    """Replay every workload once on every variant, counted and judged."""
    plan = comparison.Plan(base=variants[0], candidates=tuple(variants[1:]))
    names = workloads.names()
    for done, name in enumerate(names):
        cell = within(name, NR_LIVE)  # or as near to that as it goes
        found: dict[str, Counts | str] = {}
        for label, variant in zip(labels, variants, strict=True):
            try:
                found[label] = count(plan, variant, cell)
            except iova_variants.VariantError as error:
                found[label] = str(error)
        on_progress("counting nodes", (done + 1) / len(names))
        yield Counted(cell, found)
