"""Which reports are there, and what does each answer?  Taken from the pages themselves."""

from __future__ import annotations

from pathlib import Path

from iova_lab.basics.errors import NoResultsError
from iova_lab.rendering.pages import INDEX, find_pages, write_page


def write_contents(reports: Path) -> Path:
    """Write index.md and index.html into ``reports``; the path of the latter.

    Raises `PageError` for a page without a question, `NoResultsError` where there is none at all.
    """
    found = find_pages(reports)
    if not found:
        raise NoResultsError(f"{reports} has no pages: `make reports` writes them")
    nr_pages = sum(map(len, found.values()))
    return write_page(reports, INDEX, template="contents", nr_pages=nr_pages, folders=found)
