"""The steps of ``iova-lab try``: check the files, count all workloads, measure, boot a kernel."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from iova_lab.rendering.console import progress

if TYPE_CHECKING:
    from iova_lab import comparison
    from iova_lab.checking import Finding
    from iova_lab.checking.subject import OnProgress, Subject
    from iova_lab.comparison.trial import Counted
    from iova_lab.kernel.trial import InKernel

#: Of the budget, what checks and counting may take before the clock starts.
CHECKS_SHARE = 0.35
#: What writing the report takes.
REPORT_S = 20.0


@dataclass
class Trial:
    """All that is known so far; Ctrl-C leaves it as it is.

    ``is_series``: the first variant is what the others change, and what is wrong with it
    (``before``) is no fault of theirs.
    """

    variants: list[str]
    out: Path
    notes: tuple[str, ...] = ()
    is_series: bool = False
    unfit: list[str] = field(default_factory=list)
    checked: list[Subject] = field(default_factory=list)
    finding: Finding | None = None
    before: Finding | None = None
    counted: list[Counted] = field(default_factory=list)
    measured: comparison.Comparison | None = None
    in_kernel: list[InKernel] = field(default_factory=list)

    @property
    def labels(self) -> tuple[str, ...]:
        """A name for each variant, no two the same."""
        from iova_lab import comparison

        return comparison.Plan(self.variants[0], tuple(self.variants[1:])).labels

    @property
    def failed(self) -> bool:
        """Is anything wrong with a file?"""
        broke = self.measured is not None and self.measured.has_failed
        return bool(self.finding) or broke or any(row.error for row in self.in_kernel)


def run(trial: Trial, deadline: float, check_only: bool, kernel: str | None) -> None:
    """Take all steps until ``deadline``; what each finds is in ``trial`` at once."""
    with progress() as bar:
        task = bar.add_task("compiles", total=1.0)

        def show(begin: float, end: float) -> OnProgress:
            return lambda text, share: bar.update(
                task, description=text, completed=begin + share * (end - begin)
            )

        end_of_checks = 1.0 if check_only else CHECKS_SHARE
        _check(trial, deadline - time.monotonic(), show(0, end_of_checks))
        if trial.finding or trial.before or check_only:
            return
        _count(trial, show(end_of_checks, 0.45))
        _measure(trial, deadline - REPORT_S - time.monotonic(), show(0.45, 1.0))
        if kernel:
            from iova_lab.kernel import trial as booted

            trial.in_kernel.extend(booted.run(kernel, trial.variants, trial.labels, show(0.0, 1.0)))


def count_only(trial: Trial) -> None:
    """Count all workloads, and check and time nothing."""
    with progress() as bar:
        task = bar.add_task("counting nodes", total=1.0)
        _count(trial, lambda text, share: bar.update(task, completed=share))


def _check(trial: Trial, seconds: float, on_progress: OnProgress) -> None:
    """All files that are not the lab's own; what the first one breaks on is told, and no more."""
    import iova_variants
    from iova_lab.checking.checks import check_all, subject_of

    own = [name for name in trial.variants if iova_variants.is_foreign(name)]
    share = seconds * CHECKS_SHARE / len(own)
    for done, name in enumerate(own):
        subject = subject_of(name, trial.out, share)
        trial.checked.append(subject)

        def part(text: str, share: float, done: int = done) -> None:
            on_progress(text, (done + share) / len(own))

        finding = check_all(subject, part)
        if finding and trial.is_series and name == trial.variants[0]:
            trial.before = finding
        elif finding:
            trial.finding = finding
            return


def _count(trial: Trial, on_progress: OnProgress) -> None:
    from iova_lab.comparison.trial import count_all

    trial.counted.extend(count_all(trial.variants, trial.labels, on_progress))


def _measure(trial: Trial, seconds: float, on_progress: OnProgress) -> None:
    from iova_lab import comparison
    from iova_lab.comparison.trial import measure

    trial.measured = measure(trial.variants, seconds, on_progress)
    comparison.save(trial.measured, trial.out / "samples")
    comparison.write(trial.measured, trial.out)
