"""What is in a trace?"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands.arguments import PATH, TRACE
from iova_lab.commands.trace import origin_note, trace
from iova_lab.rendering.console import print_table, progress

if TYPE_CHECKING:
    from iova_lab.traces.info import DomainInfo, TraceInfo

_NR_DOMAINS = 12
_NR_SHOWN = 4
_COLUMNS = "domain,rows,CPUs,allocs,refused,hits,peak,live set".split(",")
#: All of it fits a terminal of 80 columns.
_NR_SPARKS = 16


@trace.command()
@click.argument("path", type=TRACE, metavar="TRACE")
@click.option(
    "--picture", type=PATH, help="File for a figure: .png or .svg; both without a suffix."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(path: Path, picture: Path | None, as_json: bool) -> None:
    """Show sizes, limits, live ranges and rcache hits of a trace, per domain.

    \b
    Examples:
      iova-lab trace info debian-6.12
      iova-lab trace info mine.npz --picture mine.png
      iova-lab trace info mine.npz --json | jq .total.hit_rate
    """
    from iova_lab.traces.info import trace_info

    with progress() as bar:
        task = bar.add_task("rows", total=None)
        found = trace_info(path, lambda done, total: bar.update(task, completed=done, total=total))
    written = _draw(found, picture) if picture else []
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=1))
        return
    _print(found)
    for one in written:
        click.echo(f"picture: {one}")


def _draw(found: TraceInfo, target: Path) -> list[Path]:
    from iova_lab.rendering.figures import STYLE
    from iova_lab.rendering.looks import COLOURS, LINES
    from iova_lab.rendering.saving import save
    from iova_lab.traces.picture import picture

    if target.suffix not in (".png", ".svg", ""):
        raise click.UsageError(f"--picture {target}: a picture is a .png or an .svg")
    with tempfile.TemporaryDirectory() as folder:
        drawn = save(picture(found, STYLE, COLOURS, LINES), Path(folder) / target.stem)
        wanted = [path for path in drawn if path.suffix == target.suffix or not target.suffix]
        return [Path(shutil.move(path, target.with_suffix(path.suffix))) for path in wanted]


def _print(found: TraceInfo) -> None:
    click.echo(
        f"{found.path}: kernel {found.kernel}, {found.nr_rows:,} rows in {found.seconds:,.3f} s, "
        f"{len(found.domains):,} domains, granule {found.granule}, start_pfn {found.start_pfn}"
    )
    origin_note(found.synthetic, found.approximate)
    if "source" in found.source:
        left_out = sum(found.source.get("dropped", {}).values())
        put_in = sum(found.source.get("added", {}).values())
        click.echo(
            f"of {found.source['source']}: {left_out:,} lines left out, {put_in:,} frees put in, "
            f"{found.source.get('nr_lost', 0):,} events lost by the tool (--json has the reasons)"
        )
    asked = "what drivers asked" if found.level == "fast" else "what reached the tree"
    click.echo(f"below is {asked}; live sets are of ranges that were seen allocated\n")
    shown = sorted(found.domains, key=lambda one: (-one.nr_rows, one.dom))[:_NR_DOMAINS]
    every = [(str(one.dom), one) for one in shown]
    if len(found.domains) > 1:
        every.append(("all", found.total))
    print_table(_COLUMNS, [_row(name, one, found.level) for name, one in every])
    click.echo("hits: of the rcache, of allocs it could answer; peak: most live ranges\n")
    print_table(
        ("domain", "sizes in pfns", "limits"),
        [(name, _most(one.sizes, "{:,}"), _most(one.limits, "{:#x}")) for name, one in every],
    )
    if len(found.domains) > len(shown):
        click.echo(f"and {len(found.domains) - len(shown):,} domains with fewer rows (--json)")


def _row(name: str, one: DomainInfo, level: str) -> list[str]:
    return [
        name,
        f"{one.nr_rows:,}",
        str(len(one.cpus)),
        f"{one.nr_ops['alloc_fast' if level == 'fast' else 'alloc']:,}",
        f"{one.nr_refused:,}",
        "?" if one.hit_rate is None else f"{one.hit_rate:.1%}",
        f"{one.peak_live_ranges:,}",
        _spark(one.live_ranges),
    ]


def _most(values: dict[int, int], form: str) -> str:
    """The commonest values with their share."""
    counts = Counter(values)
    total = counts.total()
    found = [
        f"{form.format(value)} {nr / total:.0%}" for value, nr in counts.most_common(_NR_SHOWN)
    ]
    more = [f"+{len(counts) - _NR_SHOWN}"] if len(counts) > _NR_SHOWN else []
    return " ".join(found + more)


def _spark(values: list[int]) -> str:
    from sparklines import sparklines

    step = max(len(values) // _NR_SPARKS, 1)
    peaks = [max(values[at : at + step]) for at in range(0, len(values), step)]
    return str(sparklines([max(peak, 0) for peak in peaks], minimum=0)[0]) if any(peaks) else "-"
