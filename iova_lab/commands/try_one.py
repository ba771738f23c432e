"""Is my patch right, and what does it change?"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import click

from iova_lab.commands import try_linux, try_output, try_steps
from iova_lab.commands.arguments import C_FILE, FILE, FOLDER, VARIANT
from iova_lab.commands.try_steps import Trial


@click.command("try")
@click.argument("files", nargs=-1, type=C_FILE)
@click.option(
    "--against",
    multiple=True,
    type=VARIANT,
    help="Variant to compare with as well; may be given again.",
)
@click.option(
    "--patch",
    "patches",
    multiple=True,
    type=FILE,
    help="A unified diff, in place of files; with --linux more may follow.",
)
@click.option(
    "--linux",
    metavar="SOURCE",
    help="Try changes of the kernel's own iova.c: of a tree (see `iova-lab list --linux`).",
)
@click.option("--base", metavar="REV", help="With --linux: the commit of the tree to compare with.")
@click.option(
    "--mbox", multiple=True, type=FILE, help="With --linux: a patch series as it was mailed."
)
@click.option("--onto", type=VARIANT, default="mainline", help="Variant that --patch applies to.")
@click.option("--budget", default=120.0, help="Seconds in all: a hard limit.")
@click.option("--check-only", is_flag=True, help="Check, and measure nothing.")
@click.option("--count-only", is_flag=True, help="Count, and check and time nothing.")
@click.option(
    "--fail-if",
    "criteria",
    multiple=True,
    metavar="CRITERION",
    help="With --linux: exit status 1 if 'ring@1000.nodes > 20' holds.  Checks with --check-only.",
)
@click.option(
    "--kernel",
    is_flag=False,
    flag_value="6.12",
    metavar="[KERNEL]",
    help="Then run it in a booted kernel (Debian's 6.12 if none is given); past the budget.",
)
@click.option(
    "--out", type=FOLDER, help="Folder for failing streams and for the report.  Default: try/NAME."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
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
    count_only: bool,
    criteria: tuple[str, ...],
    kernel: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Check a C file of your own, then measure it against mainline.

    One file is compared with mainline.  Of two files, the second is compared with the first.  A
    diff is applied to a copy of a variant, and compared with that variant.

    With --linux the file is the kernel's own: that of a tree, compared with its last commit; the
    commits of a range REV1..REV2 that change it; or a series, applied to a copy.

    For a file with a fault, the op at which it fails and the shortest stream that shows it are
    printed.  A file without a fault is counted on every workload and timed on some.

    Exit status: 0 nothing wrong, 1 something is wrong with a file, 2 wrong usage, 130 interrupted.
    For `git bisect run`, --linux with --check-only or --fail-if exits with 125 where the file does
    not compile, and with 128 for other errors.

    From Python: iova_lab.checking.check(), iova_lab.comparison.

    \b
    Examples:
      iova-lab try my_variant.c
      iova-lab try before.c after.c
      iova-lab try my_variant.c --against alignable --against maple --budget 300
      iova-lab try --patch fix.diff --onto mainline
      iova-lab try --linux ~/src/linux
      iova-lab try --linux ~/src/linux v6.6..topic
      iova-lab try --linux ~/src/linux v6.6..topic --count-only
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
    if count_only and (check_only or criteria or kernel):
        raise click.UsageError("--count-only goes with no other check and no kernel")
    if criteria and (not linux or files or base or mbox or patches or against or kernel):
        raise click.UsageError("--fail-if goes with --linux SOURCE alone, or with --check-only")
    if linux and criteria and not check_only:
        sys.exit(int(try_linux.fail_if(linux, criteria)))
    if linux is None:
        trial = _subjects(files, patches[0] if patches else None, onto, against, out)
    else:
        with try_linux.bisect_status() if check_only else nullcontext():
            trial = _series(linux, files, base, [*mbox, *patches], against, out, check_only)
    if not check_only and not count_only:
        _warn(trial)
    interrupted = False
    try:
        if count_only:
            try_steps.count_only(trial)
        else:
            try_steps.run(trial, begun + budget, check_only, kernel)
    except KeyboardInterrupt:
        interrupted = True
    except Exception:
        try_output.report(trial, as_json)  # what was measured before it is not lost
        raise
    try_output.report(trial, as_json)
    taken = time.monotonic() - begun
    seconds = f"{taken:.0f} s"
    if interrupted or (trial.measured and trial.measured.partial == "interrupted"):
        click.echo(f"iova-lab: interrupted after {seconds}; what is above is whole", err=True)
        sys.exit(130)
    longer = f", of --budget {budget:g}: no check and no count is left out"
    click.echo(f"{seconds} in all{longer * (taken > budget and not kernel)}", err=True)
    if trial.failed or (linux and criteria and try_linux.fail_if(linux, criteria)):
        sys.exit(1)


def _warn(trial: Trial) -> None:
    """Name what makes times unreliable here, before minutes are spent on them."""
    from iova_lab.checking.doctor import unfit

    trial.unfit = unfit()
    if trial.unfit:
        reasons = "; ".join(trial.unfit)
        line = f"times are not reliable on this machine now ({reasons}); counts are exact"
        click.echo(try_output.filled(f"iova-lab: {line}", "  "), err=True)


def _subjects(
    files: Sequence[str],
    patch: Path | None,
    onto: str,
    against: Sequence[str],
    out: Path | None,
) -> Trial:
    """What is compared with what: the base first."""
    import iova_variants
    from iova_lab.checking.checks import subject_of
    from iova_lab.checking.patch import apply

    for name in against:
        iova_variants.load(name)
    if patch:
        out = out or Path("try") / patch.stem
        before, after = apply(patch, onto, out / "patched")
        return Trial([str(before), str(after), *against], out)
    for name in files:
        subject_of(name, Path())  # a mistake in a name shows before the long part
    out = out or Path("try") / iova_variants.find_source(files[-1]).stem
    first = [files[0]] if len(files) == 2 else ["mainline"]
    others = [name for name in against if name not in first]
    return Trial([*first, files[-1], *others], out)


def _series(
    wanted: str,
    words: Sequence[str],
    base: str | None,
    patches: Sequence[Path],
    against: Sequence[str],
    out: Path | None,
    check_only: bool,
) -> Trial:
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
    return Trial([*found.variants, *against], out, notes=found.notes, is_series=is_series)
