"""How many instructions does an op take?"""

from __future__ import annotations

import click

from iova_lab.commands.arguments import VARIANT, rcache_option, workload_argument
from iova_lab.rendering.console import print_table, progress


@click.command()
@click.argument("variants", type=VARIANT, nargs=-1, required=True)
@workload_argument
@click.option("--seed", default=0, help="Seed of the workload's random numbers.")
@rcache_option("The kernel's per-CPU caches in front of the variants; their timer does not fire.")
def instructions(
    variants: tuple[str, ...], workload: str, nr_live: int, seed: int, rcache: str
) -> None:
    """Count the instructions per op of WORKLOAD on VARIANTS, in user space, with callgrind.

    Exact, and the same under any load.  VARIANTS are names or C files; the first is the base of
    the ratios.  In a kernel: iova-lab kernel replay.

    From Python: iova_lab.measuring.instructions.per_op().

    \b
    Examples:
      iova-lab instructions mainline ./my_patch.c near_empty
      iova-lab instructions linux:debian-6.12 linux:debian-6.12+candidate ring --rcache own
    """
    from iova_lab import workloads
    from iova_lab.measuring.instructions import per_op

    stream = workloads.generate(workload, nr_live, seed)
    with progress() as bar:
        track = bar.track(variants, description="count")
        counts = [per_op(variant, stream, rcache) for variant in track]
    rows = [
        (variant, f"{value:,.1f}", f"{value / counts[0]:.3f}")
        for variant, value in zip(variants, counts, strict=True)
    ]
    print_table(["variant", "instructions/op", f"of {variants[0]}"], rows)
    click.echo(f"{workload}, {stream.nr_measured:,} ops measured, the loop around them included")
