"""The complete grid of asv on this machine, in parts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from iova_lab.commands.arguments import POSITIVE


@click.command()
@click.option("--machine", default=os.uname().nodename, help="asv's name of this machine.")
@click.option("--largest", type=POSITIVE, default=1e6, help="Live ranges: 100, 1000, ... this.")
@click.option(
    "--only",
    type=click.Choice(["counts", "times", "rcache-counts", "rcache-times"]),
    multiple=True,
    help="Counts are exact on a busy machine too; rcache-: behind the per-CPU caches."
    "  [default: all]",
)
@click.option("--commit", help="The commit to measure.  [default: the one that was begun, or HEAD]")
@click.option(
    "--carry",
    metavar="COMMIT",
    help="Begin with what COMMIT has of the variants and workloads that have not changed since.",
)
@click.option(
    "--resume",
    is_flag=True,
    default=True,
    help="Leave out what is stored, which is always done; use asv run to measure cells again.",
)
@click.option("--status", is_flag=True, help="Measure nothing: print what is missing.")
def reference(
    machine: str,
    largest: float,
    only: tuple[str, ...],
    commit: str | None,
    carry: str | None,
    resume: bool,
    status: bool,
) -> None:
    """Measure every cell of the asv grid on this machine, the smallest sizes first.

    Takes hours up to 10^6 live ranges.  It can be interrupted at any time, and goes on with what is
    missing when it is started again; at most one part, minutes of it, is lost.  Nothing else may
    run meanwhile: a part of times that was disturbed is measured again.  results/MACHINE has asv's
    file, and load.jsonl with the load during each part.

    From Python: iova_lab.measuring.reference.Reference.

    \b
    Examples:
      iova-lab reference --resume
      iova-lab reference --largest 10000 --only counts
      iova-lab reference --status
      iova-lab reference --carry 4c99cf048dc6
    """
    from iova_lab.basics import repository
    from iova_lab.measuring import asv_machine, asv_progress, carried
    from iova_lab.measuring import reference as measuring
    from iova_variants import building

    results = Path("results")  # as asv.conf.json has it
    sizes = [size for size in measuring.SIZES if size <= largest]
    if not sizes:
        raise click.BadParameter("the smallest size is 100", param_hint="--largest")
    if carry:
        commit = repository.output("rev-parse", "--verify", f"{commit or 'HEAD'}^{{commit}}")
        if commit is None:
            raise click.BadParameter("no such commit", param_hint="--commit")
        changed = carried.carry(results, machine, carry, commit)
        click.echo(f"to measure again: {', '.join(changed) or 'nothing'}", err=True)
    run = measuring.Reference(
        results,
        machine,
        commit or measuring.commit_of(results, machine),
        sorted(path.stem for path in building.variant_sources()),
        asv_progress.main,
        lambda text: click.echo(text, err=True),
    )
    todo = measuring.parts(sizes, only or measuring.KINDS)
    if status:
        left = run.left(todo)
        for part, cells in left:
            click.echo(f"{part}: {len(cells)} cells")
        click.echo(f"{len(left)} of {len(todo)} parts are missing; {run.estimate(left)}")
        return
    # asv looks for its Python on PATH.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with measuring.alone_on_machine():
        asv_machine.remember(machine)
        failed = run.measure(todo)
    kinds = " and ".join(only or measuring.KINDS)
    click.echo(
        f"{results / machine}: {kinds} up to {max(part.nr_live for part in todo):,} live ranges are"
        " whole; "
        f"iova-lab report --machine {machine} writes the pages"
    )
    if failed:
        click.echo("some cells failed, and are stored so: build/asv.log", err=True)
        sys.exit(failed)
