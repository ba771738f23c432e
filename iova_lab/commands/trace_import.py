"""What did somebody record?"""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from iova_lab.commands.trace import trace


@trace.command("import")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Default: SOURCE with .npz.")
@click.option("--kernel", required=True, help="What it was recorded on: uname -r.")
def import_command(source: Path, out: Path | None, kernel: str) -> None:
    """Make a trace file of the text of a tracing tool: SOURCE.

    What tracefs, trace-cmd report, perf script or bpftrace print of the probes that
    docs/recording.md gives.  Says what was left out, and why.
    """
    from iova_lab.importer.write import import_text

    target = out or source.with_suffix(".npz")
    columns = Progress.get_default_columns()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("bytes", total=source.stat().st_size)
        done = import_text(
            source, target, kernel=kernel, on_bytes=lambda n: bar.update(task, completed=n)
        )
    click.echo(f"{done.path}: {done.nr_rows:,} rows of {done.nr_domains} domains")
    for note in done.notes:
        click.echo(f"note: {note}")
