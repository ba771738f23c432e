"""Lock contention: measured with threads, simulated for machines with more CPUs."""

from __future__ import annotations

from dataclasses import replace

import click

from iova_lab.commands.arguments import (
    POSITIVE,
    VARIANT,
    rcache_option,
    results_option,
    timeout_option,
    workload_argument,
)
from iova_lab.rendering.console import print_table, progress

# All else is imported where it is used: SciPy and SimPy are not for whoever asks for --help.
SCENARIOS = ("strict", "lazy", "magazines", "timer")
SCENARIO = "lazy"
SCENARIO_OPTION = click.option(
    "--scenario",
    default=SCENARIO,
    type=click.Choice(SCENARIOS),
    help="Requests of the CPUs, described in docs/contention.md.",
)


@click.group()
def contention() -> None:
    """Lock contention: measured with threads, simulated for more CPUs.

    From Python: iova_variants.replay_threads(), iova_lab.contention.

    \b
    Examples:
      iova-lab contention run mainline random_replace --threads 2
      iova-lab contention predict mainline full_32bit@100000 --cpus 16,384
    """


@contention.command("run")
@click.argument("variant", type=VARIANT)
@workload_argument
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=2,
    help="Number of threads, each on a CPU of its own.",
)
@click.option("--seed", default=0, help="Seed of the workload's random numbers.")
@click.option("--seconds", type=POSITIVE, default=2.0, help="Seconds of measurement.")
@timeout_option(600.0, "Seconds until a round counts as hung.")
@rcache_option("The kernel's per-CPU caches in front of the variant.")
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
    """Replay WORKLOAD on VARIANT by several threads: times that they wait for and hold the lock.

    VARIANT is a name or the path of a .c file, WORKLOAD a name or the path of a trace (.npz).
    Ops go to threads by their cpu; a stream of one CPU is dealt out by slot.

    \b
    Examples:
      iova-lab contention run mainline random_replace@10000 --threads 2
      iova-lab contention run ./my_patch.c cross_cpu --rcache pre-6.7
    """
    from iova_lab.contention import tables
    from iova_lab.contention.threaded import contend
    from iova_lab.measuring.load import Watch

    watch = Watch()
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
            on_progress=lambda share: bar.update(task, completed=share),
        )
    for line in [tables.load_line(watch.load()), *tables.notes(found)]:
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


HANDOFF_OPTION = click.option(
    "--handoff-ns", type=float, help="Hand-over of the lock; default: measured here."
)
REMOTE_OPTION = click.option(
    "--remote-ns",
    type=float,
    help="How much longer a hold takes after another CPU's; default: measured here.",
)
MEASURED = results_option(
    "build/results/contention",
    "Folder of JSON lines, read and written; results/contention has the committed.",
)


@contention.command()
@click.argument("variant", type=VARIANT)
@workload_argument
@click.option("--cpus", default="1,16,64,384,1024", help="Separated by commas.")
@SCENARIO_OPTION
@click.option("--think-ns", type=float, help="Mean time between a CPU's requests.")
@click.option(
    "--ns-per-node", type=float, help="Cost of a node on another machine; default: measured here."
)
@HANDOFF_OPTION
@REMOTE_OPTION
@rcache_option(
    "The rcache in front: only requests that pass it, as counted in a replay, take the lock."
)
@click.option("--soft", default=20.0, help="Watchdog threshold in seconds, without scheduling.")
@click.option("--hard", default=10.0, help="Watchdog threshold in seconds, with interrupts off.")
@click.option("--seed", default=0, help="Seed of the simulation.")
def predict(
    variant: str,
    workload: str,
    nr_live: int,
    cpus: str,
    scenario: str,
    think_ns: float | None,
    ns_per_node: float | None,
    handoff_ns: float | None,
    remote_ns: float | None,
    rcache: str,
    soft: float,
    hard: float,
    seed: int,
) -> None:
    """Measure VARIANT in WORKLOAD here, and simulate it on the CPUs of --cpus.

    Needs an idle machine: exits with status 1, and predicts nothing, if the machine's constants
    cannot be measured or the holds do not fit the number of nodes visited.

    \b
    Examples:
      iova-lab contention predict mainline full_32bit@100000 --cpus 16,384
      iova-lab contention predict maple ring@10000 --ns-per-node 16 --soft 60
    """
    import iova_variants
    from iova_lab import workloads
    from iova_lab.contention import constants, model, scenarios, tables
    from iova_lab.contention import service as services
    from iova_lab.measuring.load import Watch

    numbers = whole_numbers(cpus, "--cpus")
    iova_variants.load(variant, build="threaded")  # a mistake shows here, before the long part
    workloads.generate(workload, nr_live)
    watch = Watch()
    machine = constants.measure(handoff_ns, remote_ns)
    service = services.measure(variant, workload, nr_live, constants=machine)
    load = watch.load()
    for line in (tables.load_line(load), *tables.service_lines(service)):
        click.echo(line, err=line.startswith("WARNING"))
    services.require_plausible(service, load, ns_per_node or 0.0)
    miss = scenarios.miss(variant, workload, nr_live, rcache)
    if miss < 1:
        click.echo(f"the rcache lets {miss:.2%} of all requests through to the lock")
    there = service.at(ns_per_node) if ns_per_node else service.undisturbed()
    found = []
    with progress() as bar:
        for nr_cpus in bar.track(numbers, description="simulating"):
            asked = scenarios.scenario(scenario, nr_cpus, workload, think_ns)
            asked = replace(asked, miss=miss)
            found.append(model.predict(there, asked, seed=seed, soft_s=soft, hard_s=hard))
    click.echo()
    print_table(tables.PREDICTION_COLUMNS, [tables.prediction_row(one) for one in found])


def whole_numbers(text: str, option: str) -> list[int]:
    """Positive whole numbers, separated by commas, of one option."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(f"{option} {text}: not whole numbers, separated by commas") from None
    if min(numbers) < 1:
        raise click.UsageError(f"{option} {text}: {min(numbers)} is not positive")
    return numbers
