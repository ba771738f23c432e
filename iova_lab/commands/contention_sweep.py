"""Lock contention: what is measured and simulated for the page, and the model's check."""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.basics.errors import InvalidValueError
from iova_lab.commands.arguments import invoked
from iova_lab.commands.contention import (
    HANDOFF_OPTION,
    MEASURED,
    REMOTE_OPTION,
    SCENARIO_OPTION,
    contention,
    whole_numbers,
)
from iova_lab.rendering.console import print_table, progress


@contention.command()
@MEASURED
@click.option("--seconds", default=0.4, help="Seconds per measurement.")
def validate(results: Path, seconds: float) -> None:
    """Compare the model with threads here, and with published cases.

    Takes a minute or two on an idle machine.

    \b
    Examples:
      iova-lab contention validate
      iova-lab contention validate --seconds 2
    """
    import pandas as pd

    from iova_lab.basics.writing import append_row
    from iova_lab.contention import host, published, store, tables, validation
    from iova_lab.measuring import provenance

    stores = [results / f"{name}.jsonl" for name in ("host", "validation", "published")]
    cells = len(validation.VARIANTS) * len(validation.WORKLOADS)
    found = []
    with provenance.recorded(stores, invoked()), progress() as bar:
        constants = host.constants_for(results)
        task = bar.add_task("threads", total=cells)
        for row in validation.compare(
            constants, seconds=seconds, on_progress=lambda: bar.advance(task)
        ):
            found.append(row)
            append_row(results / "validation.jsonl", row)
        store.compact(results, "validation", validation.key)
        task = bar.add_task("published cases", total=len(published.CASES))
        (results / "published.jsonl").unlink(missing_ok=True)
        for row in published.cases(on_progress=lambda: bar.advance(task)):
            append_row(results / "published.jsonl", row)
    print_table(tables.ERROR_COLUMNS, tables.error_rows(validation.errors(pd.DataFrame(found))))
    for line in tables.loaded_lines(found):
        click.echo(line, err=True)


@contention.command("sweep")
@MEASURED
@click.option("--variants", help="Names or .c files, separated by commas; default: all.")
@click.option("--workloads", "chosen", help="NAME or NAME@N, separated by commas.")
@click.option("--cpus", default="1,4,16,64,256,1024")
@SCENARIO_OPTION
@click.option(
    "--lockups", default="mainline", help="Variant whose lockups are simulated; '' for none."
)
@click.option("--scheduler", help="Address of a Dask scheduler, tcp://...; default: cores here.")
@click.option("--jobs", type=int, help="Processes here; default: one per CPU.")
@click.option("--again", is_flag=True, help="Measure stored cells again.")
@click.option("--stored", is_flag=True, help="Measure nothing; simulate from services.jsonl.")
@HANDOFF_OPTION
@REMOTE_OPTION
@click.option("--seconds", default=0.3, help="Seconds per measured cell.")
def sweep_command(
    results: Path,
    variants: str | None,
    chosen: str | None,
    cpus: str,
    scenario: str,
    lockups: str,
    scheduler: str | None,
    jobs: int | None,
    again: bool,
    stored: bool,
    handoff_ns: float | None,
    remote_ns: float | None,
    seconds: float,
) -> None:
    """Measure missing cells here, then simulate on all cores, or on a cluster.

    Hand-over and remote cache cost are measured once and used for every cell.
    Every cell is stored when it is done: an interrupted sweep continues there.

    \b
    Examples:
      iova-lab contention sweep
      iova-lab contention sweep --variants mainline,./my_patch.c --workloads ring@10000
      iova-lab contention sweep --scheduler tcp://10.0.0.1:8786
      iova-lab contention sweep --stored
    """
    from iova_lab.contention import holds, host, study, tables
    from iova_lab.measuring import provenance, workers

    if stored and again:
        raise click.UsageError("--stored measures nothing, --again measures everything: choose one")
    numbers = whole_numbers(cpus, "--cpus")
    names = variants.split(",") if variants else None
    asked = study.pictured(names, _sizes(chosen) if chosen else None)
    recipes = study.recipes(lockups) if lockups and not chosen else []
    make_executor = workers.executor_for(scheduler, jobs)
    wanted = list(dict.fromkeys([*asked, *recipes]))
    stores = [results / f"{name}.jsonl" for name in ("host", "services", "sweep", "lockups")]
    with provenance.recorded(stores, invoked()), progress() as bar:
        constants = host.constants_for(
            results, again=again, stored=stored, given=(handoff_ns, remote_ns)
        )
        click.echo(tables.constants_line(constants))
        if stored:
            have = holds.stored(results)
            found = {cell: have[cell] for cell in wanted if cell in have}
        else:
            task = bar.add_task("measuring holds", total=len(wanted))
            found = holds.measured(
                wanted,
                results,
                constants,
                seconds=seconds,
                again=again,
                on_progress=lambda: bar.advance(task),
            )
        pictures = {cell: row for cell, row in found.items() if cell in set(asked)}
        task = bar.add_task("simulating", total=len(pictures) * len(numbers))
        nr = study.simulate_pictures(
            holds.with_holds(pictures, constants),
            results,
            make_executor,
            cpus=numbers,
            scenario=scenario,
            on_progress=lambda: bar.advance(task),
        )
        worst = {cell: row for cell, row in found.items() if cell in set(recipes)}
        task = bar.add_task("looking for lock-ups", total=2 * len(worst))
        nr_lockups = study.find_lockups(
            holds.with_nodes(worst, constants),
            results,
            make_executor,
            scenario=scenario,
            on_progress=lambda: bar.advance(task),
        )
    for line in (*tables.refused_lines(pictures.values()), *tables.loaded_lines(found.values())):
        click.echo(line, err=True)
    if missing := len(wanted) - len(found):
        click.echo(f"{missing} cells are not in {results}/services.jsonl", err=True)
    click.echo(f"simulated now: {nr} cells, {nr_lockups} searches for lock-ups; all in {results}")
    if not found:
        raise click.ClickException(f"{results}/services.jsonl has none of the cells")


def _sizes(text: str) -> dict[str, int]:
    from iova_lab import workloads
    from iova_lab.contention import study

    found = {}
    for part in text.split(","):
        plain, colon, size = part.rpartition(":")
        if colon and size.isdigit():
            raise InvalidValueError(
                f"{part!r}: a number of live ranges follows @, as in {plain}@{size}"
            )
        name, given = workloads.split(part)
        workload = workloads.get(name)
        nr_live = study.PICTURED.get(name, workload.min_nr_live) if given is None else given
        if (reason := workload.why_not(nr_live)) is not None:
            raise workloads.SizeError(reason)
        found[name] = nr_live
    return found
