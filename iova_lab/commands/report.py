"""Pages, from stored results alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import click

from iova_lab.commands.arguments import PATH
from iova_lab.reports.kinds import Kind, kinds

KINDS = kinds()
#: Every kind, one after the other.
ALL = "all"
#: Whose results `all` reports, as they are committed.
REFERENCE = "reference"


def _listed() -> str:
    every = {name: kind.summary for name, kind in KINDS.items()} | {ALL: "each of them in turn"}
    return "\n".join(f"      {name:12}{summary}" for name, summary in every.items())


def write(
    kind: Kind,
    results: Path,
    out: Path | None,
    options: Mapping[str, str | None] = MappingProxyType({}),
) -> None:
    """Write the pages of one kind, and print where they are."""
    from iova_lab.basics.stored import require

    for pattern, command in kind.needs.items():
        require(results, pattern, command=command)
    given = {name: value for name, value in options.items() if value is not None}
    if unread := given.keys() - kind.options:
        raise click.UsageError(f"this kind of report takes no --{min(unread)}")
    for label, page in kind.write(results, out, **given).items():
        click.echo(f"{label}: {page}")


def _write_all(results: Path, out: Path, options: dict[str, str | None]) -> None:
    options["machine"] = machine = options["machine"] or REFERENCE
    for kind in KINDS.values():
        folder = out / (machine if kind.out is None else kind.out)
        read = {option: options[option] for option in kind.options}
        write(kind, results / kind.results, folder, read)


@click.command(
    help=f"""Write pages, figures and mail text of one KIND from stored results alone.

    From Python: iova_lab.reports.kinds.

    \b
    KIND is one of
{_listed()}

    \b
    Examples:
      iova-lab report --machine reference
      iova-lab report contention --results build/results/contention --out build/reports/contention
      iova-lab report all
    """
)
@click.argument("kind", type=click.Choice([*KINDS, ALL]), default=REFERENCE, metavar="[KIND]")
@click.option(
    "--results",
    type=PATH,
    help="Folder of the results; default: the one that the measuring command writes.",
)
@click.option(
    "--out",
    type=PATH,
    help="Folder of the pages; default: reports/KIND; of reference: reports/MACHINE.",
)
@click.option(
    "--machine", help="Of reference: asv's name of the machine; default: the only one in RESULTS."
)
@click.option("--baseline", help="Of reference: variant that ratios refer to; default: mainline.")
@click.option("--commit", help="Of reference: commit of the results; default: the newest.")
def report(kind: str, results: Path | None, out: Path | None, **options: str | None) -> None:
    """Write the pages of one kind, or of all."""
    if kind == ALL:
        _write_all(results or Path("results"), out or Path("reports"), options)
        return
    one = KINDS[kind]
    folder = out or (None if one.out is None else Path("reports", one.out))
    write(one, results or Path("results", one.results), folder, options)
