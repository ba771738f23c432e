"""How is one worker process started, watched, and read?"""

from __future__ import annotations

import contextlib
import itertools
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyperf

from iova_lab.basics.errors import IovaLabError
from iova_lab.comparison.counting import KINDS
from iova_lab.comparison.plan import Cell, Plan
from iova_lab.comparison.result import OpTimes
from iova_lab.measuring.paired_worker import Task
from iova_variants.watch import Limits, run_program

#: pyperf calls a value below a millisecond unstable; half as much again keeps clear of that.
MIN_TIME_S = 0.0015
NR_WARMUPS = 1

#: More are not worth their time: a loop costs a domain's whole life, whatever its window takes.
MAX_LOOPS = 256


class WorkerError(IovaLabError, RuntimeError):
    """A worker did not finish; ``which`` is the variant that it was at, None if it never began.

    ``is_late``: it was ended for the time that it was given.
    """

    def __init__(self, which: int | None, reason: str, *, is_late: bool = False) -> None:
        super().__init__(reason)
        self.which = which
        self.reason = reason
        self.is_late = is_late


@dataclass(frozen=True)
class Taken:
    """What one worker measured of each variant: a pyperf run, and the times of single ops."""

    runs: Mapping[int, pyperf.Run]
    op_times: Mapping[tuple[int, str], OpTimes]
    clock_ns: int
    wall_s: float


@dataclass(frozen=True)
class Workers:
    """Starts workers for one cell, each with a folder that is gone when it is done."""

    plan: Plan
    cell: Cell

    def calibrate(self, which: tuple[int, ...], timeout_s: float) -> dict[int, int]:
        """Let pyperf find for each variant how many loops last `MIN_TIME_S`."""
        once = dict.fromkeys(which, 1)
        taken = self.measure(once, turn=0, nr_values=1, timeout_s=timeout_s, calibrates=True)
        found = {i: int(run.get_metadata()["calibrate_loops"]) for i, run in taken.runs.items()}
        return {which: min(loops, MAX_LOOPS) for which, loops in found.items()}

    def measure(
        self,
        loops: Mapping[int, int],
        *,
        turn: int,
        nr_values: int,
        timeout_s: float,
        calibrates: bool = False,
    ) -> Taken:
        """Measure all variants in turn, ``nr_values`` times, in one fresh process.

        One that ``calibrates`` lets pyperf find the loops, and takes no times of single ops.
        """
        options = ["--calibrate-loops"] if calibrates else ["--loops", "1"]
        with tempfile.TemporaryDirectory(prefix="iova-lab-") as folder:
            task_path, output = Path(folder, "task.json"), Path(folder, "pyperf.json")
            task = Task(
                variants=tuple(self.plan.variants[which] for which in loops),
                which=tuple(loops),
                loops=tuple(loops.values()),
                workload=self.cell.workload,
                nr_live=self.cell.nr_live,
                seed=self.plan.seed,
                rcache=self.plan.rcache,
                turn=turn,
                ops_path=None if calibrates else str(Path(folder, "ops.npz")),
                status_path=str(Path(folder, "status")),
            )
            task.write(task_path)
            command = [sys.executable, "-m", "iova_lab.measuring.paired_worker", "--task"]
            command += [str(task_path), "--worker", "--quiet", *options]
            command += ["--warmups", str(NR_WARMUPS), "--values", str(nr_values)]
            command += ["--min-time", str(MIN_TIME_S), "--output", str(output)]
            begin = time.monotonic()
            _wait(command, task, output, timeout_s)
            suite = pyperf.BenchmarkSuite.load(str(output))
            op_times, clock_ns = {}, 0
            if task.ops_path:
                with np.load(task.ops_path) as arrays:
                    for which, kind in itertools.product(task.which, KINDS):
                        name = f"{which}.{kind}"
                        longest = int(arrays[f"{name}.longest"])
                        op_times[which, kind] = OpTimes(arrays[f"{name}.least"], longest)
                    clock_ns = int(arrays["clock_ns"])
            return Taken(
                runs={int(bench.get_name()): bench.get_runs()[0] for bench in suite},
                op_times=op_times,
                clock_ns=clock_ns,
                wall_s=time.monotonic() - begin,
            )


def _wait(command: list[str], task: Task, output: Path, timeout_s: float) -> None:
    """Run a worker to its end.  Raises `WorkerError`; whatever happens, no worker is left."""
    end = run_program(command, Limits(wall_s=timeout_s))
    if end.status == 0 and not end.broke and output.exists():
        return
    reason = end.died
    lines = end.stderr.decode(errors="replace").strip().splitlines()
    if end.status > 0 and lines:  # a traceback of the worker's own
        reason = lines[-1]
    raise WorkerError(_at(Path(task.status_path)), reason, is_late=end.broke == "wall")


def _at(status_path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(status_path.read_text())
    return None
