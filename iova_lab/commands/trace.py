"""Does a variant answer as the recorded kernel did?"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands.arguments import TRACE, VARIANT
from iova_lab.rendering.console import print_table

if TYPE_CHECKING:
    import pandas as pd


@click.group()
def trace() -> None:
    """Import, show, check, replay and scale recorded requests of real drivers.

    From Python: iova_lab.traces.trace.

    \b
    Examples:
      iova-lab trace import my_trace.txt
      iova-lab trace info my_trace.npz
    """


def origin_note(synthetic: str | None, approximate: str | None = None) -> None:
    """Print of a trace that nobody recorded it, or what was assumed of the recording."""
    if synthetic:
        click.echo(f"SYNTHETIC: {synthetic}")
    if approximate:
        click.echo(f"APPROXIMATE: {approximate}")


@trace.command()
@click.argument("path", type=TRACE, metavar="TRACE")
@click.option("--variant", type=VARIANT, default="mainline")
@click.option(
    "--fast", is_flag=True, help="Also compare the drivers' requests, through the rcache."
)
def check(path: Path, variant: str, fast: bool) -> None:
    """Compare a variant's answers with the addresses that a real kernel returned.

    A trace of the fast API alone is compared through the rcache, as with --fast.  Exit status 1 if
    an address still differs after gaps of the recording have been mended.

    \b
    Examples:
      iova-lab trace check --fast debian-6.12
    """
    from iova_lab.traces import agreement, fast_agreement
    from iova_lab.traces.file import TraceError, open_trace
    from iova_lab.traces.trace import has_tree_level, read_fast_trace, read_trace

    opened = open_trace(path)
    if opened.synthetic:
        raise TraceError(f"{path} is synthetic ({opened.synthetic}): no kernel's answers are in it")
    origin_note(None, opened.approximate)
    agrees = True
    if has_tree_level(path):
        recorded = read_trace(path)
        nr_requests = len(recorded.stream.ops)
        click.echo(f"{path}: kernel {recorded.kernel}, {nr_requests:,} tree-level requests")
        frame, mended = agreement.report(recorded, variant)
        print_agreement(frame, mended.notes)
        agrees = bool((frame["share_mended"] == 1).all())
    else:
        fast = True
        click.echo(f"{path}: recorded at the fast API alone")
    if fast:
        click.echo("\nfast level, through the rcache:")
        frame, mended_fast = fast_agreement.report(read_fast_trace(path), variant)
        print_agreement(frame, mended_fast.notes)
        agrees &= bool((frame["share_mended"] == 1).all())
    if not agrees:
        raise click.exceptions.Exit(1)


def print_agreement(frame: pd.DataFrame, notes: Iterable[str]) -> None:
    """Per domain, the share of allocations that agree, as recorded and mended."""
    rows = [
        (
            str(row.dom),
            f"{row.nr_allocs:,}",
            f"{row.share:.2%}",
            f"{row.share_mended:.2%}",
        )
        for row in frame.itertuples()
    ]
    print_table(["domain", "allocs", "agree", "agree, mended"], rows)
    nr_agree, nr_allocs = frame["nr_agree"].sum(), frame["nr_allocs"].sum()
    click.echo(f"as recorded, {nr_agree:,} of {nr_allocs:,} allocations agree")
    for note in notes:
        click.echo(f"mended: {note}")
