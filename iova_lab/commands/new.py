"""Where does a variant of my own begin?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.checking.skeleton import FLAVOURS, Flavour, write
from iova_lab.commands.arguments import VARIANT


@click.command()
@click.argument("name")
@click.option(
    "--flavour",
    type=click.Choice(FLAVOURS),
    default="list",
    help="list: everything in one file.  rbtree: on range_variant.h, the file has the search.",
)
@click.option(
    "--from",
    "original",
    type=VARIANT,
    help="Copy this variant of the lab under the new name, in place of a flavour.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=Path(),
    help="Folder of the file.",
)
def new(name: str, flavour: Flavour, original: str | None, folder: Path) -> None:
    """Write NAME.c, a small correct allocator with comments on where to begin.

    It compiles and passes `iova-lab try`.  An existing file is not overwritten.

    From Python: iova_lab.checking.skeleton.write().

    \b
    Examples:
      iova-lab new my_variant
      iova-lab new my_tree --flavour rbtree
      iova-lab new mine --from mainline
    """
    path = write(name, flavour, folder, original=original)
    click.echo(f"{path}: check and measure it with `iova-lab try {path}`")
