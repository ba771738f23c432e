"""Check that stored results exist, before a command imports what draws them."""

from __future__ import annotations

from pathlib import Path

from iova_lab.basics.errors import NoResultsError


def require(
    folder: Path, *patterns: str, command: str, what: str = "results", option: str = "--results"
) -> None:
    """Raise `NoResultsError` unless a file in ``folder`` matches each of ``patterns`` (globs).

    The files may be compressed.  ``command`` makes them, ``what`` names them, ``option`` names
    another folder.
    """
    for pattern in patterns:
        if not any(next(folder.glob(one), None) for one in (pattern, f"{pattern}.gz")):
            raise NoResultsError(
                f"no {what} in {folder.absolute()} ({pattern}): {command} writes them;"
                f" {option} names another folder"
            )
