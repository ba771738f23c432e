"""What does each variant keep, and which stream shows that it does not?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.console import progress


@click.command()
@click.option(
    "--out", default=Path("reports/promises"), show_default=True, type=click.Path(path_type=Path)
)
@click.option(
    "--results",
    default=Path("results/promises"),
    show_default=True,
    type=click.Path(path_type=Path),
)
@click.option("--measure", is_flag=True, help="Measure first: minutes.")
@click.option(
    "--largest", default=100_000, show_default=True, help="Live ranges, at most, with --measure."
)
def promises(out: Path, results: Path, measure: bool, largest: int) -> None:
    """Write the table of promises: what each variant keeps, costs at worst, and gets wrong.

    From what is in RESULTS; --measure counts it anew.
    """
    from iova_lab import promises_results
    from iova_lab.promises_report import write_promises

    if measure:
        bar = progress()
        with bar:
            task = bar.add_task("counted replays", total=promises_results.nr_ticks(largest))
            measured = promises_results.measure(largest, lambda: bar.advance(task))
        click.echo(f"results:  {promises_results.save(measured, results)}")
    click.echo(f"promises: {write_promises(results, out)}")


@click.command()
@click.argument("name")
def example(name: str) -> None:
    """Replay the smallest stream that breaks a promise, and draw the gaps after each request.

    NAME is a variant and a promise, as anchor-complete, or what several begin with, as mainline.
    """
    from iova_lab.counterexamples import find_example
    from iova_lab.drawing import draw

    click.echo("\n\n".join(map(draw, find_example(name))))
