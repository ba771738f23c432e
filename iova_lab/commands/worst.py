"""Which op stream makes a variant as slow, or as wrong, as it can be?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands.arguments import PATH, POSITIVE, VARIANT, rcache_option
from iova_lab.rendering.console import progress

if TYPE_CHECKING:
    from iova_lab.checking.worst.evolve import Method, Search

#: As `iova_lab.checking.worst.evolve.METHODS`, which a test compares.
METHODS = ("islands", "one island", "one niche per goal", "random")


@click.command()
@click.argument("variants", type=VARIANT, nargs=-1, required=True)
@click.option("--budget", type=POSITIVE, default=60.0, help="Seconds of search for each variant.")
@click.option("--rounds", type=click.IntRange(1), help="Rounds of search in place of --budget.")
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed of all random numbers.")
@rcache_option("Search behind these per-CPU caches.")
@click.option("--instructions", is_flag=True, help="Instructions and lock holds are goals, too.")
@click.option("--method", type=click.Choice(METHODS), default="islands")
@click.option("--jobs", type=click.IntRange(1), help="Processes.  Default: one per CPU.")
@click.option("--scheduler", help="Address of a Dask scheduler, tcp://...; default: cores here.")
@click.option("--out", default=Path("build/worst"), type=PATH)
def worst(
    variants: tuple[str, ...],
    budget: float,
    rounds: int | None,
    seed: int,
    rcache: str,
    instructions: bool,
    method: Method,
    jobs: int | None,
    scheduler: str | None,
    out: Path,
) -> None:
    """Search for op streams that make VARIANTS slow or wrong, from random streams alone.

    Each find is shrunk, saved as a file that every command takes as a workload, and drawn in a file
    beside it.  A cost is fitted over live ranges, and the fit is compared with a measurement at ten
    times the size.

    The state of a search lies in OUT, so a search that was stopped continues there, and a larger
    --budget goes on from a smaller one.  --rounds makes the result independent of the machine: a
    round tries 60 streams.

    From Python: iova_lab.checking.worst.

    \b
    Examples:
      iova-lab worst mainline
      iova-lab worst ./my_patch.c --budget 600
      iova-lab worst candidate --rounds 400 --seed 7 --instructions
      iova-lab worst candidate --rcache 6.7
    """
    from iova_lab.checking.worst.evolve import Search, Setting
    from iova_lab.measuring.workers import executor_for

    if instructions and rcache != "off":
        raise click.UsageError("instructions are counted without an rcache: leave out one of both")
    make_executor = executor_for(scheduler, jobs)
    for variant in variants:
        setting = Setting(variant, rcache, method, instructions)
        search = Search(setting, seed, out, make_executor)
        _search(search, None if rounds else budget, rounds)
        _show(search)


def _search(search: Search, budget: float | None, rounds: int | None) -> None:
    with progress() as bar:
        task = bar.add_task(f"worst of {search.setting.variant}", total=rounds or budget or 1)

        def on_progress() -> None:
            bar.update(task, completed=search.nr_rounds if rounds else search.seconds)

        on_progress()  # what an earlier run has done
        search.run(seconds=budget, rounds=rounds, on_progress=on_progress)


def _show(search: Search) -> None:
    from iova_lab.checking.worst import finds
    from iova_lab.checking.worst.score import NR_LIVE

    with progress() as bar:
        task = bar.add_task("shrinking", total=len(search.elites))
        found = finds.finds(search.setting, search.elites, lambda: bar.advance(task))
    click.echo(
        f"{search.setting.variant}: {search.nr_tried:,} streams in {search.seconds:.0f} s, "
        f"{len(found)} finds"
    )
    for find in found:
        path = find.save(search.path.parent)
        click.echo(f"\n{find.says()}")
        if find.also:
            click.echo(f"  the same with: {'; '.join(map(str, find.also))}")
        alike = ", ".join(find.alike) or "none of the lab's workloads"
        click.echo(f"  such ops in: {alike}")
        click.echo(f"  found by stream {find.first_tried:,}, after {find.first_seconds:.0f} s")
        click.echo(f"  saved: {path}; drawn: {path.with_suffix('.txt')}")
        for line in find.requests():
            click.echo(f"    {line}")
    click.echo(f"\nthe most that was found, at {NR_LIVE} live ranges:")
    for line in finds.records(search.elites):
        click.echo(f"  {line}")
