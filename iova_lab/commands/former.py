"""Former spellings of `iova-lab report KIND`; they print a note, and go after the next release."""

from __future__ import annotations

from pathlib import Path

import click

from iova_lab.commands.arguments import PATH
from iova_lab.commands.contention import contention
from iova_lab.commands.kernel import kernel
from iova_lab.commands.report import KINDS, write


def _former(group: click.Group | None, name: str, kind: str) -> click.Command:
    """A hidden command ``name`` that writes the pages of ``kind``."""
    words = [group.name or "", name] if group else [name]
    results, out = Path("results", KINDS[kind].results), Path("reports", KINDS[kind].out or "")
    folder = PATH
    command = click.Command(
        name,
        params=[
            click.Option(["--results"], default=results, type=folder),
            click.Option(["--out"], default=out, type=folder),
        ],
        callback=lambda results, out: write(KINDS[kind], results, out),
        help=f"Write pages.\n\n\b\nExamples:\n  iova-lab {' '.join(words)}",
        hidden=True,
        deprecated=f"Use `iova-lab report {kind}`.",
    )
    if group:
        group.add_command(command)
    return command


evidence = _former(None, "evidence", "candidate")
contention_report = _former(contention, "report", "contention")
kernel_report = _former(kernel, "report", "kernel")


@click.command(hidden=True, deprecated="Use `iova-lab report contents --out REPORTS`.")
@click.argument("reports", default=Path("reports"), type=PATH)
def contents(reports: Path) -> None:
    """Write the index of all pages in REPORTS.

    \b
    Examples:
      iova-lab contents
    """
    write(KINDS["contents"], Path("results"), reports)
