"""How far is a run of asv, and how long will it take?

asv tells which benchmark it runs, and nothing while that takes minutes.  This runs asv's command
line with a bar below its output: each cell of the suite that begins adds a line to a file
(`begin_cell` in benchmarks/_common.py), and the lines are counted.

    python -m iova_lab.asv_progress asv run ...
"""

from __future__ import annotations

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
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: The environment variable that names the file.
PROGRESS_FILE = "IOVA_LAB_PROGRESS"
QUIET_S = 15.0  # without a terminal, a line this often


def count_cells(pattern: str, folder: Path = Path("benchmarks")) -> int:
    """How many processes asv will start for ``--bench pattern``: cells, times their rounds."""
    nr_cells = 0
    for benchmark in disc_benchmarks(str(folder)):
        rounds = getattr(benchmark, "rounds", 1) if benchmark.type == "time" else 1
        for values in itertools.product(*benchmark.params):
            label = f"{benchmark.name}({', '.join(map(str, values))})"
            nr_cells += rounds if re.search(pattern, label) else 0
    return nr_cells


def _forward(stream: IO[str], console: Console) -> None:
    """Print what asv says, above the bar."""
    for line in stream:
        console.print(line.rstrip("\n"), markup=False, highlight=False, soft_wrap=True)


def _nr_begun(path: Path) -> int:
    # asv runs every cell in a process of its own, and sets it up once per sample.
    return len(set(path.read_text().split()))


def _watch(command: list[str], nr_cells: int, path: Path, bar: Progress) -> int:
    task = bar.add_task("cells", total=nr_cells)
    environment = {**os.environ, PROGRESS_FILE: str(path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as asv:
        assert asv.stdout is not None
        reader = threading.Thread(target=_forward, args=(asv.stdout, bar.console))
        reader.start()
        said, started = time.monotonic(), time.monotonic()
        while asv.poll() is None:
            time.sleep(0.5)
            nr_begun = min(_nr_begun(path), nr_cells)
            bar.update(task, completed=nr_begun)
            now = time.monotonic()
            if not bar.console.is_terminal and nr_begun and now - said > QUIET_S:
                left = (now - started) / nr_begun * (nr_cells - nr_begun)
                bar.console.print(f"{nr_begun} of {nr_cells} cells, about {left:.0f} s left")
                said = now
        reader.join()
        return asv.returncode


def run(command: list[str], nr_cells: int) -> int:
    """Run asv, showing how many of ``nr_cells`` have begun; returns its exit status."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with tempfile.NamedTemporaryFile(prefix="iova-lab-") as file:
        console = Console(soft_wrap=True)
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            try:
                return _watch(command, nr_cells, Path(file.name), bar)
            except KeyboardInterrupt:
                # asv has been told too, and keeps the benchmarks that it has finished.
                print("interrupted: what asv has finished is in results/", file=sys.stderr)
                return 130


if __name__ == "__main__":
    arguments = sys.argv[1:]
    following = itertools.pairwise(arguments)
    patterns = [value for option, value in following if option == "--bench"]
    sys.exit(run(arguments, count_cells("|".join(patterns))))
