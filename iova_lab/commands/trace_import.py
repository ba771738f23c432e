"""What did somebody record?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands.arguments import PATH
from iova_lab.commands.trace import trace
from iova_lab.rendering.console import progress
from iova_lab.traces.names import LIMITS

if TYPE_CHECKING:
    from iova_lab.traces.explained import Settled
    from iova_lab.traces.importer import Imported

#: A larger trace is not replayed by the import.
_MOST_ROWS = 1 << 20
_PACKED = {".gz", ".xz", ".zst", ".bz2"}


@trace.command("import")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--out", type=PATH, help="Default: SOURCE with .npz.")
@click.option("--kernel", help="uname -r of the recorded machine; needed unless the text has it.")
@click.option(
    "--assume-limit",
    type=click.Choice(LIMITS),
    help="Bits of the limits, for events of iommu and dma, and columns without one; default: auto.",
)
@click.option("--columns", help="Of a text in columns, by commas: ts,cpu,dom,op,pfn,size,limit.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def import_command(
    source: str,
    out: Path | None,
    kernel: str | None,
    assume_limit: str | None,
    columns: str | None,
    as_json: bool,
) -> None:
    """Make a trace file from the text of a tracing tool: SOURCE, or - for standard input.

    The text is what tracefs, trace-cmd report, perf script or bpftrace print of the probes in
    docs/recording.md; .gz, .xz, .zst and .bz2 are unpacked; quoting of mails, CR LF and colours are
    removed.  Prints the number of lines left out by reason, with the first line of each.

    Events of iommu:map and unmap, of dma:dma_map and unmap, and columns (docs/traces.md) are read,
    too.  These have no limit: it is assumed, and the trace is marked approximate.  Prints how many
    of its addresses mainline explains.

    \b
    Examples:
      iova-lab trace import trace.txt --kernel 6.12.9
      iova-lab trace import iommu-map.txt --kernel 6.12.9 --assume-limit 48
      iova-lab trace import mine.csv --kernel 6.12.9 --columns ts,cpu,op,pfn,size
      ssh host trace-cmd report | iova-lab trace import - --out host.npz --kernel 5.10.0
    """
    from iova_lab.traces.importer import import_text

    if source == "-" and out is None:
        raise click.UsageError("standard input has no name: say --out FILE.npz")
    target = out or _target(Path(source))
    with progress() as bar:
        task = bar.add_task("reading", total=None)
        done = import_text(
            source,
            target,
            kernel=kernel,
            assume_limit=assume_limit,
            columns=tuple(columns.split(",")) if columns else None,
            on_progress=lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
        )
        settled = _settled(done) if done.approximate else None
    if as_json:
        found = {
            "explained": settled and settled.share,
            "domains_without_reserved": settled and settled.nr_domains,
        }
        click.echo(json.dumps({**asdict(done), **found}, indent=1, default=str))
        return
    click.echo(f"{done.path}: {done.nr_rows:,} rows of {done.nr_domains:,} domains")
    for note in done.notes:
        click.echo(f"note: {note}")
    if settled is not None:
        if settled.nr_domains:
            click.echo(
                f"note: in {settled.nr_domains} domains the pages that no request got are not"
                " reserved: mainline explains more so"
            )
        click.echo(
            f"mainline explains {settled.share:.1%} of the addresses: the less, the worse what was"
            f" assumed fits (iova-lab trace check {done.path})"
        )
    elif done.approximate:
        click.echo(f"how much of it mainline explains: iova-lab trace check {done.path}")


def _settled(done: Imported) -> Settled | None:
    """The share of addresses that mainline returns, too; None for a trace that takes long."""
    from iova_lab.traces.explained import settle

    return settle(done.path) if done.nr_rows <= _MOST_ROWS else None


def _target(source: Path) -> Path:
    """trace.txt.xz becomes trace.npz."""
    plain = source.with_suffix("") if source.suffix in _PACKED else source
    if plain.suffix == ".npz":
        raise click.UsageError(f"{source} is a trace file already: iova-lab trace info {source}")
    return plain.with_suffix(".npz")
