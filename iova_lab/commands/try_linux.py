"""What does ``iova-lab try --linux`` compare: a tree with its commit, a range, a series?"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from iova_lab.linux.series import Series


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
