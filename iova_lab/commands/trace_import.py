"""What did somebody record?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from iova_lab.commands.arguments import PATH
from iova_lab.commands.trace import trace
from iova_lab.rendering.console import progress

_PACKED = {".gz", ".xz", ".zst", ".bz2"}


@trace.command("import")
@click.argument("source", type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--out", type=PATH, help="Default: SOURCE with .npz.")
@click.option("--kernel", help="uname -r of the recorded machine; needed unless the text has it.")
@click.option("--json", "as_json", is_flag=True, help="What was done, for a script.")
def import_command(source: str, out: Path | None, kernel: str | None, as_json: bool) -> None:
    """Make a trace file of the text of a tracing tool: SOURCE, or - for standard input.

    What tracefs, trace-cmd report, perf script or bpftrace print of the probes that
    docs/recording.md gives; .gz, .xz, .zst and .bz2 are unpacked; quoting of mails, CR LF and
    colours are taken off.  Prints what was left out, and why, with the first line of each reason.

    \b
    Examples:
      iova-lab trace import trace.txt --kernel 6.12.9
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
            on_progress=lambda what, done, total: bar.update(
                task, description=what, completed=done, total=total
            ),
        )
    if as_json:
        click.echo(json.dumps(asdict(done), indent=1, default=str))
        return
    click.echo(f"{done.path}: {done.nr_rows:,} rows of {done.nr_domains:,} domains")
    for note in done.notes:
        click.echo(f"note: {note}")


def _target(source: Path) -> Path:
    """trace.txt.xz becomes trace.npz."""
    plain = source.with_suffix("") if source.suffix in _PACKED else source
    if plain.suffix == ".npz":
        raise click.UsageError(f"{source} is a trace file already: iova-lab trace info {source}")
    return plain.with_suffix(".npz")
