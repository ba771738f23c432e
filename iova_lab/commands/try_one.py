"""Is my patch right, and what does it change?"""

from __future__ import annotations

import json
import sys
import textwrap
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from iova_lab.commands import try_linux
from iova_lab.commands.arguments import C_FILE, VARIANT
from iova_lab.rendering.console import print_table, progress

if TYPE_CHECKING:
    from iova_lab import comparison
    from iova_lab.checking import Finding
    from iova_lab.checking.in_kernel import InKernel
    from iova_lab.checking.measuring import Counted
    from iova_lab.checking.subject import OnProgress, Subject
    from iova_lab.comparison.counting import Counts

#: Of the budget, what checks and counting may take before the clock starts.
CHECKS_SHARE = 0.35
#: What writing the report takes.
REPORT_S = 20.0


@dataclass
class _Trial:
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
    def failed(self) -> bool:
        """Is anything wrong with a file?"""
        broke = self.measured is not None and self.measured.has_failed
        return bool(self.finding) or broke or any(row.error for row in self.in_kernel)


@click.command("try")
@click.argument("files", nargs=-1, type=C_FILE)
@click.option(
    "--against", multiple=True, type=VARIANT, help="Measure this one too; may be given again."
)
@click.option(
    "--patch",
    "patches",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="A unified diff, in place of files; with --linux more may follow.",
)
@click.option(
    "--linux",
    metavar="SOURCE",
    help="Try changes of the kernel's own iova.c: of a tree (see `iova-lab list --linux`).",
)
@click.option("--base", metavar="REV", help="With --linux: the commit of the tree to compare with.")
@click.option(
    "--mbox",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --linux: a patch series as it was mailed.",
)
@click.option(
    "--onto", type=VARIANT, default="mainline", show_default=True, help="What --patch applies to."
)
@click.option("--budget", default=120.0, show_default=True, help="Seconds that it may take in all.")
@click.option("--check-only", is_flag=True, help="Check, and measure nothing.")
@click.option(
    "--fail-if",
    "criteria",
    multiple=True,
    metavar="CRITERION",
    help="With --linux: exit status 1 if 'ring@1000.nodes > 20' is so.  Checks with --check-only.",
)
@click.option(
    "--kernel",
    is_flag=False,
    flag_value="6.12",
    metavar="[SERIES]",
    help="Then run it in a booted Debian kernel (6.12 if none is given); past the budget.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for what breaks and for the report.  Default: try/NAME.",
)
@click.option("--json", "as_json", is_flag=True, help="All that was found as JSON on stdout.")
def try_command(
    files: tuple[str, ...],
    against: tuple[str, ...],
    patches: tuple[Path, ...],
    linux: str | None,
    base: str | None,
    mbox: tuple[Path, ...],
    onto: str,
    budget: float,
    check_only: bool,
    criteria: tuple[str, ...],
    kernel: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Check a C file of your own, then measure it against mainline.

    One file is compared with mainline; two are two states of one patch, and the second is compared
    with the first; a diff is applied to a copy of a variant, and compared with what it was.

    With --linux it is the kernel's own file: what lies in a tree, compared with its last commit;
    the commits of a range REV1..REV2 that change it; or a series, applied to a copy.

    What is wrong with a file is told with the op where it broke and the shortest stream that breaks
    it.  What is right is counted on every workload and timed on some, the common case first.

    Exit status: 0 nothing wrong, 1 something is wrong with a file, 2 wrong usage, 130 interrupted.
    For `git bisect run`, --linux with --check-only or --fail-if ends with 125 where the text does
    not compile, and with 128 for other errors.

    \b
    Examples:
      iova-lab try my_variant.c
      iova-lab try before.c after.c
      iova-lab try my_variant.c --against alignable --against maple --budget 300
      iova-lab try --patch fix.diff --onto mainline
      iova-lab try --linux ~/src/linux
      iova-lab try --linux ~/src/linux v6.6..topic
      iova-lab try --linux ~/src/linux --mbox series.mbox
      iova-lab try --linux debian-6.12 --patch fix.diff
      iova-lab try --linux . --fail-if 'random_replace@1000.nodes>100'
      iova-lab try my_variant.c --check-only --json
      iova-lab try my_variant.c --kernel 6.1
    """
    begun = time.monotonic()
    if linux is None and (base or mbox):
        raise click.UsageError("--base and --mbox go with --linux")
    if linux is None and (bool(files) == bool(patches) or len(files) > 2 or len(patches) > 1):
        raise click.UsageError("name one C file, or two, or a diff with --patch")
    if budget <= 0:
        raise click.UsageError(f"--budget {budget:g}: no time to do anything in")
    if criteria and (not linux or files or base or mbox or patches or against or kernel):
        raise click.UsageError("--fail-if goes with --linux SOURCE alone, or with --check-only")
    if linux and criteria and not check_only:
        sys.exit(int(try_linux.fail_if(linux, criteria)))
    if linux is None:
        trial = _subjects(files, patches[0] if patches else None, onto, against, out)
    else:
        with try_linux.bisect_status() if check_only else nullcontext():
            trial = _series(linux, files, base, [*mbox, *patches], against, out, check_only)
    if not check_only:
        _warn(trial)
    interrupted = False
    try:
        _run(trial, begun + budget, check_only, kernel)
    except KeyboardInterrupt:
        interrupted = True
    except Exception:
        _report(trial, as_json)  # what was measured before it is not lost
        raise
    _report(trial, as_json)
    taken = time.monotonic() - begun
    seconds = f"{taken:.0f} s"
    if interrupted or (trial.measured and trial.measured.partial == "interrupted"):
        click.echo(f"iova-lab: interrupted after {seconds}; what is above is whole", err=True)
        sys.exit(130)
    longer = f", of --budget {budget:g}: no check and no count is left out"
    click.echo(f"{seconds} in all{longer * (taken > budget and not kernel)}", err=True)
    if trial.failed or (linux and criteria and try_linux.fail_if(linux, criteria)):
        sys.exit(1)


def _warn(trial: _Trial) -> None:
    """Name what makes times unreliable here, before minutes are spent on them."""
    from iova_lab.checking.doctor import unfit

    trial.unfit = unfit()
    if trial.unfit:
        reasons = "; ".join(trial.unfit)
        line = f"times are not reliable on this machine now ({reasons}); counts are exact"
        click.echo(_filled(f"iova-lab: {line}", "  "), err=True)


def _filled(line: str, indent: str) -> str:
    """One line of text as lines of a terminal."""
    from iova_lab.checking.finding import WIDTH

    return textwrap.fill(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False)


def _subjects(
    files: Sequence[str],
    patch: Path | None,
    onto: str,
    against: Sequence[str],
    out: Path | None,
) -> _Trial:
    """What is compared with what: the base first."""
    import iova_variants
    from iova_lab.checking.checks import subject_of
    from iova_lab.checking.patch import apply

    for name in against:
        iova_variants.load(name)
    if patch:
        out = out or Path("try") / patch.stem
        before, after = apply(patch, onto, out / "patched")
        return _Trial([str(before), str(after), *against], out)
    for name in files:
        subject_of(name, Path())  # a mistake in a name shows before the long part
    out = out or Path("try") / iova_variants.find_source(files[-1]).stem
    first = [files[0]] if len(files) == 2 else ["mainline"]
    others = [name for name in against if name not in first]
    return _Trial([*first, files[-1], *others], out)


def _series(
    wanted: str,
    words: Sequence[str],
    base: str | None,
    patches: Sequence[Path],
    against: Sequence[str],
    out: Path | None,
    check_only: bool,
) -> _Trial:
    """The kernel's own file: what it was, and after each change."""
    import iova_variants

    found = try_linux.series_of(wanted, words, base, patches)
    if check_only and not (words or base or patches):
        found = try_linux.without_broken_base(found)
    for name in (*found.variants, *against):
        iova_variants.load(name)
    for note in found.notes:
        click.echo(f"iova-lab: {note}", err=True)
    out = out or Path("try") / try_linux.folder_of(wanted, words, patches)
    is_series = len(found.variants) > 1
    return _Trial([*found.variants, *against], out, notes=found.notes, is_series=is_series)


def _run(trial: _Trial, deadline: float, check_only: bool, kernel: str | None) -> None:
    from iova_lab import comparison

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
        plan = comparison.Plan(trial.variants[0], tuple(trial.variants[1:]))
        _count(trial, plan.labels, show(end_of_checks, 0.45))
        _measure(trial, deadline - REPORT_S - time.monotonic(), show(0.45, 1.0))
        if kernel:
            _kernel(trial, plan.labels, kernel, show(0.0, 1.0))


def _check(trial: _Trial, seconds: float, on_progress: OnProgress) -> None:
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


def _count(trial: _Trial, labels: Sequence[str], on_progress: OnProgress) -> None:
    from iova_lab.checking.measuring import count_all

    for row in count_all(trial.variants, labels, on_progress):
        trial.counted.append(row)


def _measure(trial: _Trial, seconds: float, on_progress: OnProgress) -> None:
    from iova_lab import comparison
    from iova_lab.checking.measuring import measure

    trial.measured = measure(trial.variants, seconds, on_progress)
    comparison.save(trial.measured, trial.out / "samples")
    comparison.write(trial.measured, trial.out)


def _kernel(trial: _Trial, labels: Sequence[str], series: str, on_progress: OnProgress) -> None:
    from iova_lab.checking.in_kernel import run

    for row in run(series, trial.variants, labels, on_progress):
        trial.in_kernel.append(row)


def _report(trial: _Trial, as_json: bool) -> None:
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
                click.echo(_filled(f"  {fact}", "    "))
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
    from iova_lab.checking.measuring import differs

    base, *others = counted[0].counts
    rows = [
        [f"{row.cell.workload}@{row.cell.nr_live}", label, *_pairs(row.counts[base], found)]
        for row in counted
        for label, found in row.counts.items()
        if label != base and differs(row.counts[base], found)
    ]
    columns = ["workload", "variant", "nodes/op", "worst op", "refused", "needlessly"]
    if len(others) == 1:
        rows, columns = [[row[0], *row[2:]] for row in rows], [columns[0], *columns[2:]]
    named = {row[0] for row in rows}
    same = [row for row in counted if f"{row.cell.workload}@{row.cell.nr_live}" not in named]
    click.echo(f"\nCounted, so exact: {base} -> {', '.join(others)}")
    if rows:
        print_table(columns, rows)
    if same:
        click.echo(f"the same in {len(same)} of {len(counted)} workloads")


def _pairs(before: Counts | str, after: Counts | str) -> list[str]:
    """Before and after, metric by metric; one number where they are equal."""
    from iova_lab.checking.measuring import shown

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


def _as_json(trial: _Trial) -> dict[str, Any]:
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
