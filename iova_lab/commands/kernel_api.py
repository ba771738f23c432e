"""Does an allocator offer the kernel's IOVA API, as the kernel's own does?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from iova_lab.commands import mistakes
from iova_lab.commands.kernel import kernel, series_option
from iova_lab.rendering.console import print_table, progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from iova_lab.linux.conformance import Outcome

#: Of a case that a source did not come to.
_NOT_RUN = "-"


@kernel.command()
@click.argument("sources", nargs=-1)
@series_option
@click.option("--boot/--no-boot", default=True, help="In a booted kernel, or in user space.")
def api(sources: tuple[str, ...], series: str, boot: bool) -> None:
    """Call every function of the kernel's IOVA API on SOURCES, and what its callers call.

    SOURCES are "kernel" for the booted kernel's own, "candidate" for the lab's candidate behind
    the header of that kernel, and linux:SOURCE; in user space linux:SOURCE only.  Default: kernel
    and candidate.  Cases of which the last column names no file are what no caller does: they
    show what a source gives up.  Exit status 1 if another case fails.

    \b
    Examples:
      iova-lab kernel api --kernel 7.3
      iova-lab kernel api --no-boot linux:debian-6.12 linux:debian-6.12+candidate
    """
    from iova_lab.linux import conformance

    run: Callable[[str], Iterator[Outcome]] = conformance.run
    names = sources or ("kernel", "candidate")
    where = "user space"
    if boot:
        from iova_lab.kernel import api as booted
        from iova_lab.kernel import packages

        found = packages.get(series)
        where = f"kernel {found.release}"

        def run(name: str) -> Iterator[Outcome]:
            return booted.run(found, name)

    cases: dict[str, Outcome] = {}
    results: dict[str, dict[str, Outcome]] = {}
    with progress() as bar:
        for name in names:
            results[name] = {}
            task = bar.add_task(name, total=None)
            for outcome in run(name):
                cases.setdefault(outcome.case, outcome)
                results[name][outcome.case] = outcome
                bar.update(task, description=f"{name}: {outcome.case}")
            bar.remove_task(task)
    _print(cases, results)
    click.echo(f"{where}; {len(cases)} cases")
    mistakes.end(
        f"{name}: {outcome.case}: {outcome.reason}"
        for name, outcomes in results.items()
        for outcome in outcomes.values()
        if not outcome.passed and outcome.is_used
    )


def _print(cases: dict[str, Outcome], results: dict[str, dict[str, Outcome]]) -> None:
    rows = []
    for name, case in cases.items():
        words = [_word(outcomes.get(name)) for outcomes in results.values()]
        callers = ", ".join(case.callers) or ("any" if case.is_used else "none")
        rows.append([name, ", ".join(case.calls), *words, callers])
    print_table(["case", "calls", *results, "callers"], rows)


def _word(outcome: Outcome | None) -> str:
    if outcome is None:
        return _NOT_RUN
    if outcome.passed:
        return "pass"
    return "FAIL" if outcome.is_used else "no"
