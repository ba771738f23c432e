"""How much memory do the per-CPU caches take?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands.arguments import FOLDER, invoked
from iova_lab.rendering.console import progress


@click.command()
@click.option(
    "--results",
    default=Path("build/results/rcache"),
    type=FOLDER,
    help="Folder of JSON lines, overwritten; the committed ones are in results/rcache.",
)
def rcache(results: Path) -> None:
    """Count the memory of the per-CPU caches of 6.12 and 7.3, over CPUs and domains.

    Up to 1,024 possible CPUs, replayed through the lab's rcache: exact, also on a busy machine.  It
    takes a minute and up to 1 GB of memory.  Then `iova-lab report rcache` writes the page.

    From Python: iova_lab.measuring.rcache_memory.measure().

    \b
    Examples:
      iova-lab rcache
      iova-lab report rcache --results build/results/rcache --out build/reports/rcache
    """
    from iova_lab.measuring import provenance, rcache_memory

    with provenance.recorded([results / rcache_memory.FILE], invoked()), progress() as bar:
        task = bar.add_task("count", total=len(rcache_memory.cells()))
        rcache_memory.measure(results, lambda: bar.advance(task))
    click.echo(f"{len(rcache_memory.cells())} cells: {results / rcache_memory.FILE}")
