"""What can be done with the kernel's own text beside measuring one state of it?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands.arguments import CELL, FOLDER, POSITIVE, invoked
from iova_lab.rendering.console import progress


@click.group()
def linux() -> None:
    """Prepare measurements of a kernel tree's own iova.c over its commits or releases.

    From Python: iova_lab.linux.

    \b
    Examples:
      iova-lab linux asv ~/src/linux v6.6..v6.12
      iova-lab linux releases
    """


@linux.command()
@click.argument("tree", type=click.Path(exists=True, file_okay=False))
@click.argument("revisions", nargs=-1, required=True, metavar="REV1..REV2 | REV...")
@click.option(
    "--workload",
    "cells",
    multiple=True,
    type=CELL,
    metavar="WORKLOAD@N",
    help="Workload, with N live ranges; may be given again.  Default: a few typical ones.",
)
@click.option(
    "--out",
    type=FOLDER,
    help="Folder to write.  Default: asv-NAME, with the name of the tree.",
)
def asv(
    tree: str,
    revisions: tuple[str, ...],
    cells: tuple[str, ...],
    out: Path | None,
) -> None:
    """Write a folder in which asv measures iova.c over the commits or tags of TREE.

    Of a range, both ends and each commit that changes one of the needed files.  Only these files
    are read and compiled; TREE is not changed.  A folder that is written again keeps its results.

    \b
    Examples:
      iova-lab linux asv ~/src/linux v6.6..topic
      iova-lab linux asv ~/src/linux v5.10 v5.15 v6.1 v6.6 v6.12 --workload random_replace@1000
    """
    from iova_lab.linux import asv_folder
    from iova_lab.measuring import asv_suite

    for cell in cells:
        asv_suite.stream(cell)
    folder = out or Path(f"asv-{Path(tree).expanduser().resolve().name}")
    commits = asv_folder.write(tree, revisions, folder, cells or asv_folder.CELLS)
    click.echo(f"{folder}: {len(commits)} commits; measure them with")
    click.echo(f"  cd {folder} && asv machine --yes && asv run HASHFILE:commits")


@linux.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE...]")
@click.option(
    "--results",
    default=Path("build/results/releases"),
    type=FOLDER,
    help="Folder of JSON lines, overwritten; the committed ones are in results/releases.",
)
@click.option(
    "--largest",
    type=POSITIVE,
    help="Count every workload at 100, 1,000, ... this number of live ranges, too.",
)
def releases(sources: tuple[str, ...], results: Path, largest: float | None) -> None:
    """Count nodes, instructions, bytes and cache hits of each kernel release's own iova.c.

    SOURCES are as behind linux:, by default the series of Debian that apt has.  The counts are
    exact, also on a busy machine.  Then `iova-lab report releases` writes the page, which has the
    command that measures times.

    \b
    Examples:
      iova-lab linux releases
      iova-lab linux releases debian-6.12 ~/src/linux@v6.6 --results build/results/mine
      iova-lab linux releases --largest 1e6
    """
    from iova_lab.linux import PREFIX, source
    from iova_lab.linux.errors import SourceError
    from iova_lab.measuring import instructions, provenance
    from iova_lab.measuring import releases as counting

    instructions.valgrind()  # what is missing shows before the long part
    most = largest or 0
    texts = []
    for name in (name.removeprefix(PREFIX) for name in sources or counting.SOURCES):
        try:
            texts.append(counting.Text(name, *source.digests(name)))
        except SourceError as error:
            if sources:
                raise
            click.echo(f"iova-lab: left out: {error}", err=True)
    if not texts:
        raise click.ClickException("none of the default sources is there: name a kernel tree")
    stores = [results / counting.COUNTS, results / counting.TEXTS]
    with provenance.recorded(stores, invoked()), progress() as bar:
        task = bar.add_task("count", total=len(texts) * len(counting.cells(most)))
        counting.measure(texts, results, most, lambda: bar.advance(task))
    click.echo(f"{', '.join(text.source for text in texts)}: {results}")


@linux.command()
@click.argument("source", default="debian-7.3")
def callers(source: str) -> None:
    """Print the files of a kernel that call the IOVA API, and what they call.

    SOURCE is debian-X, whose package is fetched and read once (170 MB, a minute or two), or a
    kernel tree.

    \b
    Examples:
      iova-lab linux callers
      iova-lab linux callers ~/src/linux
    """
    from iova_lab.linux import callers as reading
    from iova_lab.rendering.console import print_table

    with progress() as bar:
        task = bar.add_task(f"reading {source}", total=None)
        found = reading.find(source, lambda path: bar.update(task, description=path[:60]))
    print_table(["file", "calls"], ([path, ", ".join(calls)] for path, calls in found.items()))
