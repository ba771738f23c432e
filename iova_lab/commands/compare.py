"""Which of two variants is faster?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.console import progress


@click.command()
@click.argument("first")
@click.argument("second")
@click.argument("workload")
@click.option("--nr-live", default=100, show_default=True, help="Live ranges in the window.")
@click.option("--dump", type=click.Path(path_type=Path), help="Folder for pyperf files.")
def compare(first: str, second: str, workload: str, nr_live: int, dump: Path | None) -> None:
    """Measure FIRST and SECOND in turn on WORKLOAD: the ratio, with its interval.

    Both are names or paths of .c files: for instance mainline and your own patched copy of it.
    """
    from iova_lab import pairs

    bar = progress()
    with bar:
        task = bar.add_task("processes", total=pairs.NR_PROCESSES)
        paired = pairs.compare((first, second), workload, nr_live, lambda: bar.advance(task))
    ratio, low, high = paired.ratio()
    for name, median in zip(paired.names, paired.medians(), strict=True):
        click.echo(f"{name}: {median:.1f} ns/op, median")
    verdict = "no difference shown" if low <= 1 <= high else "different"
    click.echo(
        f"{second} / {first}: {ratio:.3f}  (99 % interval {low:.3f} .. {high:.3f}): {verdict}"
    )
    if dump:
        for path in pairs.dump(paired, dump):
            click.echo(f"pyperf: {path}")
