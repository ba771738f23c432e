"""Is there an allocator that wins the common case and has no trap?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--results", default=Path("results"), show_default=True, type=click.Path(path_type=Path)
)
@click.option(
    "--out", default=Path("reports/candidate"), show_default=True, type=click.Path(path_type=Path)
)
def evidence(results: Path, out: Path) -> None:
    """Write the page of the lab's own proposal: bars, objections, numbers.

    \b
    Examples:
      iova-lab evidence          # from results/ alone; the page names what measures each part
    """
    from iova_lab.basics.stored import require

    require(results / "candidate", "counts.csv", command="iova-lab counts")
    from iova_lab.reports.candidate.page import write_evidence

    click.echo(f"candidate: {write_evidence(results, out)}")
