"""What do one machine's results say?"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--machine", help="asv's name of the machine; default: the only one in RESULTS.")
@click.option("--baseline", default="mainline", show_default=True, help="What ratios refer to.")
@click.option(
    "--results", default=Path("results"), show_default=True, type=click.Path(path_type=Path)
)
@click.option("--out", type=click.Path(path_type=Path), help="Default: reports/MACHINE.")
@click.option("--commit", help="Which commit's results; default: the newest.")
def report(
    machine: str | None, baseline: str, results: Path, out: Path | None, commit: str | None
) -> None:
    """Write the scaling report of one machine's asv results: pages, figures, mail text.

    \b
    Examples:
      iova-lab report --machine reference
    """
    from iova_lab.basics.stored import require

    require(results, "*/machine.json", command="asv run")
    from iova_lab.measuring.results import machines
    from iova_lab.reports.report import write_report

    if machine is None:
        found = machines(results)
        if len(found) != 1:
            raise click.UsageError(f"--machine must be one of: {', '.join(found)}")
        machine = found[0]
    index = write_report(
        results_dir=results,
        machine=machine,
        baseline=baseline,
        out_dir=out or Path("reports") / machine,
        commit=commit,
    )
    click.echo(f"report: {index}")
