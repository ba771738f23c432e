"""How many nodes does each variant visit, in everything?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.console import progress


@click.command()
@click.argument("variants", nargs=-1, required=True)
@click.option("--largest", default=1e6, show_default=True, help="Live ranges: 100, 1000, ... this.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The CSV file.")
@click.option("--instructions", is_flag=True, help="Count them too, with callgrind.")
def counts(variants: tuple[str, ...], largest: float, out: Path, instructions: bool) -> None:
    """Count the nodes that VARIANTS visit, in all workloads and both traces, into one CSV file.

    Exact: judged replays, every machine counts the same.  To 10^6 live ranges it takes half an
    hour; what was counted before Ctrl-C is in the file.

    \b
    Examples:
      iova-lab counts mainline candidate --largest 1000 --out counts.csv
    """
    import pandas as pd

    from iova_lab import counts as counting

    sizes = [10**power for power in range(2, 10) if 10**power <= largest]
    if not sizes:
        raise click.BadParameter("the smallest size is 100", param_hint="--largest")
    out.parent.mkdir(parents=True, exist_ok=True)
    rows: list[counting.Row] = []
    total = len(counting.cells(sizes)) * len(variants)
    try:
        with progress() as bar:
            found = counting.measure(variants, sizes, instructions=instructions)
            rows.extend(bar.track(found, total, description="count"))
    finally:
        pd.DataFrame(rows).to_csv(out, index=False, float_format="%.6g", lineterminator="\n")
    click.echo(f"{len(rows)} cells: {out}")
