"""Progress of a run of asv: one line, and an estimate from the cells that have run.

asv prints a table of every cell, most of which do not exist.  This runs asv's command line, keeps
its output in a file, and shows how many of the cells that exist have begun: each adds a line to a
file (`begin_cell` in benchmarks/_common.py), and the lines are counted.

    python -m iova_lab.measuring.asv_progress asv run ...
"""

from __future__ import annotations

import ast
import itertools
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from asv_runner.discovery import disc_benchmarks
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

#: The environment variable that names the file.
PROGRESS_FILE = "IOVA_LAB_PROGRESS"
#: Where asv's own output is kept.
LOG = Path("build/asv.log")
QUIET_S = 30.0  # without a terminal, a line this often
#: Share of the cells that must have begun before their rate is worth an estimate.
KNOWN = 0.05
#: Lines of asv's that are shown where it failed.
NR_SHOWN = 20

#: A step of asv's, and not one of the cells in it: "[12.34%] ·· Installing ...".
_STEP = re.compile(r"^(?:\[ *[\d.]+%\] )?·{1,2} (\w.*)")
_FAILED = re.compile(r"\bfailed\b")


def count_cells(pattern: str, rounds: int | None = None, folder: Path = Path("benchmarks")) -> int:
    """Processes that ``asv run --bench pattern`` starts for cells that exist: cells times rounds.

    ``rounds`` is what ``-a rounds=`` sets; None leaves each benchmark its own.
    """
    nr_cells = 0
    if (root := str(folder.resolve().parent)) not in sys.path:
        sys.path.insert(0, root)  # as asv does: the benchmarks import each other
    for benchmark in disc_benchmarks(str(folder)):
        nr_rounds = rounds or int(getattr(benchmark, "rounds", 1))
        exists = benchmark.func.__self__.exists
        for values in itertools.product(*benchmark.params):  # each as Python writes it
            label = f"{benchmark.name}({', '.join(values)})"
            if re.search(pattern, label) and exists(*map(ast.literal_eval, values[:3])):
                nr_cells += nr_rounds
    return nr_cells


def remaining(nr_begun: int, nr_cells: int, seconds: float) -> str:
    """How long the rest takes at the rate so far, ``seconds`` after the first cell began."""
    if nr_begun < KNOWN * nr_cells or nr_begun < 2:
        return "estimating"
    left = seconds / nr_begun * (nr_cells - nr_begun)
    return "less than a minute left" if left < 60 else f"about {left / 60:.0f} min left"


def _forward(stream: IO[str], log: IO[str], bar: Progress, task: TaskID) -> None:
    """Keep what asv prints, and show the step that it is at."""
    for line in stream:
        log.write(line)
        log.flush()
        if step := _STEP.match(line):
            bar.update(task, description=step[1].rstrip()[:40])


def _watch(command: list[str], nr_cells: int, path: Path, bar: Progress) -> int:
    task = bar.add_task("asv starts", total=nr_cells, left="")
    environment = {**os.environ, PROGRESS_FILE: str(path)}
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with (
        LOG.open("w", encoding="utf-8") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        ) as asv,
    ):
        assert asv.stdout is not None
        reader = threading.Thread(target=_forward, args=(asv.stdout, log, bar, task))
        reader.start()
        printed, began = time.monotonic(), 0.0
        while asv.poll() is None:
            time.sleep(0.5)
            now = time.monotonic()
            # asv runs every cell in a process of its own, and sets it up once per sample.
            nr_begun = min(len(set(path.read_text().split())), nr_cells)
            began = began or (now if nr_begun else 0.0)
            left = remaining(nr_begun, nr_cells, now - began) if began else "estimating"
            bar.update(task, completed=nr_begun, left=left)
            if not bar.console.is_terminal and now - printed > QUIET_S:
                bar.console.print(f"{nr_begun:,} of {nr_cells:,} cells, {left}")
                printed = now
        reader.join()
        return asv.returncode


def troubles(log: Path, status: int) -> list[str]:
    """Lines of asv's output that show why it failed, at most `NR_SHOWN` of them."""
    lines = log.read_text(encoding="utf-8").splitlines()
    if status == 2:  # some cells failed
        return [line for line in lines if _FAILED.search(line)][:NR_SHOWN]
    return lines[-NR_SHOWN:]


def run(command: list[str], nr_cells: int) -> int:
    """Run asv, showing how many of ``nr_cells`` have begun; returns its exit status."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with tempfile.NamedTemporaryFile(prefix="iova-lab-") as file:
        console = Console(soft_wrap=True)
        with Progress(
            *columns, TextColumn("{task.fields[left]}"), console=console, transient=True
        ) as bar:
            try:
                status = _watch(command, nr_cells, Path(file.name), bar)
            except KeyboardInterrupt:
                # asv has been interrupted too, and keeps the benchmarks that it has finished.
                print("interrupted: what asv has finished is in results/", file=sys.stderr)
                return 130
    if status:
        print(*troubles(LOG, status), f"all of asv's output: {LOG}", sep="\n", file=sys.stderr)
    return status


def main(arguments: list[str]) -> int:
    """Run the command ``arguments``, an ``asv run``."""
    following = list(itertools.pairwise(arguments))
    patterns = [value for option, value in following if option == "--bench"]
    rounds = [int(value[7:]) for option, value in following if value.startswith("rounds=")]
    return run(arguments, count_cells("|".join(patterns), rounds[-1] if rounds else None))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
