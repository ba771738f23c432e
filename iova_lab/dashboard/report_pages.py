"""Links between the dashboard and the reports.

The published folder gets a copy of reports/, so that it is complete wherever it is put.  Git has
their Markdown and PNG files: where `make reports` has not written the HTML since, it is made of
these.  Only the copy has links to the dashboard: beside the originals there is none.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from iova_lab.dashboard.views import View, address
from iova_lab.rendering import glossary
from iova_lab.rendering.pages import html_of, write_glossary

BODY = re.compile(r"<body[^>]*>")
BAR = "font: .85rem system-ui, sans-serif; margin: .6rem 0"


def menu(reports: Path, machines: list[str]) -> str:
    """Items for the bar of asv's page: all reports, and the scaling report measured last."""
    items = [("reports/index.html", "Reports")]
    items += [(f"reports/{machine}/index.html", "Scaling report") for machine in machines]
    there = {label: path for path, label in reversed(items) if (reports.parent / path).is_file()}
    return "".join(
        f'<li><a href="{escape(there[label])}">{label}</a></li>\n        '
        for label in ("Reports", "Scaling report")
        if label in there
    )


def copy(reports: Path, html: Path, lab: dict[str, Any]) -> None:
    """Copy all of ``reports`` into ``html``/reports, with links to the dashboard in each page."""
    if not reports.is_dir():
        return
    target = html / "reports"
    shutil.copytree(reports, target, dirs_exist_ok=True)
    for original, text in _html_pages(reports):
        page = target / original.relative_to(reports)
        top = Path(os.path.relpath(html, page.parent))
        # asv's icon; without one, browsers ask the server's root for it.
        icon = f'<link rel="icon" href="{top / "swallow.ico"}">\n'
        links = bar(page.relative_to(target), top / "index.html", lab)
        text = BODY.sub(lambda body, links=links: body[0] + links, text, count=1)  # type: ignore[misc]
        page.write_text(text.replace("</head>", f"{icon}</head>", 1), encoding="utf-8")
        write_glossary(page.parent)
        terms = page.parent / glossary.NAME
        if terms.exists():
            text = terms.read_text(encoding="utf-8")
            terms.write_text(text.replace("</head>", f"{icon}</head>", 1), encoding="utf-8")


def lead_to(html: Path, top: str) -> None:
    """Let the dashboard in ``html`` lead to the reports of the folder ``top``, and to its start.

    ``top`` is relative to ``html``, as "../": the docs site has the reports among its pages.
    """
    index = html / "index.html"
    page = index.read_text(encoding="utf-8").replace('="reports/', f'="{top}reports/')
    reports = f'<li><a href="{top}reports/index.html">'
    start = f'<li><a href="{top}index.html">Documentation</a></li>\n        '
    index.write_text(page.replace(reports, start + reports, 1), encoding="utf-8")


def _html_pages(reports: Path) -> Iterator[tuple[Path, str]]:
    """Path and text of each page in HTML: the file, or made of Markdown where that is newer."""
    for markdown in reports.rglob("*.md"):
        page = markdown.with_suffix(".html")
        if page.exists() and page.stat().st_mtime_ns >= markdown.stat().st_mtime_ns:
            yield page, page.read_text(encoding="utf-8")
        else:
            yield page, html_of(markdown, markdown.read_text(encoding="utf-8"))


def bar(page: Path, dashboard: Path, lab: dict[str, Any]) -> str:
    """The links on top of a page of the reports; one about a workload has its graphs, too.

    ``page`` is its path below the reports, ``dashboard`` the dashboard's from there.
    """
    links = {"Dashboard": str(dashboard)}
    machine, folder = page.parts[0], page.parent.name
    if machine in lab["machines"] and folder == "workloads" and page.stem in lab["workloads"]:
        for name, view in lab["views"].items():
            if "p-workload" in view:
                target = address(name, of_workload(view, machine, page.stem))
                links[name.split(".")[1]] = f"{dashboard}#{target}"
    items = [f'<a href="{escape(link)}">{escape(text)}</a>' for text, link in links.items()]
    return f'\n<nav style="{BAR}">{" · ".join(items)}</nav>'


def of_workload(view: View, machine: str, workload: str) -> View:
    """The same view of another workload, and of the machine that the report is about."""
    kept = {key: values for key, values in view.items() if key.startswith(("x-", "y-", "p-"))}
    return kept | {"p-workload": [repr(workload)], "machine": [machine]}
