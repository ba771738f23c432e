"""What ``iova-lab try`` prints: findings, counts, times, and all of it as JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from iova_lab.rendering.console import print_table

if TYPE_CHECKING:
    from iova_lab import comparison
    from iova_lab.commands.try_steps import Trial
    from iova_lab.comparison.counting import Counts
    from iova_lab.comparison.trial import Counted
    from iova_lab.kernel.trial import InKernel


def filled(line: str, indent: str) -> str:
    """One line of text as lines of a terminal."""
    from iova_lab.checking.finding import WIDTH

    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def report(trial: Trial, as_json: bool) -> None:
    """Print all that is known so far."""
    if as_json:
        click.echo(json.dumps(_as_json(trial), indent=1))
        return
    if trial.before:
        click.echo(f"before the change: {trial.before}\nnot measured against that")
    wrong = {finding.file for finding in (trial.before, trial.finding) if finding}
    for subject in trial.checked:
        if subject.shown not in wrong:
            so_far = "" if subject.all_done else " so far: not all was checked"
            click.echo(f"{subject.shown}: nothing wrong found{so_far}")
            for fact in subject.facts:
                click.echo(filled(f"  {fact}", "    "))
    if trial.finding:
        click.echo(str(trial.finding), err=True)
        return
    if trial.counted:
        _print_counts(trial.counted)
    if trial.measured:
        from rich.console import Console

        from iova_lab import comparison

        click.echo()
        console = Console()
        comparison.terminal(
            trial.measured, console if console.is_terminal else Console(width=80), brief=True
        )
        if not _is_timed(trial.measured):
            click.echo(
                "not timed: too few samples on a machine as busy as this one; the counts above "
                "are exact;\na larger --budget gives the clock more time"
            )
        click.echo(f"report: {trial.out}/, of all that was measured", err=True)
    if trial.in_kernel:
        _print_kernel(trial.in_kernel)


def _is_timed(measured: comparison.Comparison) -> bool:
    """Has any cell enough samples for a verdict?"""
    from iova_lab.comparison import words

    return any(verdict.outcome != "too few samples" for verdict in words.verdicts(measured))


def _print_counts(counted: Sequence[Counted]) -> None:
    from iova_lab.comparison.trial import shown

    base, *others = counted[0].counts
    rows = [
        [row.cell.name, label, *_pairs(row.counts[base], found)]
        for row in counted
        for label, found in row.counts.items()
        if label != base and shown(row.counts[base]) != shown(found)
    ]
    columns = ["workload", "variant", "nodes/op", "worst op", "refused", "spurious"]
    if len(others) == 1:
        rows, columns = [[row[0], *row[2:]] for row in rows], [columns[0], *columns[2:]]
    named = {row[0] for row in rows}
    same = [row for row in counted if row.cell.name not in named]
    click.echo(f"\nCounted, so exact: {base} -> {', '.join(others)}")
    if rows:
        print_table(columns, rows)
    if same:
        click.echo(f"the same in {len(same)} of {len(counted)} workloads")


def _pairs(before: Counts | str, after: Counts | str) -> list[str]:
    """Before and after, metric by metric; one number where they are equal."""
    from iova_lab.comparison.trial import shown

    pairs = zip(shown(before), shown(after), strict=True)
    return [one if one == other else f"{one} -> {other}" for one, other in pairs]


def _print_kernel(rows: Sequence[InKernel]) -> None:
    click.echo("\nIn a booted kernel, instructions:")
    print_table(
        ["workload", "variant", "mean", "worst", ""],
        [
            [f"{r.workload}@{r.nr_live}", r.variant, f"{r.mean:,.0f}", f"{r.worst:,}", r.error]
            for r in rows
        ],
    )


def _as_json(trial: Trial) -> dict[str, Any]:
    from iova_lab import comparison

    finding = trial.finding
    return {
        "files": [
            {
                "file": subject.shown,
                "right": subject.all_done,
                "checked": subject.facts,
            }
            for subject in trial.checked
        ],
        "finding": finding.as_json() if finding else None,
        "before": trial.before.as_json() if trial.before else None,
        "notes": trial.notes,
        "unfit_for_times": trial.unfit,
        "counts": [row.row() for row in trial.counted],
        "comparison": json.loads(comparison.as_json(trial.measured)) if trial.measured else None,
        "timed": bool(trial.measured and _is_timed(trial.measured)),
        "kernel": [asdict(row) for row in trial.in_kernel],
        "out": str(trial.out),
    }
