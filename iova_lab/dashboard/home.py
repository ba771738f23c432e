"""The dashboard's first page: which allocators, which workloads, and what was found.

asv begins with a grid of small lines through all commits.  The lab puts a page before it, made of
what the reports' pages answer, with links to these pages, to the graphs and to the C sources.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from iova_lab.dashboard.report_pages import of_workload
from iova_lab.dashboard.views import address
from iova_lab.measuring import catalogue
from iova_lab.rendering.pages import Page, find_pages, fragment, inline, read_page

#: Below the published folder.
SOURCES = "sources"
OVERVIEW = "lab/overview"
BASE = "mainline"
#: Benchmarks whose graphs a workload links to, and the words of the links.
GRAPHS = {
    "nodes.NodesMean.track_nodes_per_op": "nodes",
    "nodes.NodesWorst.track_worst_op": "worst op",
    "latency.Latency.time_window": "time",
}


@dataclass(frozen=True)
class Row:
    """An allocator or a workload: what it is, what was found, and links (address by words)."""

    name: str
    summary: str
    found: str
    links: dict[str, str]


def write(html: Path, lab: dict[str, Any]) -> str:
    """The page in HTML, for asv's index.html in ``html``; empty without a report of a machine.

    Writes the picture and the sources that it shows beside it.
    """
    reports = html / "reports"
    machine = next((one for one in lab["machines"] if (reports / one / "index.md").is_file()), None)
    if machine is None:
        return ""
    pages = chain(*find_pages(reports).values())
    return fragment(
        "home.html.j2",
        report=_shown(read_page(reports / machine / "index.md")),
        machine=machine,
        picture=_picture(reports / machine / "figures", html),
        # The answers of the first page's own stand above.
        pages=[_shown(page) for page in pages if page.path.stem != "index"],
        variants=list(_variants(reports / machine, html)),
        workloads=list(_workloads(reports / machine, lab, machine)),
    )


def _shown(page: Page) -> Page:
    """A page with its answer in HTML."""
    return Page(page.path.with_suffix(".html"), page.question, inline(page.answer.strip("*")))


def _picture(figures: Path, html: Path) -> str | None:
    """Copy the overview, as SVG if there is one; its path below ``html``."""
    for suffix in (".svg", ".png"):
        if (figures / f"overview{suffix}").is_file():
            (html / OVERVIEW).parent.mkdir(exist_ok=True)
            shutil.copyfile(figures / f"overview{suffix}", html / f"{OVERVIEW}{suffix}")
            return f"{OVERVIEW}{suffix}"
    return None


def _answers(folder: Path, known: Iterable[str]) -> dict[str, str]:
    """The answer of each page in ``folder`` by the page's name, of those that are known."""
    paths = {path.stem: path for path in folder.glob("*.md")}
    return {
        name: inline(read_page(paths[name]).answer.strip("*")) for name in known if name in paths
    }


def _variants(report: Path, html: Path) -> Iterator[Row]:
    names = catalogue.allocators()
    found = _answers(report / "variants", names)
    for name in names:
        links = {"source": source} if (source := _source(name, html)) else {}
        if name != BASE:
            links[f"beside {BASE}"] = f"#/compare?left={BASE}&right={name}"
        variant = catalogue.load(name)
        summary = f"{variant.summary} ({variant.kernel_release})" if variant else ""
        yield Row(name, summary, found.get(name, ""), links)


def _workloads(report: Path, lab: dict[str, Any], machine: str) -> Iterator[Row]:
    names = lab["workloads"]
    found = _answers(report / "workloads", names)
    for name in names:
        links = {
            words: "#" + address(benchmark, of_workload(view, machine, name))
            for benchmark, words in GRAPHS.items()
            if (view := lab["views"].get(benchmark)) and name in found
        }
        summary, _ = catalogue.words_of(name) or ("", "")
        yield Row(name, summary.replace("`", ""), found.get(name, ""), links)


def _source(name: str, html: Path) -> str | None:
    """Write a variant's C as a page; its path below ``html``, None for one without a file."""
    path = catalogue.source(name)
    if path is None:
        return None
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import CLexer

    page = html / SOURCES / f"{name}.html"
    page.parent.mkdir(exist_ok=True)
    formatter = HtmlFormatter(full=True, title=path.name, linenos="inline", lineanchors="line")
    text = highlight(path.read_text(encoding="utf-8"), CLexer(), formatter)
    page.write_text(text, encoding="utf-8")
    return f"{SOURCES}/{page.name}"
