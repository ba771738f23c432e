"""Soft lockups of the stock kernel, and of a variant in its place, on demand."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands.arguments import invoked, results_option
from iova_lab.commands.kernel import follow, kernel, series_option
from iova_lab.rendering.console import print_table, progress

if TYPE_CHECKING:
    from iova_lab.kernel.lockup import Hold, Outcome


@kernel.command()
@click.argument("variants", nargs=-1)
@series_option
@click.option("--variant", "others", multiple=True, help="One of VARIANTS; may be given again.")
@click.option("--all", "everyone", is_flag=True, help="All variants: some 10 minutes.")
@click.option("--nr-live", default=524_288, help="Pages below 4 GiB, all taken.")
@results_option(
    "build/results/kernel",
    "Where lockup.jsonl lies, and gets a line for each; results/kernel has the committed.",
)
def lockup(
    variants: tuple[str, ...],
    series: str,
    others: tuple[str, ...],
    everyone: bool,
    nr_live: int,
    results: Path,
) -> None:
    """Cause a soft lockup in the stock kernel's own allocator, through its exported API alone.

    Then VARIANTS in its place: names, C files or linux:SOURCE.

    Two emulated CPUs, the watchdog's default threshold.  Prints the kernel's log, the worst single
    request in instructions and in nodes, and what it would take on hardware.  Exit status 1 if the
    stock kernel does not lock up.

    \b
    Examples:
      iova-lab kernel lockup
      iova-lab kernel lockup --kernel 6.1 ./my_patch.c linux:debian-6.12
    """
    from iova_lab.kernel import packages

    found = packages.get(series)
    from iova_lab.basics.writing import append_row
    from iova_lab.kernel import lockup as locking
    from iova_lab.kernel import module, walks
    from iova_lab.measuring import provenance, rows

    names = module.variant_names() if everyone else list(dict.fromkeys([*variants, *others]))
    names = [name for name in names if name not in ("kernel", "null")]
    for name in names:
        module.check_name(name)
    locking.stream(nr_live)  # a mistake shows here, before the long part
    path = results / rows.LOCKUPS
    with provenance.recorded([path], invoked()), rows.packed_at_end([path]), progress() as bar:
        task = bar.add_task("stock kernel: 1 minute", total=len(names) + 1)
        stock = locking.stock(found, nr_live, lambda line: None)
        bar.advance(task)
        counted = ["kernel", *names]
        on_progress = follow(bar, counted, nr_live)
        holds = {h.variant: h for h in locking.holds(found, counted, nr_live, on_progress)}
        append_row(path, locking.as_row(found, nr_live, stock, holds["kernel"]))
        for name in names:
            bar.update(task, description=f"refilling on {name}")
            outcome = locking.on_variant(found, name, nr_live, lambda line: None)
            append_row(path, locking.as_row(found, nr_live, outcome, holds[name]))
            bar.advance(task)
            if outcome.locked_up:
                bar.console.print(f"{name}: {outcome.words[0]}", markup=False, highlight=False)
        walks.count_walks(results)
        provenance.write(results / walks.WALKS, provenance.here(invoked(), []))
    click.echo(f"rows: {path}", err=True)
    click.echo("\n".join(stock.words) or "the stock kernel did not lock up")
    click.echo()
    _explain(holds["kernel"], stock)
    if not stock.locked_up:
        raise click.exceptions.Exit(1)


def _explain(hold: Hold, stock: Outcome) -> None:
    from iova_lab.kernel import lockup as locking

    click.echo(
        f"worst request: {hold.instructions:,} instructions, {hold.nodes:,} nodes, nearly all of "
        "it with the lock held and interrupts off (counted with one CPU)"
    )
    if stock.longest_us:
        click.echo(
            f"longest request here: {stock.longest_us / 1000:,.0f} ms of guest time, the wait for "
            "the other CPU in it"
        )
    fast, slow = locking.at_clock(hold.instructions)
    low, high = locking.on_hardware(hold.nodes)
    click.echo(
        f"\nOn hardware, not measured here: {fast:.1f} to {slow:.1f} ms at 4 to 2 GHz and one "
        f"instruction a cycle; {low:.1f} to {high:.1f} ms at 16 to 33 ns a node (published, 2022), "
        "which has cache misses in it.  With the latter, all CPUs at once, a fair lock:"
    )
    lines = []
    for cpus in (1, 2, 16, 64, 384):
        fewest, most = locking.burst(hold.nodes, cpus)
        lines.append((f"{cpus}", f"{fewest:,.0f} to {most:,.0f}"))
    print_table(["CPUs", "requests in one burst for a soft lockup (20 s)"], lines)
    fewest, most = locking.queue(hold.nodes)
    click.echo(f"a hard lockup (10 s) needs {fewest:,.0f} to {most:,.0f} CPUs in one queue")
