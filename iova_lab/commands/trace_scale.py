"""What would more of the same ask?"""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands.arguments import PATH, POSITIVE, TRACE
from iova_lab.commands.trace import trace
from iova_lab.rendering.console import progress
from iova_lab.traces.names import HOWS


@trace.command()
@click.argument("path", type=TRACE, metavar="TRACE")
@click.argument("copies", type=click.IntRange(1))
@click.option("--out", type=PATH, help="Default: TRACE with -xCOPIES.")
@click.option(
    "--how",
    type=click.Choice(HOWS),
    default=HOWS[0],
    help="Copies share the recorded domains, or each has its own.",
)
@click.option("--stagger", type=POSITIVE, help="Seconds from one copy to the next.")
def scale(path: Path, copies: int, out: Path | None, how: str, stagger: float | None) -> None:
    """Make the pattern of a trace COPIES times as large; the result is marked as synthetic.

    Every copy makes all requests of the recorded drivers, each copy a little later than the one
    before (all begin within 2 % of the trace, or --stagger apart); the rcache and mainline
    answer.  docs/traces.md lists what stays the same and what does not.

    \b
    Examples:
      iova-lab trace scale debian-6.12 4 --out four.npz
      iova-lab trace replay four.npz mainline augmented
    """
    from iova_lab.traces.info import trace_info
    from iova_lab.traces.scale import scale_trace

    target = out or Path(f"{path.stem}-x{copies}.npz")
    with progress() as bar:
        task = bar.add_task("scale", total=3)
        made = scale_trace(
            path,
            target,
            copies,
            how=how,
            stagger_ns=None if stagger is None else round(stagger * 1e9),
        )
        bar.update(task, advance=1)
        before = trace_info(path)
        bar.update(task, advance=1)
        after = trace_info(target)
    click.echo(f"{target}: {made.file.nr_rows:,} rows (recorded: {before.nr_rows:,})")
    click.echo(f"SYNTHETIC: {made.file.synthetic}")
    click.echo(
        f"most live ranges: {after.total.peak_live_ranges:,} (recorded:"
        f" {before.total.peak_live_ranges:,}); refused, and so not freed: {made.nr_refused:,}"
    )
