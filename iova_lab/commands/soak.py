"""Does anything break, if asked long enough?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands import mistakes
from iova_lab.commands.arguments import FILE, PATH, POSITIVE, VARIANT, invoked, timeout_option

if TYPE_CHECKING:
    from iova_lab.checking.soak import Soak


@click.command()
@click.argument("variants", type=VARIANT, nargs=-1)
@click.option("--ops", "nr_ops", type=POSITIVE, default=1e6, help="Number of ops for each variant.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of all random numbers.")
@click.option("--chunk", type=click.IntRange(0), help="Replay this chunk only, and record nothing.")
@click.option("--out", default=Path("build/soak"), type=PATH)
@click.option("--json", "json_path", type=FILE, help="File for the results and their provenance.")
@timeout_option(300.0, "Seconds until a variant counts as hung.")
def soak(
    variants: tuple[str, ...],
    nr_ops: float,
    seed: int,
    chunk: int | None,
    out: Path,
    json_path: Path | None,
    timeout: float,
) -> None:
    """Run random op streams on VARIANTS (default: all) under the judge, and sum up the results.

    Every replay writes a line to OUT, so a soak that was stopped continues there.  Exit status 1 if
    a variant broke, with one line for each.

    From Python: iova_lab.checking.soak.

    \b
    Examples:
      iova-lab soak mainline --ops 1e6
      iova-lab soak
      iova-lab soak candidate --ops 1e9 --json results/candidate/soak.json
    """
    from rich.console import Console

    import iova_variants
    from iova_lab.checking import soak as soaking
    from iova_lab.checking.soak_chunk import run_alone

    names = variants or iova_variants.names(fake=False)
    if chunk is not None:
        frame = run_alone(names, seed, chunk, timeout)
        Console(width=10_000).print(soaking.table(frame))
        return
    run = soaking.Soak(names, seed, round(nr_ops), out, timeout)
    try:
        _soak_with_progress(run)
    finally:
        Console(width=10_000).print(soaking.table(run.frame()))
        if json_path is not None:
            soaking.store(run, json_path, invoked())
    mistakes.end(run.breaches.values())


def _soak_with_progress(run: Soak) -> None:
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    columns = (
        *Progress.get_default_columns(),
        TextColumn("{task.completed:,.0f} ops, {task.fields[rate]:,.0f} /s"),
    )
    with Progress(*columns, console=Console(stderr=True), speed_estimate_period=60) as bar:
        total = run.nr_ops * len(run.variants)
        task = bar.add_task("soak", total=total, completed=run.nr_done, rate=0.0)
        run.run(lambda: bar.update(task, completed=run.nr_done, rate=bar.tasks[task].speed or 0.0))
