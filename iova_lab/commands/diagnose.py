"""From what people have to a known cause."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from iova_lab.basics.errors import InvalidValueError
from iova_lab.rendering.console import progress

if TYPE_CHECKING:
    from iova_lab.diagnosis import Diagnosis

_LOOKS: dict[str, dict[str, Any]] = {
    "title": {"bold": True},
    "quote": {"dim": True},
    "command": {"fg": "cyan"},
}


@click.command()
@click.argument(
    "files", type=click.Path(exists=True, dir_okay=False, allow_dash=True), nargs=-1, required=True
)
@click.option("--kernel", help="uname -r of that machine, if the files do not have it.")
@click.option("--cpus", type=click.IntRange(1, 65536), help="Number of CPUs of that machine.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for a bug report.")
def diagnose(
    files: tuple[str, ...],
    kernel: str | None,
    cpus: int | None,
    as_json: bool,
    as_markdown: bool,
) -> None:
    """Read logs and profiles of a machine in FILES, and compare them with the known pathologies.

    FILES are of one machine: kernel logs with lockups, stalls, oopses, KASAN or kmemleak reports;
    perf report, perf script, perf top, folded stacks; lock_stat; histograms of bpftrace; ftrace's
    function times; slabinfo, slabtop; dma_map_benchmark, fio, iperf; traces.  .gz, .xz, .zst and
    .bz2 are unpacked, - is standard input.  Prints what was seen with the lines, what fits and why,
    what to do today with its price, how to reproduce it, and what to record to be surer.

    Exit status 0 if it is a problem of the IOVA allocator, 3 if it is not, 4 if undecided.

    From Python: iova_lab.diagnosis.diagnose().

    \b
    Examples:
      iova-lab diagnose dmesg.txt slabinfo.txt
      ssh host dmesg | iova-lab diagnose - --kernel 5.15.74 --markdown
      iova-lab diagnose perf-report.txt --json | jq .verdict
    """
    from iova_lab.diagnosis import diagnose as read

    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown exclude each other")
    if files.count("-") > 1:
        raise click.UsageError("standard input can be read once")
    with progress() as bar:
        task = bar.add_task("reading", total=None)
        found = read(
            files,
            kernel=kernel,
            cpus=cpus,
            on_progress=lambda name, done, total: bar.update(
                task, description=name, completed=done, total=total
            ),
        )
    if not found.seen.kinds:
        raise InvalidValueError(
            f"{', '.join(files)}: {found.seen.nr_lines:,} lines, and nothing of a kind that is"
            " read: kernel logs, profiles, lock_stat, slabinfo and more (iova-lab diagnose --help)"
        )
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=1))
    else:
        _print(found, as_markdown)
    if found.status:
        raise click.exceptions.Exit(found.status)


def _print(found: Diagnosis, as_markdown: bool) -> None:
    from iova_lab.diagnosis import sections

    blocks = sections.blocks(found)
    if as_markdown:
        click.echo(sections.markdown(blocks, f"Diagnosis of {', '.join(found.files)}"), nl=False)
        return
    for block, line in list(sections.lines(blocks))[1:]:
        click.secho(line, **_LOOKS.get(block.kind, {}))
