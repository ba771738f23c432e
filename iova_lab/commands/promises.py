"""What does each variant keep, and which stream shows that it does not?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.console import progress


@click.command()
@click.option(
    "--out", default=Path("reports/promises"), show_default=True, type=click.Path(path_type=Path)
)
@click.option("--largest", default=100_000, show_default=True, help="Live ranges, at most.")
def promises(out: Path, largest: int) -> None:
    """Write the table of promises: what each variant keeps, costs at worst, and gets wrong."""
    from iova_lab.promises_report import nr_ticks, write_promises

    bar = progress()
    with bar:
        task = bar.add_task("counted replays", total=nr_ticks(largest))
        index = write_promises(out, largest, lambda: bar.advance(task))
    click.echo(f"promises: {index}")


@click.command()
@click.argument("name")
def example(name: str) -> None:
    """Replay the smallest stream that breaks a promise, and draw the gaps after each request.

    NAME is a variant and a promise, as anchor-complete, or what several begin with, as mainline.
    """
    from iova_lab.counterexamples import find_example
    from iova_lab.drawing import draw

    click.echo("\n\n".join(map(draw, find_example(name))))
