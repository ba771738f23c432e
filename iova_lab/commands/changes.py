"""Which stored numbers moved between two revisions?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands.arguments import PATH


@click.command()
@click.option("--from", "revision", required=True, help="The old git revision.")
@click.option("--to", default="HEAD", help="The new git revision.")
@click.option("--out", default=Path("reports"), type=PATH)
def changes(revision: str, to: str, out: Path) -> None:
    """Compare the committed results of two git revisions: every number that moved, and why.

    Writes changes.md, changes.html and changes.csv.  Reasons are in iova_lab/reports/reasons.json.

    From Python: iova_lab.reports.changes.

    \b
    Examples:
      iova-lab changes --from HEAD~20
    """
    from iova_lab.reports.changes import write_changes

    click.echo(f"changes: {write_changes(revision, to, out)}")
