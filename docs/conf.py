"""The site: README.md, docs/ and reports/ as they lie here, and the dashboard, by Sphinx.

    sphinx-build -W --keep-going -c docs . build/site    # what `make site` runs

The sources are plain Markdown, which GitHub shows; what is only of the site is in this file: which
page stands below which, figures as SVG where `make reports` has written them, and links to the
dashboard on pages of the reports.  Sphinx reports a link that leads nowhere.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
#: What `asv publish` writes; without it the site has no dashboard.
DASHBOARD = ROOT / "build" / "html"
#: Where a browser begins; a copy of the root page, since Sphinx names pages as their sources.
START = "index.html"

project = "iova-lab"
author = "the authors of iova-lab"
extensions = ["myst_parser"]
root_doc = "README"
source_suffix = {".md": "markdown"}
include_patterns = ["*.md", "docs/**.md", "reports/**.md"]
exclude_patterns = ["docs/**.py"]
highlight_language = "none"
myst_heading_anchors = 3
myst_links_external_new_tab = False

html_theme = "furo"
html_title = "iova-lab"
html_favicon = "favicon.svg"
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_theme_options = {"navigation_with_keys": True}

#: Caption in the menu: its pages.
MENU = {
    "Use": (
        *("docs/try", "docs/linux", "docs/compare", "docs/diagnose", "docs/recording"),
        *("docs/traces", "docs/workloads", "docs/asv", "docs/asv-series", "docs/soak"),
        *("docs/worst", "docs/contention", "docs/kernel", "docs/kernel-io"),
    ),
    "Results": ("reports/index", "reports/changes"),
    "The candidate": ("docs/candidate", "docs/dropin", "docs/proof"),
    "Reference": (
        *("docs/glossary", "docs/cli", "docs/api", "docs/claims", "docs/promises"),
        *("docs/releases", "docs/architecture", "docs/decisions/README"),
    ),
    "Project": ("CONTRIBUTING", "SECURITY", "RELEASING", "CHANGELOG"),
}


def _found(pattern: str) -> list[str]:
    return sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.glob(pattern))


def _below(docname: str) -> list[str]:
    """The pages below one, as entries of a toctree; a page per workload or variant by its name."""
    path = Path(docname)
    folder = path.parent.as_posix()
    if docname == "docs/decisions/README":
        return [name for name in _found("docs/decisions/*.md") if name != docname]
    if docname == "reports/index":
        pages = _found("reports/*/*.md")
        machines = {Path(name).parent for name in pages if name.endswith("/index")}
        return [
            name for name in pages if name.endswith("/index") or Path(name).parent not in machines
        ]
    if path.parts[0] != "reports" or path.stem not in ("index", path.parent.name):
        return []
    beside = [name for name in _found(f"{folder}/*.md") if name != docname]
    parts = _found(f"{folder}/*/*.md")
    return [
        *(beside if path.stem == "index" else []),
        *(f"{_label(name)} </{name}>" for name in parts),
    ]


def _label(docname: str) -> str:
    path = Path(docname)
    return path.parent.name if path.stem == "compare" else path.stem


def _toctree(caption: str, entries: list[str]) -> str:
    lines = ["", "", "```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), ""]
    lines += [entry if entry.endswith(">") else f"/{entry}" for entry in entries]
    return "\n".join([*lines, "```", ""])


def add_menu(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give a page the menu of what is below it."""
    if docname == root_doc:
        source[0] += "".join(_toctree(caption, list(pages)) for caption, pages in MENU.items())
    elif entries := _below(docname):
        source[0] += _toctree("", entries)


def show_svg(app: Sphinx, doctree: nodes.document) -> None:
    """Show the SVG of a figure where there is one; git has the PNG."""
    folder = Path(app.env.doc2path(app.env.docname)).parent
    for image in doctree.findall(nodes.image):
        svg = Path(image["uri"]).with_suffix(".svg")
        if (folder / svg).is_file():
            image["uri"] = svg.as_posix()


def link_folders(app: Sphinx, doctree: nodes.document) -> None:
    """Lead a link to a folder of the repository to GitHub if the site is built there.

    Elsewhere only its words are left, since a site has no page of a folder.
    """
    folder = Path(app.env.doc2path(app.env.docname)).parent
    server, project = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    for link in list(doctree.findall(addnodes.pending_xref)):
        path = (folder / link["reftarget"]).resolve()
        if not path.is_dir():
            continue
        if server and project:
            tree = f"{server}/{project}/tree/{os.environ.get('GITHUB_SHA', 'HEAD')}"
            found = nodes.reference(refuri=f"{tree}/{path.relative_to(ROOT).as_posix()}")
            link.replace_self(found)
            found.extend(link.children)
        else:
            link.replace_self(link.children)


def _lab() -> dict[str, Any] | None:
    """What the lab has added to the dashboard's index; None without a dashboard."""
    path = DASHBOARD / "index.json"
    if not path.is_file():
        return None
    lab: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["iova_lab"]
    return lab


def add_links(app: Sphinx, name: str, template: str, context: dict[str, Any], tree: Any) -> None:
    """Above the first page and those of the reports: the dashboard, with a workload's graphs."""
    from iova_lab.dashboard import report_pages

    lab = _lab()
    if lab is not None and name.startswith(("reports/", root_doc)) and "body" in context:
        page = Path(name.removeprefix("reports/"))
        dashboard = Path(*[".."] * name.count("/"), "dashboard", "index.html")
        context["body"] = report_pages.bar(page, dashboard, lab) + context["body"]


def add_dashboard(app: Sphinx, failed: Exception | None) -> None:
    """Put the dashboard beside the pages, with links to the pages of the site."""
    from iova_lab.dashboard import report_pages

    out = Path(app.outdir)
    if failed is not None or app.builder.format != "html":
        return
    shutil.copyfile(out / f"{root_doc}.html", out / START)
    shutil.rmtree(out / "dashboard", ignore_errors=True)
    if _lab() is not None:
        ignored = shutil.ignore_patterns("reports")
        shutil.copytree(DASHBOARD, out / "dashboard", ignore=ignored)
        report_pages.lead_to(out / "dashboard", "../")


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the functions above to Sphinx."""
    app.connect("source-read", add_menu)
    app.connect("doctree-read", show_svg, priority=100)  # before Sphinx collects the images
    app.connect("doctree-read", link_folders)
    app.connect("html-page-context", add_links)
    app.connect("build-finished", add_dashboard)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
