"""Soft lockups through dma_map_page() of a driver's device."""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands import mistakes
from iova_lab.commands.arguments import invoked, results_option
from iova_lab.commands.kernel import kernel, series_option
from iova_lab.rendering.console import print_table, progress


@kernel.command("dma-lockup")
@click.argument("allocators", nargs=-1, required=True)
@series_option
@results_option(
    "build/results/kernel",
    "Where dma-lockup.jsonl lies, and gets rows; results/kernel has the committed.",
)
def dma_lockup(allocators: tuple[str, ...], series: str, results: Path) -> None:
    """Fill the space below 4 GiB through dma_map_page() on the device of an unmodified driver.

    Two emulated CPUs then unmap and map large buffers, with one request more than fits, and the
    kernel's watchdog looks on.  ALLOCATORS are those of `iova-lab kernel io`; "unpatched" is the
    kernel as it is.  Prints whether the kernel reported a soft lockup, and the longest request.

    \b
    Examples:
      iova-lab kernel dma-lockup unpatched candidate
      iova-lab kernel dma-lockup --kernel 7.3 unpatched mainline dropin
    """
    from iova_lab.kernel import dma_lockup as locking
    from iova_lab.kernel import io_allocators, packages

    allocators = tuple(dict.fromkeys(allocators))
    io_allocators.check_names(allocators)
    found = packages.get(series)
    from iova_lab.basics.writing import append_row
    from iova_lab.measuring import provenance, rows

    store = results / rows.DMA_LOCKUPS
    failed: list[str] = []
    table: list[list[str]] = []
    with provenance.recorded([store], invoked()), rows.packed_at_end([store]), progress() as bar:
        task = bar.add_task("boot", total=len(allocators))
        for name in allocators:
            bar.update(task, description=f"{name}: minutes")
            outcome = locking.run(found, name)
            bar.advance(task)
            if outcome.error:
                failed.append(f"{name}: {outcome.error}")
                continue
            append_row(store, locking.as_row(found, outcome))
            watched = outcome.watched
            longest = f"{watched.longest_us / 1000:,.1f}" if watched.longest_us else "-"
            words = watched.words[0] if watched.locked_up else "none"
            table.append([name, f"{outcome.nr_pages:,}", longest, words])
    print_table(["allocator", "pages mapped", "longest request, ms", "lockup"], table)
    click.echo(f"kernel {found.release}, {locking.APPEND}; rows: {store}")
    mistakes.end(failed)
