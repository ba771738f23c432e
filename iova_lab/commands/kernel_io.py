"""Real I/O through any allocator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands import mistakes
from iova_lab.commands.arguments import PATH, invoked, results_option, timeout_option
from iova_lab.commands.kernel import kernel, series_option
from iova_lab.rendering.console import print_table, progress

if TYPE_CHECKING:
    from iova_lab.basics.reading import Row
    from iova_lab.kernel.files import Kernel
    from iova_lab.kernel.io import Outcome


@kernel.command("io")
@click.argument("allocators", nargs=-1, required=True)
@series_option
@click.option("--load", "loads", default="nvme,net,fs,mixed", help="Which, with commas between.")
@click.option("--strict", is_flag=True, help="iommu.strict=1: free at once, no flush queue.")
@click.option("--forcedac", is_flag=True, help="iommu.forcedac=1: no try below 4 GiB first.")
@click.option("--scale", default=1, type=click.IntRange(1, 10_000), help="How much I/O.")
@click.option("--held", is_flag=True, help="Count lock holds; this adds to the other counts.")
@click.option("--crowd", default="", help="32bit-full, or N ranges of others in the disk's domain.")
@click.option(
    "--record", type=PATH, help="Record the calls of one allocator, and replay them in user space."
)
@timeout_option(300.0, "Seconds without a line on the console.")
@results_option(
    "build/results/kernel", "Where io.jsonl lies, and gets rows; results/kernel has the committed."
)
def io_command(
    allocators: tuple[str, ...],
    series: str,
    loads: str,
    strict: bool,
    forcedac: bool,
    scale: int,
    held: bool,
    crowd: str,
    record: Path | None,
    timeout: float,
    results: Path,
) -> None:
    """Do real I/O with each of ALLOCATORS behind the kernel's DMA API, one boot for each.

    ALLOCATORS are names of variants, C files, linux:SOURCE, "stock" for the kernel's own allocator
    with the same livepatch and counts, "dropin" for the candidate with all of the kernel's API, or
    "unpatched" for the kernel as it is.  linux:SOURCE+own-rcache has its own per-CPU caches; all
    other variants and texts have those of the lab.  The drivers are the
    kernel's own; what they read is compared with what was written.  Exit status 1 if data are
    wrong, the kernel complains, or a domain is not empty at its end.

    \b
    Examples:
      iova-lab kernel io unpatched stock mainline candidate
      iova-lab kernel io --kernel 7.3 --load nvme,ahci,net --strict stock ./my_patch.c
      iova-lab kernel io --crowd 32bit-full --load nvme stock mainline candidate
      iova-lab kernel io candidate --load nvme --record build/traces/io.npz
    """
    from iova_lab.kernel import io, io_allocators, io_loads, packages

    settings = io.Settings(
        *(strict, forcedac, scale, held), record is not None, crowd, silence=timeout
    )
    phases = io_loads.phases(loads.split(","), scale)
    allocators = tuple(dict.fromkeys(allocators))
    io.check(settings, allocators, loads.split(","))
    if record is not None and (len(allocators) > 1 or not io_allocators.can_record(allocators[0])):
        raise click.UsageError("--record takes the calls of one allocator behind the lab's caches")
    found = packages.get(series)
    from iova_lab.basics.writing import append_row
    from iova_lab.kernel.io_rows import add_verified, by_load, row
    from iova_lab.measuring import provenance, rows

    store, sums = stores = [results / rows.IOS, results / rows.VERIFIED]
    measured: list[Row] = []
    failed: list[str] = []
    nr_steps = len(io.STEPS) + len(phases) + 1  # the rest
    with provenance.recorded(stores, invoked()), rows.packed_at_end(stores), progress() as bar:
        task = bar.add_task("boot", total=len(allocators) * nr_steps)

        def on_progress(name: str, step: str, done: int) -> None:
            at = allocators.index(name) * nr_steps + done
            bar.update(task, description=f"{name}: {step}", completed=at)

        for outcome in io.run(found, allocators, phases, settings, on_progress):
            measured.append(row(found, outcome, settings))
            for one in by_load(measured[-1], list(dict.fromkeys(loads.split(",")))):
                append_row(store, one)
                append_row(sums, add_verified(one, rows.verified(results)))
            failed += [f"{outcome.allocator}: {error}" for error in outcome.errors]
            if record is not None and not outcome.errors:
                failed += _recorded(found, outcome, record)
    _print(measured)
    click.echo(f"kernel {found.release}, {settings.append}; rows: {store}")
    mistakes.end(failed)


def _recorded(found: Kernel, outcome: Outcome, target: Path) -> list[str]:
    """Write the trace, print how it replays; what differs, for the end."""
    from iova_lab.kernel.io_rows import compare, write_recorded

    target.parent.mkdir(parents=True, exist_ok=True)
    recorded = compare(write_recorded(found, outcome, target), outcome.allocator)
    click.echo(
        f"{target}: {recorded.file.nr_rows:,} calls; {recorded.nr_equal:,} of "
        f"{recorded.nr_allocs:,} requests to the tree got the same address in user space"
    )
    if recorded.nr_equal == recorded.nr_allocs:
        return []
    return [f"{outcome.allocator}: {target} does not replay with the same addresses"]


def _print(measured: list[Row]) -> None:
    columns = "phase,allocator,I/Os,MB,instructions/I/O,I/Os/s,inside,alloc,worst,free,worst,tree"
    lines = [(phase, row["allocator"]) for row in measured for phase in row["phases"]]
    lines.sort(key=lambda line: str(line[0]["phase"]))
    print_table(columns.split(","), [_line(phase, name) for phase, name in lines])


def _line(phase: Row, allocator: str) -> list[str]:
    from iova_lab.kernel.io_rows import per_second

    return [
        *(phase["phase"], allocator, f"{phase['ops']:,}", f"{phase['bytes'] / 1e6:,.0f}"),
        f"{phase['instructions']:,.0f}",
        f"{per_second(phase['instructions']):,.0f}",
        *(_figure(phase, name) for name in ("inside", "alloc", "alloc_worst")),
        *(_figure(phase, name) for name in ("free", "free_worst")),
        f"{phase['tree'] / phase['allocs']:.1%}" if phase.get("tree") else "-",
    ]


def _figure(phase: Row, name: str) -> str:
    value = phase.get(name)
    return "-" if value is None else f"{value:,.0f}"
