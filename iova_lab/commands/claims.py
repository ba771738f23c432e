"""Which published claims about these allocators hold here?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iova_lab.basics.stored import require
from iova_lab.commands import mistakes
from iova_lab.commands.arguments import results_option
from iova_lab.rendering.console import print_table, progress

if TYPE_CHECKING:
    from rich.progress import Progress

    from iova_lab.claims import Claim, Finding


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--all", "everyone", is_flag=True, help="Measure every claim.")
@click.option("--quick", is_flag=True, help="Small sizes, few samples: a look, never stored.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@results_option("results", "Where results lie; those of claims are stored in claims/ below it.")
def claims(ids: tuple[str, ...], everyone: bool, quick: bool, as_json: bool, results: Path) -> None:
    """Measure the claim ID, and apply the rule that was fixed for it in advance.

    Without an ID: list all claims with the verdicts on the stored results.  Each result is stored
    when its claim has been measured.  Exit status 1 if a claim could not be measured.

    From Python: iova_lab.claims.

    \b
    Examples:
      iova-lab claims
      iova-lab claims --all --quick
      iova-lab claims --all
    """
    if ids and everyone:
        raise click.UsageError("give IDs or --all, not both")
    if not ids and not everyone:
        require(results, "claims/*.json", command="iova-lab claims --all")
    from iova_lab.claims import all_claims, find
    from iova_lab.reports.claims import stored

    wanted = list(all_claims()) if everyone else find(ids)
    if quick and not wanted:
        raise click.UsageError("--quick measures: give IDs or --all")
    failed: list[str] = []
    found = _measure(wanted, quick, results, failed) if wanted else stored(results)
    if as_json:
        click.echo(json.dumps([_as_json(*one) for one in found], indent=1))
    else:
        _show(found, details=bool(ids), quick=quick)
    mistakes.end(failed)


def _measure(
    wanted: list[Claim], quick: bool, results: Path, failed: list[str]
) -> list[tuple[Claim, Finding]]:
    """Measure one after the other; each is stored before the next begins."""
    from iova_lab.claims import Run, run_claim
    from iova_lab.claims.run import judge
    from iova_lab.claims.store import write

    found = []
    shared: dict[str, dict[str, Any]] = {}
    with progress() as bar:
        task = bar.add_task("claims", total=sum(one.seconds for one in wanted))
        done = 0.0
        for one in wanted:
            bar.update(task, description=one.id)
            tick = _ticker(bar, task, done, one.seconds)
            row = run_claim(one, Run(quick, results, tick, shared))
            if "failed" in row:
                failed.append(f"{one.id}: {row['failed']}")
            if one.measure and not quick:
                write(results, one, row)
            finding = judge(one, row)
            found.append((one, finding))
            done += one.seconds
            bar.update(task, completed=done)
            bar.console.print(f"{one.id}: {finding.verdict}", markup=False, highlight=False)
    return found


def _ticker(bar: Progress, task: Any, done: float, seconds: float) -> Any:
    return lambda part, whole: bar.update(task, completed=done + seconds * part / whole)


def _show(found: list[tuple[Claim, Finding]], details: bool, quick: bool) -> None:
    from iova_lab.reports.claims import summary

    if details:
        for claim, finding in found:
            _show_one(claim, finding)
    else:
        rows = [(one.id, finding.verdict.value, finding.answer) for one, finding in found]
        print_table(["claim", "verdict", "measured here"], rows)
    click.echo(summary(found) if details else f"\n{summary(found)}")
    if quick:
        click.echo("quick: small sizes, few samples; nothing of it is stored, and it is no result")


def _show_one(claim: Claim, finding: Finding) -> None:
    rows = [
        ("said", claim.claim),
        ("source", f"{claim.source} [{claim.confidence}]"),
        ("rule", claim.rule),
        ("here", finding.answer),
        ("verdict", finding.verdict.value),
        ("not in it", claim.not_in),
    ]
    print_table(["claim", claim.id], rows)
    click.echo()


def _as_json(claim: Claim, finding: Finding) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "id": claim.id,
        "claim": claim.claim,
        "source": claim.source,
        "confidence": claim.confidence,
        "rule": claim.rule,
        "why": claim.why,
        "not_in": claim.not_in,
        "command": claim.command,
        "published": asdict(claim.published) if claim.published else None,
        "measured": asdict(finding.measured) if finding.measured else None,
        "answer": finding.answer,
        "verdict": finding.verdict.value,
    }
