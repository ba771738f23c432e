"""How far can the numbers of user space be trusted?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands import mistakes
from iova_lab.commands.arguments import POSITIVE, WORKLOAD, invoked, results_option
from iova_lab.commands.kernel import kernel
from iova_lab.rendering.console import progress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from iova_lab.kernel.fidelity import Cell
    from iova_lab.kernel.files import Kernel


@kernel.command()
@click.option(
    "--kernel",
    "series",
    multiple=True,
    default=("6.1", "6.12"),
    help="As of `iova-lab kernel replay`; may be given several times.",
)
@click.option("--variant", "variants", multiple=True, help="Default: all.")
@click.option("--workload", "names", type=WORKLOAD, multiple=True, help="Default: all.")
@results_option(
    "build/results/kernel", "Where rows lie, and are added; results/kernel has the committed."
)
@click.option(
    "--budget",
    type=POSITIVE,
    default=1e8,
    help="Nodes that a job may visit; a variant that needs more is measured at a smaller size.",
)
@click.option(
    "--largest", type=click.IntRange(min=1), help="Largest number of live ranges; 10^6 by default."
)
@click.option(
    "--count-only", is_flag=True, help="No times in user space, which need an idle machine."
)
def fidelity(
    series: tuple[str, ...],
    variants: tuple[str, ...],
    names: tuple[str, ...],
    results: Path,
    budget: float,
    largest: int | None,
    count_only: bool,
) -> None:
    """Replay every workload on every variant in booted kernels, and compare with user space.

    Instructions are counted and addresses compared one by one; one kernel per processor.  An
    interrupted run continues with the same command.  Takes hours in all.
    Exit status 1 if an address differs or a variant fails.

    \b
    Examples:
      iova-lab kernel fidelity
      iova-lab kernel fidelity --kernel 6.12 --variant mainline --workload ring
      iova-lab kernel fidelity --kernel 7.3 --largest 1000 --count-only
    """
    from iova_lab.kernel import packages

    kernels = [packages.get(one) for one in series]
    from iova_lab import workloads
    from iova_lab.basics.writing import append_row
    from iova_lab.kernel import fidelity as measuring
    from iova_lab.kernel import module, times
    from iova_lab.measuring import provenance, rows

    wanted = names or workloads.names()
    stores = [*(results / f"{one.release}.jsonl" for one in kernels), results / rows.USER]
    with provenance.recorded(stores, invoked()), rows.packed_at_end(stores), progress() as bar:
        task = bar.add_task("counting nodes in user space", total=len(wanted))
        chosen = variants or module.variant_names()
        cells = measuring.plan(wanted, chosen, lambda: bar.advance(task), round(budget), largest)
        bar.remove_task(task)
        failed = _measure(bar, kernels, cells, results)
        timed = [] if count_only else wanted
        task = bar.add_task("ns in user space", total=len(timed) * times.NR_ROUNDS)
        for name in timed:
            for row in times.measure(name, lambda: bar.advance(task)):
                append_row(results / rows.USER, row)
    mistakes.end(failed)


def _measure(
    bar: Progress, kernels: Sequence[Kernel], cells: Sequence[Cell], results: Path
) -> list[str]:
    from concurrent.futures import ThreadPoolExecutor

    from iova_lab.kernel import fidelity as measuring
    from iova_lab.kernel.machine import stop_all

    failed = []

    def one(found: Kernel, task: TaskID) -> None:
        def on_progress(cell: Cell, variant: str, op: int) -> None:
            bar.update(task, description=f"{found.release}: {cell.workload} {variant}")

        path = results / f"{found.release}.jsonl"
        for row in measuring.measure(found, cells, path, on_progress):
            bar.advance(task)
            wrong = row.get("error") or row.get("first")
            if wrong:
                failed.append(f"{found.release}: {row['variant']} on {row['workload']}: {wrong}")

    total = sum(len(cell.variants) for cell in cells)
    with ThreadPoolExecutor(len(kernels)) as pool:
        jobs = [pool.submit(one, k, bar.add_task(k.release, total=total)) for k in kernels]
        try:
            for job in jobs:
                job.result()
        finally:
            stop_all()
    return failed
