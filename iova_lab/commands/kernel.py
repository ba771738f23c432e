"""What does a real, booted kernel say?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import click

from iova_lab.commands import mistakes
from iova_lab.commands.arguments import timeout_option, workload_argument
from iova_lab.rendering.console import print_table, progress

if TYPE_CHECKING:
    from rich.progress import Progress

    from iova_lab.kernel.fidelity import Agreement
    from iova_lab.kernel.replay import KernelResult


@click.group()
def kernel() -> None:
    """Replay, record and lock up in a kernel booted in QEMU, without root or KVM.

    From Python: iova_lab.kernel.

    \b
    Examples:
      iova-lab kernel replay kernel mainline random_replace@10000
      iova-lab kernel lockup
    """


#: For every command that boots one.
series_option = click.option(
    "--kernel",
    "series",
    default="6.12",
    help="A series (6.1), a suite of Debian (sid), newest, running, a built tree, or a vmlinuz.",
)


@kernel.command()
@series_option
@click.option(
    "--newest", is_flag=True, help="Fetch the newest one, even if one is unpacked already."
)
def fetch(series: str, newest: bool) -> None:
    """Fetch a kernel with apt, check its sums, unpack it under build/kernel/.

    \b
    Examples:
      iova-lab kernel fetch --kernel 6.12 --newest
      iova-lab kernel fetch --kernel experimental
    """
    from iova_lab.kernel import packages

    found = packages.get(series, newest=newest)
    print_table(["package", "SHA-256"], found.packages.items())
    click.echo(f"kernel {found.release}: {found.root}")


@kernel.command("replay")
@click.argument("variants", nargs=-1, required=True)
@workload_argument
@series_option
@click.option("--seed", default=0, help="Seed of the workload's random numbers.")
@click.option(
    "--icount/--no-icount", default=True, help="Count instructions, or measure guest time."
)
@timeout_option(600.0, "Seconds without output after which a job counts as hung.")
def replay_command(
    variants: tuple[str, ...],
    workload: str,
    series: str,
    nr_live: int,
    seed: int,
    icount: bool,
    timeout: float,
) -> None:
    """Replay WORKLOAD on VARIANTS in one booted kernel: cost per op, and the addresses checked.

    VARIANTS are names, "kernel" for the kernel's own allocator, "maple_kernel", or C files.  Exit
    status 1 if one fails, or returns another address than the same code in user space.

    \b
    Examples:
      iova-lab kernel replay kernel mainline random_replace@10000
      iova-lab kernel replay --kernel 6.1 mainline ./my_patch.c trace_6_1
      iova-lab kernel replay --kernel ~/src/linux kernel mainline ring
    """
    from iova_lab import workloads
    from iova_lab.kernel import fidelity, packages
    from iova_lab.kernel.replay import Job, replay

    stream = workloads.generate(workload, nr_live, seed)
    jobs = [Job(variant, stream) for variant in variants]
    found = packages.get(series)
    rows, failed = [], []
    with progress() as bar:
        on_progress = follow(bar, [job.variant for job in jobs], len(stream.ops))
        for result in replay(found, jobs, icount=icount, silence=timeout, on_progress=on_progress):
            if result.error:
                failed.append(f"{result.job.variant}: {result.error}")
                continue
            agreement = fidelity.addresses(result)
            rows.append(_row(result, agreement, icount))
            if agreement.differs:
                failed.append(str(agreement))
    unit = "instructions/op" if icount else "guest ns/op"
    print_table(["variant", unit, "p50", "p99", "worst", "addresses as in user space"], rows)
    click.echo(f"kernel {found.release}; {workload}, {stream.nr_measured:,} ops measured")
    mistakes.end(failed)


def _row(result: KernelResult, agreement: Agreement, icount: bool) -> list[str]:
    import numpy as np

    measured = result.cycles[result.job.stream.nr_ageing :].astype(np.float64)
    if not icount:
        measured *= 1e6 / result.tsc_khz
    figures = [measured.mean(), *np.quantile(measured, [0.5, 0.99]), measured.max()]
    verdict = f"{agreement.nr_equal:,} of {agreement.nr_ops:,}"
    return [result.job.variant, *(f"{figure:,.1f}" for figure in figures), verdict]


def follow(bar: Progress, labels: Sequence[str], nr_ops: int) -> Callable[[int, int], None]:
    """A task that follows ``on_progress(job, op)`` of jobs with ``nr_ops`` each."""
    task = bar.add_task("boot", total=len(labels) * nr_ops)

    def on_progress(job: int, op: int) -> None:
        bar.update(task, description=labels[job], completed=job * nr_ops + op)

    return on_progress
