"""Can this machine measure?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from iova_lab.rendering.console import progress

if TYPE_CHECKING:
    from iova_lab.checking.doctor import Check

MARKS = {"fine": ("ok", "green"), "note": ("note", "yellow"), "bad": ("BAD", "bold red")}
MISSING = ("MISSING", "bold red")


@click.command()
@click.option(
    "--seconds",
    default=15.0,
    type=click.FloatRange(0),
    help="For measuring mainline against itself; 0 leaves that out.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(seconds: float, as_json: bool) -> None:
    """Check whether this machine can measure times, and print how to improve it.

    Frequency scaling, load, isolation, virtual machine, counters, pyperf's own checks, compiler and
    tools; then mainline is measured against itself: no comparison can detect a smaller difference.
    Exact counts need none of this.

    Exit status: 0 fit, 1 something is bad or missing (notes do not count).

    From Python: iova_lab.checking.doctor.checks(), iova_lab.comparison.trial.noise().

    \b
    Examples:
      iova-lab doctor
      iova-lab doctor --seconds 60
      iova-lab doctor --seconds 0 --json
    """
    from iova_lab.checking import doctor as looking
    from iova_lab.checking.noise import noise
    from iova_lab.comparison import trial
    from iova_lab.kernel import tools

    found = list(looking.checks(tools.missing))
    if seconds:
        with progress() as bar:
            task = bar.add_task("mainline against itself", total=1.0)
            ratio = trial.noise(seconds, lambda text, share: bar.update(task, completed=share))
        found.append(noise(ratio, seconds))
    unfit = [check.name for check in found if check.status in ("bad", "missing")]
    if as_json:
        checks = [asdict(check) for check in found]
        click.echo(json.dumps({"fit": not unfit, "checks": checks}, indent=1))
    else:
        _show(found, unfit)
    if unfit:
        raise click.exceptions.Exit(1)


def _show(found: Sequence[Check], unfit: Sequence[str]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=10_000)
    for check in found:
        mark, style = MARKS.get(check.status, MISSING)
        line = Text.assemble((f"{mark:>7}", style), f"  {check.name}: {check.found}")
        console.print(line)
        for text in (check.means, check.do and f"-> {check.do}"):
            if text:
                console.print(Padding(Text(text, style="dim"), (0, 0, 0, 9), expand=False))
    console.print()
    if unfit:
        console.print(f"Not fit for times: {', '.join(unfit)}.  Counts are exact all the same.")
    else:
        console.print("Fit to measure on.")
