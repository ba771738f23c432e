"""Is a candidate faster or slower than the base, where, and by how much?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands.arguments import (
    FOLDER,
    PATH,
    POSITIVE,
    VARIANT,
    rcache_option,
    timeout_option,
)
from iova_lab.rendering.console import progress

if TYPE_CHECKING:
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
    "--budget",
    type=POSITIVE,
    default=180.0,
    help="Seconds to spend in all: more of them make intervals narrower.  Each cell gets 8"
    " processes even if that takes longer; how long is printed then.",
)
@click.option("--minutes", type=POSITIVE, help="The same in minutes.")
@rcache_option("The kernel's per-CPU caches in front of every variant.")
@timeout_option(60.0, "Seconds until a variant that does not return from a trial counts as hung.")
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
    from rich.console import Console

    from iova_lab import comparison
    from iova_lab.comparison.plan import MAX_VISITS

    plan = comparison.Plan(
        base=base,
        candidates=candidates,
        cells=_cells(workloads),
        budget_s=budget if minutes is None else minutes * 60,
        rcache=rcache,
        max_visits=max_nodes or MAX_VISITS,
        timeout_s=timeout,
    )
    stem = "-vs-".join([plan.labels[0], "-".join(plan.labels[1:])]).replace("#", "-")
    results = results or Path("results/compare") / stem
    plan.check()  # before there is a bar in whose place the mistake would stand
    with progress() as bar:
        task = bar.add_task("count", total=1.0)
        result = comparison.measure(
            plan,
            lambda share, text: bar.update(task, completed=share, description=text),
            on_note=lambda text: bar.console.print(f"note: {text}", markup=False, highlight=False),
        )
    comparison.save(result, results)
    pages = comparison.write(result, out or Path("build/compare") / stem)
    if as_json:
        click.echo(comparison.as_json(result))
    else:
        console = Console()
        comparison.terminal(
            result, console if console.is_terminal else Console(width=100), brief=brief
        )
    click.echo(f"pages: {pages[0]}", err=True)
    samples = f"{results}/pyperf/*.json.gz"
    click.echo(f"samples: {results}; python -m pyperf compare_to {samples}", err=True)
    if result.partial:
        sys.exit(130)
    if result.has_failed:
        sys.exit(1)


def _cells(text: str | None) -> tuple[comparison.Cell, ...]:
    from iova_lab.comparison.plan import DEFAULT_CELLS, cell_at, common_first
    from iova_lab.workloads import split

    if text is None:
        return DEFAULT_CELLS
    names = [name.strip() for name in text.split(",") if name.strip()]
    return common_first(cell_at(*split(name)) for name in names)


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
