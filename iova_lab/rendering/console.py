"""How do tables and progress reach a terminal, a pipe or a file?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress


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

    A file or a pipe gets nothing of it, not even the empty line that rich would leave there.
    """
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    columns = Progress.get_default_columns()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
