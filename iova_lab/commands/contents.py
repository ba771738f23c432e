"""Which reports are there, and what does each answer?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("reports", default=Path("reports"), type=click.Path(path_type=Path))
def contents(reports: Path) -> None:
    """Write the index of all pages in REPORTS, each with its question and its answer.

    \b
    Examples:
      iova-lab contents
    """
    from iova_lab.basics.stored import require

    require(reports, "*/*.md", command="`make reports`", what="pages", option="REPORTS")
    from iova_lab.reports.contents import write_contents

    click.echo(f"contents: {write_contents(reports)}")
