"""What does each variant keep, and which stream shows that it does not?"""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

from iova_lab.basics.errors import NotFoundError
from iova_lab.commands.arguments import C_FILE, EXAMPLE, PATH, VARIANT, invoked
from iova_lab.commands.report import KINDS, write
from iova_lab.rendering.console import print_table, progress

#: Live ranges, at most: of the page, and of variants that are named.
LARGEST, LARGEST_NAMED = 100_000, 10_000


@click.command()
@click.argument("variants", type=VARIANT, nargs=-1)
@click.option("--out", default=Path("reports/promises"), type=PATH)
@click.option("--results", default=Path("results/promises"), type=PATH)
@click.option("--measure", is_flag=True, help="Measure all variants first: minutes.")
@click.option(
    "--largest",
    type=click.IntRange(1),
    help=f"Live ranges, at most.  Default: {LARGEST:,}; {LARGEST_NAMED:,} if VARIANTS are named.",
)
def promises(
    variants: tuple[str, ...], out: Path, results: Path, measure: bool, largest: int | None
) -> None:
    """Count the promises that each variant keeps and its worst cost; then write the page.

    With VARIANTS, names, C files or linux:SOURCE, it searches for streams that break a promise,
    prints the rows and drawings, and writes no page.

    `iova-lab report promises` writes the page alone, from stored results.

    From Python: iova_lab.checking.promises, iova_lab.checking.promises_of.

    \b
    Examples:
      iova-lab promises linux:debian-6.12
      iova-lab promises mainline ./my_patch.c --largest 1000
      iova-lab promises --measure
      iova-lab promises --measure --largest 1000
    """
    if variants:
        written = ("out", "results", "measure")
        given = click.get_current_context().get_parameter_source
        if any(given(name) is ParameterSource.COMMANDLINE for name in written):
            raise click.UsageError("--measure, --results and --out are of all variants: name none")
        _show(variants, largest or LARGEST_NAMED)
        return
    if not measure:
        raise click.UsageError(
            "give VARIANTS or --measure; `iova-lab report promises` writes the page alone"
        )
    _measure(results, largest or LARGEST)
    write(KINDS["promises"], results, out)


def _measure(results: Path, largest: int) -> None:
    from iova_lab.checking import promises_results
    from iova_lab.measuring import provenance

    with progress() as bar:
        task = bar.add_task("counted replays", total=promises_results.nr_ticks(largest))
        measured = promises_results.measure(largest, lambda: bar.advance(task))
    path = promises_results.save(measured, results)
    provenance.write(path, provenance.here(invoked(), sorted(measured.span)))
    click.echo(f"results: {path}")


def _show(variants: tuple[str, ...], largest: int) -> None:
    """Rows of the table for these variants, a column each, and what breaks a promise."""
    import iova_variants
    from iova_lab.checking import promises as answering
    from iova_lab.checking.drawing import draw
    from iova_lab.checking.promises_of import nr_steps, promises_of

    names = list(dict.fromkeys(variants))
    sizes = answering.at_least_two(largest)
    with progress() as bar:
        task = bar.add_task("promises", total=nr_steps(names, sizes))
        found = promises_of(names, sizes, lambda: bar.advance(task))
    rows = [[column, *(found.answer(name, column) for name in names)] for column in found.columns]
    print_table(["", *map(iova_variants.short_name, names)], rows)
    for example in found.examples.values():
        click.echo(f"\n{draw(example)}")


@click.command()
@click.argument("name", type=EXAMPLE)
@click.option(
    "--variant", type=C_FILE, help="For a file: try this C file instead of the one that failed."
)
def example(name: str, variant: str | None) -> None:
    """Replay the smallest stream that breaks a promise, and draw the gaps after each request.

    NAME is a variant and a promise, such as anchor-complete; or a common beginning, such as
    mainline; or a file that `iova-lab try` wrote.  For a file, exit status 1 if it still fails.

    From Python: iova_lab.checking.counterexamples, iova_lab.checking.checks.again().

    \b
    Examples:
      iova-lab example anchor-complete
      iova-lab example mainline
      iova-lab example try/my_variant/my_variant-broken.json
    """
    if name.endswith(".json"):
        if not Path(name).is_file():
            raise NotFoundError(f"no such file: {name}")
        _again(Path(name), variant)
        return
    if variant is not None:
        raise click.UsageError("--variant is for a file: an example is of one variant")
    from iova_lab.checking.counterexamples import find_example
    from iova_lab.checking.drawing import draw

    click.echo("\n\n".join(map(draw, find_example(name))))


def _again(path: Path, variant: str | None) -> None:
    from iova_lab.checking.checks import again

    finding = again(path, variant)
    if finding:
        click.echo(str(finding))
        raise click.exceptions.Exit(1)
    click.echo(f"{path}: breaks nothing any more")
