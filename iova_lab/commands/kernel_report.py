"""What do the booted kernels' results say?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands.kernel import kernel


@kernel.command("report")
@click.option(
    "--results", default=Path("results/kernel"), show_default=True, type=click.Path(path_type=Path)
)
@click.option(
    "--out", default=Path("reports/kernel"), show_default=True, type=click.Path(path_type=Path)
)
def report(results: Path, out: Path) -> None:
    """Write the pages of fidelity and of the soft lockup, from RESULTS alone.

    \b
    Examples:
      iova-lab kernel report
    """
    from iova_lab.basics.stored import require

    require(results, "*-amd64.jsonl", command="iova-lab kernel fidelity")
    require(results, "lockup.jsonl", command="iova-lab kernel lockup")
    from iova_lab.kernel.fidelity_report import write_fidelity
    from iova_lab.kernel.lockup_report import write_lockup

    click.echo(f"fidelity: {write_fidelity(results, out)}")
    click.echo(f"lockup:   {write_lockup(results, out)}")
