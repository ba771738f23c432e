"""What do variants make of a trace?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iova_lab.commands import mistakes
from iova_lab.commands.arguments import TRACE, VARIANT, timeout_option
from iova_lab.commands.trace import origin_note, trace
from iova_lab.rendering.console import print_table, progress
from iova_lab.traces.names import LEVELS, NR_TIMINGS

if TYPE_CHECKING:
    from iova_lab.traces.replay import TraceReplay, VariantReplay

#: With these and a few thousand requests, a terminal of 80 columns has room.
_COLUMNS = "variant,ns/op,nodes,worst,refused,spurious,lower,above".split(",")


@trace.command()
@click.argument("path", type=TRACE, metavar="TRACE")
@click.argument("variants", type=VARIANT, nargs=-1)
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    default="auto",
    help="fast: the drivers' requests, through the recorded kernel's rcache.",
)
@click.option(
    "--timings",
    "nr_timings",
    type=click.IntRange(1),
    default=NR_TIMINGS,
    help="Number of replays; the best time is printed.",
)
@timeout_option(600.0, "Seconds until a variant counts as hung.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def replay(
    path: Path,
    variants: tuple[str, ...],
    level: str,
    nr_timings: int,
    timeout: float,
    as_json: bool,
) -> None:
    """Replay a trace on VARIANTS, names or .c files (mainline if none): time, nodes, judgement.

    Every address is compared with the recorded one; `iova-lab trace check` also finds out whether
    the recording causes a difference.  Exit status 1 if a variant failed.

    \b
    Examples:
      iova-lab trace replay debian-6.12 mainline anchor ./mine.c
      iova-lab trace replay mine.npz --level fast --json
    """
    from iova_lab.traces.replay import replay_trace

    names = variants or ("mainline",)
    with progress() as bar:
        task = bar.add_task("replay", total=len(names))
        found = replay_trace(
            path,
            names,
            level=level,
            nr_timings=nr_timings,
            timeout=timeout,
            on_progress=lambda result: bar.update(task, advance=1, description=result.variant),
        )
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
    else:
        _print(found)
    mistakes.end(f"{one.variant}: {one.error}" for one in found.variants if one.error)


def _print(found: TraceReplay) -> None:
    what = "what reached the tree"
    if found.level == "fast":
        what = f"what drivers asked, through the rcache of {found.rcache}"
    nr_ops = max((one.nr_ops or 0 for one in found.variants), default=0)
    click.echo(f"{found.path}: kernel {found.kernel}, {nr_ops:,} ops: {what}")
    origin_note(found.synthetic, found.approximate)
    done = [one for one in found.variants if not one.error]
    columns = [*_COLUMNS, *(["hits"] if found.level == "fast" else [])]
    columns += [] if found.synthetic else ["agree"]
    print_table(columns, [_row(one, found) for one in done])
    click.echo(
        f"ns/op: best of {found.nr_timings}, one thread in user space; all counts are exact\n"
        "nodes: visited per op; worst: in one; spurious: refused although a fit exists; lower:"
        "\nnot the highest fit; above: above the limit; agree: allocs with the recorded address"
    )
    for one in done:
        if one.first_row is not None and one.first_row >= 0:
            click.echo(
                f"{one.variant}: the first other answer than the recorded one is to row "
                f"{one.first_row:,}"
            )
    if not found.synthetic and any(one.first_row != -1 for one in done):
        click.echo(
            f"is that the recording's? iova-lab trace check {found.path}"
            f"{' --fast' if found.level == 'fast' else ''}"
        )


def _row(one: VariantReplay, found: TraceReplay) -> list[str]:
    row = [
        one.variant,
        f"{one.ns_per_op:,.1f}",
        f"{one.nodes_per_op:,.2f}",
        f"{one.worst_visits:,}",
        f"{one.nr_refused:,}",
        f"{one.nr_spurious:,}",
        f"{one.nr_not_highest:,}",
        f"{one.nr_above_limit:,}",
    ]
    if found.level == "fast":
        row.append(f"{one.hit_rate:.1%}")
    if not found.synthetic:
        row.append(_share(one.nr_agree or 0, one.nr_allocs or 0))
    return row


def _share(nr_agree: int, nr_allocs: int) -> str:
    """All is all, and nothing else is rounded to it."""
    share = f"{nr_agree / max(nr_allocs, 1):.2%}"
    return "<100%" if nr_agree < nr_allocs and share == "100.00%" else share
