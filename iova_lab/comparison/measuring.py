"""In which order is everything measured, and what happens when something breaks?

First every variant is counted on every cell, alone and in a child process: who crashes, hangs or
breaks its contract is out there, and the others stand.  Then rounds: one fresh worker process per
cell and round, so that an interruption leaves a bit of everything and not all of something, and a
machine that becomes slower does so for every cell.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import iova_variants
from iova_lab.comparison import system
from iova_lab.comparison.counting import count
from iova_lab.comparison.plan import Plan
from iova_lab.comparison.process import WorkerError, Workers
from iova_lab.comparison.result import CellResult, Comparison, Subject
from iova_lab.measuring import provenance
from iova_lab.measuring.paired_worker import NR_OP_REPLAYS
from iova_variants import Claim
from iova_variants.child import NotBackError

#: The process is the unit of all intervals: with fewer of them there is little to say.
MIN_PROCESSES = 8
MAX_PROCESSES = 30
#: Enough of them for the least half width; with more budget than that, processes last longer.
GOOD_PROCESSES = 12
MIN_VALUES, MAX_VALUES = 3, 40
#: What one process measures at best and at least, apart from its start.
SLICES_S = (2.0, 1.0, 0.5, 0.25, 0.1)

#: What a worker may take beside its replays: it starts an interpreter, on a busy machine perhaps.
PATIENCE_S = 60.0

#: ``on_progress(share, text)``: how much is done, 0 to 1, and of what.
OnProgress = Callable[[float, str], None]
#: ``on_note(text)``: what the user should know before it is all done.
OnNote = Callable[[str], None]


@dataclass
class _Cell:
    """A cell under way: its workers, pyperf's loops, and what a process of it costs."""

    result: CellResult
    workers: Workers
    loops: dict[int, int]
    start_s: float = 1.0
    round_s: float = 0.1
    nr_values: int = MIN_VALUES

    def process_s(self, slice_s: float | None = None) -> float:
        nr_values = self.nr_values if slice_s is None else self.values_in(slice_s)
        return self.start_s + self.round_s * (nr_values + 1)

    def values_in(self, slice_s: float) -> int:
        return max(MIN_VALUES, min(MAX_VALUES, round(slice_s / self.round_s)))


class _TimeIsUpError(Exception):
    """The limit of a whole comparison is reached."""


def _left(limit: float, at_most: float = math.inf) -> float:
    """Seconds that the next step may take until ``limit``, when a comparison ends.

    That is by `time.monotonic`, checked before each step, and each step's limit too.  Raises
    `_TimeIsUpError` where none are left.
    """
    left = limit - time.monotonic()
    if left <= 0:
        raise _TimeIsUpError
    return min(at_most, left)


def measure(
    plan: Plan,
    on_progress: OnProgress = lambda share, text: None,
    *,
    on_note: OnNote = lambda text: None,
    limit_s: float = math.inf,
) -> Comparison:
    """Measure a plan.  After Ctrl-C, the results until then are returned, with ``partial`` set.

    So does ``limit_s``, counted from here: unlike the budget, it holds for the fewest processes
    too.  A process that is under way then is ended, and its variant is not blamed for it.
    ``on_note`` is called with the estimated time, once there is one, if it exceeds the budget.

    Raises what `Plan.check` raises, before anything is measured.
    """
    plan.check()
    begin = time.monotonic()
    limit = begin + limit_s
    result = Comparison(
        plan=plan,
        subjects=_subjects(plan),
        cells=[CellResult(cell, stream=cell.stream(plan.seed).digest()) for cell in plan.cells],
        date=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
        commit=provenance.commit(),
        compiler=provenance.compiler(),
    )
    try:
        _count_all(result, limit, on_progress)
        cells = _calibrate_all(result, limit, on_progress)
        if note := _over_budget(cells, begin + plan.budget_s - time.monotonic()):
            on_note(note)
        _take_rounds(result, cells, begin + plan.budget_s, limit, on_progress)
    except _TimeIsUpError:
        result.partial = f"ended by its time limit of {max(limit_s, 0):.0f} s"
    except KeyboardInterrupt:
        result.partial = "interrupted"
    with contextlib.suppress(KeyboardInterrupt):  # who presses it twice gets no checks
        system.look(result)
    return result


def _subjects(plan: Plan) -> tuple[Subject, ...]:
    loaded = map(iova_variants.load, plan.variants)
    return tuple(
        Subject(
            label=label,
            given=given,
            summary=variant.summary,
            kernel_release=variant.kernel_release,
            digest=variant.path.stem,
            is_fake=Claim.FAKE in variant.claims,
        )
        for label, given, variant in zip(plan.labels, plan.variants, loaded, strict=True)
    )


#: Shares of the bar: counting and calibrating are short beside the rounds.
COUNTED, CALIBRATED = 0.05, 0.1


