"""Which reports are there, and what does each answer?  Taken from the pages themselves."""

from __future__ import annotations

from pathlib import Path

from iova_lab.basics.errors import NoResultsError
from iova_lab.rendering.pages import Page, read_page, write_page

INDEX = "index"


def find_pages(reports: Path) -> dict[str, list[Page]]:
    """Every page below ``reports``, by its folder: reports of machines, which have an index, first.

    Pages of a report's own parts (one per workload, one per variant) are left to its index.
    """
    found: dict[str, list[Page]] = {}
    paths = list(reports.glob("*/*.md"))
    machines = {path.parent for path in paths if path.stem == INDEX}
    paths.sort(key=lambda p: (p.parent not in machines, p.parent, p.stem != INDEX, p.stem))
    for path in paths:
        page = read_page(path)
        found.setdefault(path.parent.name, []).append(
            Page(path.relative_to(reports), page.question, page.answer)
        )
    return found


def write_contents(reports: Path) -> Path:
    """Write index.md and index.html into ``reports``; the path of the latter.

    Raises `PageError` for a page without a question, `NoResultsError` where there is none at all.
    """
    found = find_pages(reports)
    if not found:
        raise NoResultsError(f"{reports} has no pages: `make reports` writes them")
    nr_pages = sum(map(len, found.values()))
    return write_page(reports, INDEX, template="contents", nr_pages=nr_pages, folders=found)
