"""How do tables and progress reach a terminal, a pipe or a file?"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress

#: Seconds between two lines of progress where no terminal shows a bar.
EVERY_S = 60.0
#: The time left follows from the speed of so many seconds: a boot may take minutes.
SPEED_S = 600.0


def print_table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> None:
    """Print rows of text under ``columns``; a file or a pipe gets lines as long as they are."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*row)
    console = Console()
    if not console.is_terminal:
        console = Console(width=10_000)
    console.print(table)


def progress() -> Progress:
    """A bar on stderr, with the time left, that is gone when the work is done.

    A file or a pipe gets a line every `EVERY_S`, and nothing of work that takes less.
    """
    from rich.console import Console
    from rich.progress import Progress, TaskID

    console = Console(stderr=True)
    if console.is_terminal:
        columns = Progress.get_default_columns()
        return Progress(*columns, console=console, transient=True, speed_estimate_period=SPEED_S)

    class Lines(Progress):
        """Counts as a bar does, and prints where that has come to."""

        printed = time.monotonic()

        def advance(self, task_id: TaskID, advance: float = 1) -> None:
            super().advance(task_id, advance)
            self._tell(task_id)

        def update(self, task_id: TaskID, **changes: Any) -> None:
            super().update(task_id, **changes)
            self._tell(task_id)

        def _tell(self, task_id: TaskID) -> None:
            if time.monotonic() - self.printed < EVERY_S:
                return
            self.printed = time.monotonic()
            task = self._tasks[task_id]
            left = task.time_remaining
            left_words = f", about {timedelta(seconds=round(left))} left" if left else ""
            print(f"{task.description}: {task.percentage:.0f} %{left_words}", file=sys.stderr)

    # Without auto_refresh, `track` advances itself: a thread would not, where nothing is drawn.
    return Lines(console=console, disable=True, auto_refresh=False, speed_estimate_period=SPEED_S)
