"""What does the search find of what is known, by which method, and who holds the lock longest?"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands.arguments import PATH, POSITIVE, VARIANT, invoked, results_option
from iova_lab.commands.worst import METHODS
from iova_lab.rendering.console import progress

if TYPE_CHECKING:
    from iova_lab.checking.worst.evolve import Method

PARTS = ("searches", "finds", "holds", "bound")


@click.command("worst-study")
@results_option("build/results/worst", "Folder of JSON lines; committed ones: results/worst.")
@click.option("--part", "parts", type=click.Choice(PARTS), multiple=True, help="Default: all.")
@click.option(
    "--method", "methods", type=click.Choice(METHODS), multiple=True, help="Default: all."
)
@click.option("--variant", "variants", type=VARIANT, multiple=True, help="Of finds; default: all.")
@click.option("--seeds", type=click.IntRange(1), default=3, help="Seeds 0, 1, ... of searches.")
@click.option("--rounds", type=click.IntRange(1), default=100, help="Rounds of each search.")
@click.option("--find-rounds", type=click.IntRange(1), default=200, help="Rounds for finds.")
@click.option(
    "--budget", type=POSITIVE, default=60.0, help="Seconds of search in all for the bound."
)
@click.option("--seed", type=click.IntRange(0), default=0, help="Seed for finds and the bound.")
@click.option("--jobs", type=click.IntRange(1), help="Processes.  Default: one per CPU.")
@click.option("--scheduler", help="Address of a Dask scheduler, tcp://...; default: cores here.")
@click.option("--out", default=Path("build/worst"), type=PATH, help="States of the searches.")
def worst_study(
    results: Path,
    parts: tuple[str, ...],
    methods: tuple[Method, ...],
    variants: tuple[str, ...],
    seeds: int,
    rounds: int,
    find_rounds: int,
    budget: float,
    seed: int,
    jobs: int | None,
    scheduler: str | None,
    out: Path,
) -> None:
    """Measure what the page on `iova-lab worst` stands on.

    searches: every variant with a known fault, by every method and seed.  finds: all variants, also
    for instructions.  holds: the longest section under the lock, on every workload and find.
    bound: the candidate's worst op; a larger --budget goes on from a smaller one.

    All are counted in streams and instructions, so a busy machine changes only the seconds.  A
    second run measures only what is missing.  Then `iova-lab report worst` writes the page.

    \b
    Examples:
      iova-lab worst-study
      iova-lab worst-study --part searches --seeds 5 --rounds 200
      iova-lab worst-study --part bound --budget 3600
    """
    from iova_lab.basics.packing import pack_rows
    from iova_lab.basics.reading import read_rows
    from iova_lab.basics.writing import write_rows
    from iova_lab.checking.worst import bounded, evolve, study
    from iova_lab.checking.worst.evolve import Search, Setting
    from iova_lab.measuring import provenance
    from iova_lab.measuring.workers import executor_for

    chosen = parts or PARTS
    settings = study.settings(variants)
    stores = [results / name for name in (study.SEARCHES, study.FINDS, study.HOLDS)]
    bound = results / bounded.BOUND
    with (
        provenance.recorded([*stores, bound], invoked()),
        executor_for(scheduler, jobs)() as executor,  # started once for all searches
        progress() as bar,
    ):
        if "searches" in chosen:
            cells = study.cells(methods or evolve.METHODS, range(seeds))
            task = bar.add_task("searches", total=len(cells))
            study.search_all(
                results,
                out,
                cells,
                rounds=rounds,
                executor=executor,
                on_progress=lambda: bar.advance(task),
            )
        if "finds" in chosen:
            task = bar.add_task("finds", total=len(settings))
            study.find_all(
                results,
                out,
                settings,
                seed=seed,
                rounds=find_rounds,
                executor=executor,
                on_progress=lambda: bar.advance(task),
            )
        if "holds" in chosen:
            task = bar.add_task("lock holds", total=sum(1 for _ in study.streams(results)))
            study.hold_all(results, lambda: bar.advance(task))
        if "bound" in chosen:
            search = Search(Setting(bounded.VARIANT), seed, out, lambda: nullcontext(executor))
            task = bar.add_task("bound", total=budget)
            bounded.search_bound(
                results, search, budget, lambda: bar.update(task, completed=search.seconds)
            )
            write_rows(bound, read_rows(bound), bounded.key)
        for store in stores:
            pack_rows(store, None)
    click.echo(f"stored in {results}")