def _count_all(result: Comparison, limit: float, on_progress: OnProgress) -> None:
    plan = result.plan
    steps = list(itertools.product(result.cells, enumerate(plan.variants)))
    for done, (cell, (which, variant)) in enumerate(steps):
        on_progress(COUNTED * (done / len(steps)), f"count {cell.cell.name}")
        bounded = replace(plan, timeout_s=_left(limit, plan.timeout_s))
        try:
            cell.counts[which] = count(bounded, variant, cell.cell)
        except iova_variants.VariantError as error:
            if isinstance(error, NotBackError):
                _left(limit)
            name = iova_variants.load(variant).name
            cell.failures[which] = str(error).removeprefix(f"{name}: ")


def _calibrate_all(result: Comparison, limit: float, on_progress: OnProgress) -> list[_Cell]:
    cells = []
    for index, cell in enumerate(result.cells):
        share = index / len(result.cells)
        on_progress(COUNTED + (CALIBRATED - COUNTED) * share, f"calibrate {cell.cell.name}")
        if (under_way := _calibrate(result.plan, cell, limit)) is not None:
            cells.append(under_way)
    return cells


def _calibrate(plan: Plan, cell: CellResult, limit: float) -> _Cell | None:
    """Let pyperf find the loops, and time a short process; None if no variant is left."""
    workers = Workers(plan, cell.cell)
    while len(fit := tuple(which for which in cell.counts if which not in cell.failures)):
        patience = PATIENCE_S + plan.timeout_s * len(fit)
        try:
            loops = workers.calibrate(fit, _left(limit, patience))
            taken = workers.measure(loops, turn=0, nr_values=1, timeout_s=_left(limit, patience))
        except WorkerError as error:
            _blame(cell, fit, error, limit)
            continue
        # What pyperf saw pass while the first variant, and so all of them, were measured.
        measured_s = float(taken.runs[fit[0]].get_metadata()["duration"])
        round_s = measured_s / 2  # a warm-up and a value
        return _Cell(cell, workers, loops, max(0.1, taken.wall_s - measured_s), round_s)
    return None


def _blame(cell: CellResult, fit: tuple[int, ...], error: WorkerError, limit: float) -> None:
    """Take out of the cell who was at work when its process ended; all if that is not known.

    Nobody where the limit of the whole comparison ended the process.
    """
    if error.is_late:
        _left(limit)
    for which in fit if error.which is None else (error.which,):
        cell.failures[which] = error.reason


def _choose(cells: list[_Cell], left_s: float) -> int:
    """Set the values per process of each cell; the number of rounds that fit into ``left_s``."""
    for slice_s in SLICES_S:
        nr_rounds = int(left_s / max(1e-3, sum(cell.process_s(slice_s) for cell in cells)))
        if nr_rounds >= GOOD_PROCESSES:
            break
    for cell in cells:
        cell.nr_values = cell.values_in(slice_s)
    return max(MIN_PROCESSES, min(MAX_PROCESSES, nr_rounds))


def _over_budget(cells: list[_Cell], left_s: float) -> str:
    """How long the fewest processes take, if that is longer than ``left_s``; "" if not."""
    least_s = MIN_PROCESSES * sum(cell.process_s(SLICES_S[-1]) for cell in cells)
    if least_s <= left_s:
        return ""
    return (
        f"{MIN_PROCESSES} processes for each of {len(cells)} cells, the fewest that say anything,"
        f" take about {least_s:.0f} s; {max(left_s, 0):.0f} s of the budget are left. Fewer"
        " --workloads take less; Ctrl-C shows what was measured until then"
    )


def _take_rounds(
    result: Comparison, cells: list[_Cell], end: float, limit: float, on_progress: OnProgress
) -> None:
    begin = time.monotonic()
    nr_rounds = _choose(cells, end - begin)
    for turn in range(nr_rounds):
        if turn >= MIN_PROCESSES and time.monotonic() > end:
            return
        for index, cell in enumerate(cells):
            done = (turn + index / len(cells)) / nr_rounds
            on_progress(CALIBRATED + (1 - CALIBRATED) * done, f"measure {cell.result.cell.name}")
            _take(result.plan, cell, turn, limit)


def _take(plan: Plan, cell: _Cell, turn: int, limit: float) -> None:
    """One fresh process for one cell; who breaks in it is out, and the others go on."""
    while fit := {w: n for w, n in cell.loops.items() if w not in cell.result.failures}:
        patience = PATIENCE_S + plan.timeout_s + 20 * cell.process_s() * NR_OP_REPLAYS
        try:
            taken = cell.workers.measure(
                fit, turn=turn, nr_values=cell.nr_values, timeout_s=_left(limit, patience)
            )
        except WorkerError as error:
            _blame(cell.result, tuple(fit), error, limit)
            continue
        for which, run in taken.runs.items():
            cell.result.runs.setdefault(which, []).append(run)
        for key, times in taken.op_times.items():
            cell.result.op_times.setdefault(key, []).append(times)
        clocks = [ns for ns in (cell.result.clock_ns, taken.clock_ns) if ns]
        cell.result.clock_ns = min(clocks, default=0)
        return
