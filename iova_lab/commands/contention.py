"""What happens when many CPUs want an allocator's lock at once?"""

from __future__ import annotations

import click

import iova_variants
from iova_lab.console import print_table, progress
from iova_lab.convoy import tables
from iova_lab.convoy.threaded import contend


@click.group()
def contention() -> None:
    """Many CPUs, one lock: measured with threads, simulated beyond."""


@contention.command("run")
@click.argument("variant")
@click.argument("workload")
@click.option("--threads", default=2, show_default=True, help="Each on a CPU of its own.")
@click.option("--nr-live", default=100, show_default=True, help="Live ranges in the window.")
@click.option("--seed", default=0, show_default=True, help="Of the workload's random numbers.")
@click.option("--seconds", default=2.0, show_default=True, help="Repeat for so long.")
@click.option(
    "--timeout", default=600.0, show_default=True, help="Seconds until a round counts as hung."
)
@click.option(
    "--rcache",
    type=click.Choice(iova_variants.RCACHES),
    default="off",
    show_default=True,
    help="The kernel's per-CPU caches in front of the variant.",
)
def run_command(
    variant: str,
    workload: str,
    threads: int,
    nr_live: int,
    seed: int,
    seconds: float,
    timeout: float,
    rcache: str,
) -> None:
    """Replay WORKLOAD on VARIANT by several threads: what they wait for and how long they hold.

    VARIANT is a name or the path of a .c file, WORKLOAD a name or the path of a trace (.npz).
    Ops go to threads by their cpu; a stream of one CPU is dealt out by slot.
    """
    with progress() as bar:
        task = bar.add_task(f"{threads} threads", total=1.0)
        found = contend(
            variant,
            workload,
            nr_live,
            threads=threads,
            rcache=rcache,
            seed=seed,
            seconds=seconds,
            timeout=timeout,
            advance=lambda share: bar.update(task, completed=share),
        )
    for line in tables.notes(found):
        click.echo(line, err=line.startswith("WARNING"))
    click.echo(
        f"\n{found.nr_ops:,} ops in {found.nr_rounds} rounds by {threads} threads; best round"
        f" {found.ns_per_op:.1f} ns/op on the wall; {tables.duration(found.op_ns)} inside an op;"
        f" {found.nr_failures:,} refused; {found.nr_handoffs:,} waited for another thread's op\n"
    )
    print_table(tables.LOCK_COLUMNS, tables.lock_rows(found))
    if found.locks["variant"].nr:
        click.echo("\nthe variant's lock:")
        print_table(tables.HISTOGRAM_COLUMNS, tables.histogram_rows(found.locks["variant"]))
