"""What can be done with the kernel's own text beside measuring one state of it?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands.arguments import CELL


@click.group()
def linux() -> None:
    """Prepare what other tools do with a kernel tree's own iova.c.

    \b
    Examples:
      iova-lab linux asv ~/src/linux v6.6..v6.12
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
    help="With N live ranges; may be given again.  Default: a few typical ones.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
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
    are read and compiled; TREE stays as it is.  Written again, the folder keeps its results.

    \b
    Examples:
      iova-lab linux asv ~/src/linux v6.6..topic
      iova-lab linux asv ~/src/linux v5.10 v5.15 v6.1 v6.6 v6.12 --workload random_replace@1000
    """
    from iova_lab.linux import asv_folder

    folder = out or Path(f"asv-{Path(tree).expanduser().resolve().name}")
    commits = asv_folder.write(tree, revisions, folder, cells or asv_folder.CELLS)
    click.echo(f"{folder}: {len(commits)} commits; measure them with")
    click.echo(f"  cd {folder} && asv machine --yes && asv run HASHFILE:commits")
