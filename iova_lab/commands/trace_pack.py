"""How small can a trace be?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands.arguments import PATH, TRACE
from iova_lab.commands.trace import trace
from iova_lab.rendering.console import progress


@trace.command()
@click.argument("path", type=TRACE, metavar="TRACE")
@click.option("--out", type=PATH, help="Default: TRACE with -packed.")
def pack(path: Path, out: Path | None) -> None:
    """Write the same trace in fewer bytes, to attach it: half of those that `trace import` writes.

    Every command takes it as it takes the other.  All rows are in memory meanwhile.

    \b
    Examples:
      iova-lab trace pack trace.npz --out small.npz
    """
    from iova_lab.traces.file import open_trace, pack_trace

    target = out or Path(f"{path.stem}-packed.npz")
    with progress() as bar:
        bar.add_task("pack", total=None)
        made = pack_trace(open_trace(path), target)
    before, after = path.stat().st_size, target.stat().st_size
    click.echo(f"{target}: {made.nr_rows:,} rows, {after:,} bytes, {after / before:.0%} of {path}")
