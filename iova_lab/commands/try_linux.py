"""What does ``iova-lab try --linux`` compare: a tree with its commit, a range, a series?

And with which status does it end where `git bisect run` asks: 0 and 1 for an answer, 125 for a
commit that can't be asked, above 127 for what no other commit would mend.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from iova_lab.linux.series import Series

#: `git bisect run` leaves this commit out, or stops.
SKIP, STOP = 125, 128


def series_of(
    wanted: str, words: Sequence[str], base: str | None, patches: Sequence[Path]
) -> Series:
    """Read the options of the command; ``words`` are its arguments, a range or more patches.

    Raises `UsageError`, and what `iova_lab.linux.series` raises.
    """
    from iova_lab.linux import PREFIX, series

    wanted = wanted.removeprefix(PREFIX)
    if patches:
        return series.of_patches(wanted, [*patches, *map(Path, words)], base)
    if len(words) > 1:
        raise click.UsageError("--linux takes one range of commits REV1..REV2")
    return series.of_commits(wanted, words[0] if words else None, base)


def folder_of(wanted: str, words: Sequence[str], patches: Sequence[Path]) -> str:
    """Name of the folder for what is found."""
    if patches:
        return patches[0].stem
    name = "-".join([Path(wanted).expanduser().resolve().name, *words])
    return name.replace("/", "-")


def without_broken_base(found: Series) -> Series:
    """Leave out the first state if it can't be read or compiled: a bisection asks of the others."""
    import iova_variants
    from iova_lab.linux.errors import SourceError, TextError
    from iova_lab.linux.series import Series

    try:
        iova_variants.load(found.variants[0])
    except (SourceError, TextError) as error:
        return Series(found.variants[1:], (*found.notes, f"compared with nothing: {error}"))
    return found


@contextmanager
def bisect_status() -> Iterator[None]:
    """End with `SKIP` where a text does not compile or return, with `STOP` for other mistakes."""
    from iova_lab.basics.errors import IovaLabError
    from iova_variants import BuildError, VariantError

    try:
        yield
    except IovaLabError as error:
        click.echo(f"iova-lab: {error}", err=True)
        sys.exit(SKIP if isinstance(error, BuildError | VariantError) else STOP)


def fail_if(wanted: str, criteria: Sequence[str]) -> bool:
    """Count what criteria ask of ``linux:wanted``, a line each; true if one of them holds.

    Ends the process as `bisect_status` does.
    """
    from iova_lab.comparison import criterion
    from iova_lab.linux import PREFIX

    failed = False
    with bisect_status():
        for asked in [criterion.parse(text) for text in criteria]:
            value = asked.value(PREFIX + wanted.removeprefix(PREFIX))
            holds = asked.holds(value)
            failed |= holds
            answer = "holds" if holds else "does not hold"
            click.echo(f"{asked}: {answer}, it is {value:g}")
    return failed
