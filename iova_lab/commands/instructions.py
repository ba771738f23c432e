"""How many instructions does an op take?"""

from __future__ import annotations

import click

from iova_lab.commands.arguments import VARIANT, workload_argument
from iova_lab.rendering.console import print_table, progress


@click.command()
@click.argument("variants", type=VARIANT, nargs=-1, required=True)
@workload_argument
@click.option("--seed", default=0, help="Of the workload's random numbers.")
def instructions(variants: tuple[str, ...], workload: str, nr_live: int, seed: int) -> None:
    """Count the instructions per op of WORKLOAD on VARIANTS, in user space, with callgrind.

    Exact, and the same under any load.  VARIANTS are names or C files; the first is the base of
    the ratios.  In a kernel: iova-lab kernel replay.

    From Python: iova_lab.measuring.instructions.per_op().

    \b
    Examples:
      iova-lab instructions mainline ./my_patch.c near_empty
    """
    from iova_lab import workloads
    from iova_lab.measuring.instructions import per_op

    stream = workloads.generate(workload, nr_live, seed)
    with progress() as bar:
        counts = [per_op(variant, stream) for variant in bar.track(variants, description="count")]
    rows = [
        (variant, f"{value:,.1f}", f"{value / counts[0]:.3f}")
        for variant, value in zip(variants, counts, strict=True)
    ]
    print_table(["variant", "instructions/op", f"of {variants[0]}"], rows)
    click.echo(f"{workload}, {stream.nr_measured:,} ops measured, the loop around them included")
