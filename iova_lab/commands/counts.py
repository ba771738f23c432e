"""How many nodes does each variant visit, in everything?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands.arguments import PATH, POSITIVE, VARIANT, invoked, rcache_option
from iova_lab.rendering.console import progress


@click.command()
@click.argument("variants", type=VARIANT, nargs=-1, required=True)
@click.option("--workloads", metavar="NAME,...", help="Of these workloads.  Default: all.")
@click.option(
    "--smallest", type=POSITIVE, default=100, help="Live ranges, powers of ten: from this"
)
@click.option("--largest", type=POSITIVE, default=1e6, help="... to this.")
@click.option("--out", type=PATH, required=True, help="The CSV file.")
@rcache_option("The kernel's per-CPU caches in front of each variant.")
@click.option("--instructions", is_flag=True, help="Count instructions too, with callgrind.")
def counts(
    variants: tuple[str, ...],
    workloads: str | None,
    smallest: float,
    largest: float,
    out: Path,
    rcache: str,
    instructions: bool,
) -> None:
    """Count the nodes that VARIANTS visit on workloads and traces, into one CSV file.

    The counts are exact and the same on every machine.  Up to 10^6 live ranges take half an hour;
    after Ctrl-C the file has the finished cells.  OUT is compressed if its name ends in .gz, and
    OUT.json has the command, the commit, the compiler, the machine and its load.

    From Python: iova_lab.measuring.counts.measure().

    \b
    Examples:
      iova-lab counts mainline candidate --largest 1000 --out counts.csv
      iova-lab counts mainline candidate --largest 1000 --rcache 6.7 --out rcache.csv
      iova-lab counts candidate --workloads ring --smallest 1e7 --largest 1e7 --out large.csv
    """
    import pandas as pd

    from iova_lab.basics.writing import write_whole
    from iova_lab.measuring import counts as counting
    from iova_lab.measuring import provenance
    from iova_lab.measuring.cells import sizes_up_to

    if instructions and rcache != "off":
        raise click.UsageError("instructions are counted without an rcache: give one of the two")
    names = [name.strip() for name in (workloads or "").split(",") if name.strip()]
    sizes = sizes_up_to(largest, smallest)
    if not sizes:
        raise click.BadParameter(
            f"no power of ten from 100 on lies within {smallest:,.0f} and {largest:,.0f}",
            param_hint="--smallest, --largest",
        )
    cells = counting.cells(sizes, names)
    if not cells:
        raise click.UsageError(f"{', '.join(names)}: no such sizes; `iova-lab list` shows them")
    out.parent.mkdir(parents=True, exist_ok=True)
    rows: list[counting.Row] = []
    total = len(cells) * len(variants)
    try:
        with progress() as bar:
            found = counting.measure(
                variants, sizes, names=names, instructions=instructions, rcache=rcache
            )
            rows.extend(bar.track(found, total, description="count"))
    finally:
        text = pd.DataFrame(rows).to_csv(index=False, float_format="%.6g", lineterminator="\n")
        write_whole(out, text)
        provenance.write(out, provenance.here(invoked(), variants))
    click.echo(f"{len(rows)} cells: {out}")
