"""Is a candidate faster or slower than the base, where, and by how much?"""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands.arguments import FOLDER, PATH, POSITIVE, RCACHE, VARIANT
from iova_lab.rendering.console import progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from iova_lab import comparison


@click.command()
@click.argument("base", type=VARIANT)
@click.argument("candidates", type=VARIANT, nargs=-1, required=True, metavar="CANDIDATE...")
@click.option(
    "--workloads",
    metavar="NAME[@N],...",
    help="Workloads or paths of traces (.npz), each at N live ranges.  Default: the common case, "
    "then one cell for each problem reported on the list.",
)
@click.option(
    "--nr-live",
    type=click.IntRange(1),
    hidden=True,
    deprecated="Use --workloads with NAME@N.",
)
@click.option(
    "--budget",
    type=POSITIVE,
    default=180.0,
    help="Seconds to spend in all: more of them make intervals narrower.  Each cell gets 8"
    " processes even if that takes longer; how long is printed then.",
)
@click.option("--minutes", type=POSITIVE, help="The same in minutes.")
@click.option(
    "--rcache",
    type=RCACHE,
    default="off",
    help="The kernel's per-CPU caches in front of every variant.",
)
@click.option(
    "--timeout",
    type=POSITIVE,
    default=60.0,
    help="Seconds until a variant that does not return from a trial counts as hung.",
)
@click.option("--max-nodes", type=click.IntRange(1), help="Nodes that one replay may visit.")
@click.option(
    "--out", type=FOLDER, help="Folder for the pages.  Default: build/compare/BASE-vs-CANDIDATES."
)
@click.option(
    "--results",
    type=FOLDER,
    help="Folder for the samples.  Default: results/compare/BASE-vs-CANDIDATES.",
)
@click.option("--brief", is_flag=True, help="Verdicts only, without the cells' details.")
@click.option("--json", "as_json", is_flag=True, help="Print verdicts and metrics as JSON.")
def compare(
    base: str,
    candidates: tuple[str, ...],
    workloads: str | None,
    nr_live: int | None,
    budget: float,
    minutes: float | None,
    rcache: str,
    timeout: float,
    max_nodes: int | None,
    out: Path | None,
    results: Path | None,
    brief: bool,
    as_json: bool,
) -> None:
    """Measure BASE and every CANDIDATE in turn, and print where they differ and by how much.

    All are names of variants or paths of .c files, for instance mainline and your own patched copy
    of it.  The same one twice shows the noise of the machine.

    From Python: iova_lab.comparison.measure().

    \b
    Examples:
      iova-lab compare mainline ./my_patch.c
      iova-lab compare mainline augmented maple --workloads near_empty,random_replace@10000
      iova-lab compare mainline mainline --workloads near_empty --budget 30 --json
    """
    from iova_lab import comparison
    from iova_lab.comparison.plan import MAX_VISITS

    plan = comparison.Plan(
        base=base,
        candidates=candidates,
        cells=_cells(workloads, nr_live),
        budget_s=budget if minutes is None else minutes * 60,
        rcache=rcache,
        max_visits=max_nodes or MAX_VISITS,
        timeout_s=timeout,
    )
    stem = "-vs-".join([plan.labels[0], "-".join(plan.labels[1:])]).replace("#", "-")
    results = results or Path("results/compare") / stem
    plan.check()  # before there is a bar in whose place the mistake would stand
    bar = progress()
    with bar:
        result = comparison.measure(plan, _advance(bar), on_note=_note(bar))
    comparison.save(result, results)
    pages = comparison.write(result, out or Path("build/compare") / stem)
    if as_json:
        click.echo(comparison.as_json(result))
    else:
        comparison.terminal(result, _console(), brief=brief)
    click.echo(f"pages: {pages[0]}", err=True)
    samples = f"{results}/pyperf/*.json.gz"
    click.echo(f"samples: {results}; python -m pyperf compare_to {samples}", err=True)
    if result.partial:
        sys.exit(130)
    if result.has_failed:
        sys.exit(1)


def _cells(workloads: str | None, nr_live: int | None) -> tuple[comparison.Cell, ...]:
    from iova_lab.comparison.plan import DEFAULT_CELLS, common_first, within

    if workloads is not None:
        names = [name.strip() for name in workloads.split(",") if name.strip()]
        return common_first(_cell(name, nr_live) for name in names)
    if nr_live is None:
        return DEFAULT_CELLS
    return tuple(within(cell.workload, nr_live) for cell in DEFAULT_CELLS)


def _cell(text: str, nr_live: int | None) -> comparison.Cell:
    from iova_lab import comparison, workloads

    name, number = workloads.split(text)
    return comparison.cell_at(name, nr_live if number is None else number)


def _advance(bar: Progress) -> comparison.OnProgress:
    task = bar.add_task("count", total=1.0)
    return lambda share, text: bar.update(task, completed=share, description=text)


def _note(bar: Progress) -> comparison.OnNote:
    print_above = functools.partial(bar.console.print, markup=False, highlight=False)
    return lambda text: print_above(f"note: {text}")


def _console() -> Console:
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=100)


@click.command("compare-pages")
@click.argument("results", default="results/compare", type=PATH)
@click.option(
    "--out",
    default="build/compare",
    type=FOLDER,
    help="Folder for the pages, one folder per comparison.",
)
def compare_pages(results: Path, out: Path) -> None:
    """Write the pages of all comparisons stored in RESULTS again, or of one, from its files alone.

    From Python: iova_lab.comparison.outputs.

    \b
    Examples:
      iova-lab compare-pages
      iova-lab compare-pages results/compare/mainline-vs-maple
    """
    from iova_lab.basics.stored import require

    own = (results / "comparison.json").exists()
    pattern = "comparison.json" if own else "*/comparison.json"
    require(results, pattern, command="iova-lab compare", what="comparison", option="RESULTS")
    from iova_lab import comparison

    if own:
        pages = comparison.write(comparison.load(results), out / results.name)[:1]
    else:
        pages = comparison.write_all(results, out)
    for page in pages:
        click.echo(page)
