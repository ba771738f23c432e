"""How do the dashboard and the reports lead to each other?

The published folder gets a copy of reports/, so that it is complete wherever it is put.  Only the
copy has links to the dashboard: in the repository, where reports are committed and the dashboard is
not, they would lead nowhere.
"""

from __future__ import annotations

import os
import re
import shutil
from html import escape
from pathlib import Path
from typing import Any

from iova_lab.dashboard.views import View, address

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
    shutil.copytree(reports, html / "reports", dirs_exist_ok=True)
    for original in reports.rglob("*.html"):
        page = html / "reports" / original.relative_to(reports)
        top = Path(os.path.relpath(html, page.parent))
        # asv's icon; without one, browsers ask the server's root for it.
        icon = f'<link rel="icon" href="{top / "swallow.ico"}">\n'
        bar = _bar(page.relative_to(html / "reports"), top / "index.html", lab)
        text = page.read_text(encoding="utf-8").replace("</head>", f"{icon}</head>", 1)
        text = BODY.sub(lambda body, bar=bar: body[0] + bar, text, count=1)  # type: ignore[misc]
        page.write_text(text, encoding="utf-8")


def _bar(page: Path, dashboard: Path, lab: dict[str, Any]) -> str:
    """The links on top of a page of the reports; one about a workload has its graphs, too."""
    links = {"Dashboard": str(dashboard)}
    machine, folder = page.parts[0], page.parent.name
    if machine in lab["machines"] and folder == "workloads" and page.stem in lab["workloads"]:
        for name, view in lab["views"].items():
            if "p-workload" in view:
                target = address(name, _of(view, machine, page.stem))
                links[name.split(".")[1]] = f"{dashboard}#{target}"
    items = [f'<a href="{escape(link)}">{escape(text)}</a>' for text, link in links.items()]
    return f'\n<nav style="{BAR}">{" · ".join(items)}</nav>'


def _of(view: View, machine: str, workload: str) -> View:
    """The same view of another workload, and of the machine that the report is about."""
    kept = {key: values for key, values in view.items() if key.startswith(("x-", "y-", "p-"))}
    return kept | {"p-workload": [repr(workload)], "machine": [machine]}
