"""What does the lab add to what `asv publish` writes?

An asv plugin.  asv's page needs a network and a server, begins every graph with a history of eight
cells, and knows no report.  After asv has written its folder, the same folder gets the scripts it
would load from elsewhere, its data as scripts, a view for each benchmark and the reports; each in
a module of its own that takes the folder.  Nothing of asv's own files is taken away.
"""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path
from typing import Any

from asv.commands.publish import Publish
from asv.console import log
from asv.plugins.git import Git
from asv.util import UserError

from iova_lab.basics.errors import IovaLabError
from iova_lab.basics.reading import FileError
from iova_lab.measuring import asv_runs

WWW = Path(__file__).parent / "www"
SCRIPTS = ("files.js", "views.js", "lines.js", "intervals.js", "compare.js")
STYLE = "lab.css"
#: Without it a phone draws 980 pixels, and makes them small.
VIEWPORT = '<meta name="viewport" content="width=device-width, initial-scale=1">'

#: How asv names a file of results: the commit, then the environment.
RESULT = re.compile(r"[0-9a-f]{8}-.*\.json")

#: Ours follow asv.js, which makes $.asv, and precede asv's pages, which use it.
FIRST_PAGE_SCRIPT = r'<script\b[^>]*\bsrc="asv_ui\.js"'
END_OF_MENU = r'<li id="nav-li-graphdisplay">'
#: asv's first page gets an address of its own; the lab's comes first.
GRID_ITEM = '<li id="nav-li-" class="active"><a href="#/">Benchmark grid</a></li>'
ITEMS = """<li id="nav-li-" class="active"><a href="#/">Overview</a></li>
        <li id="nav-li-compare"><a href="#/compare">Side by side</a></li>
        <li id="nav-li-grid"><a href="#/grid">Benchmark grid</a></li>"""
BODY = r'<div id="summarygrid-display"'


def every_commit(repo: Git, branch: str | None = None) -> list[str]:
    """All commits that ``branch`` has, newest first.

    asv follows first parents alone, and results of a commit that came in by a merge would not be
    drawn.
    """
    text: str = repo._run_git(["rev-list", "--date-order", repo.get_branch_name(branch)])
    return text.split()


def unseen_results(results_dir: str, commits: set[str]) -> list[str]:
    """Machine and commit of all results whose commit is not among ``commits``."""
    from iova_lab.dashboard import intervals

    return sorted(
        f"{found.params['machine']}/{found.commit_hash[:8]}"
        for found in intervals.runs(Path(results_dir))
        if found.commit_hash not in commits
    )


def add_to_page(html: Path, menu: str, home: str = "") -> None:
    """Let asv's page load our scripts and style, and show ``menu`` in its bar, ``home`` first."""
    index = html / "index.html"
    page = index.read_text(encoding="utf-8")
    if GRID_ITEM not in page:
        raise UserError(f"asv's page has no {GRID_ITEM}: this is not asv 0.6.6, which we know")
    page = page.replace(GRID_ITEM, ITEMS)
    tags = "".join(f'<script src="lab/{name}"></script>\n    ' for name in SCRIPTS)
    style = f'  <link href="lab/{STYLE}" rel="stylesheet">\n  {VIEWPORT}\n  '
    places = (FIRST_PAGE_SCRIPT, tags), ("</head>", style), (END_OF_MENU, menu), (BODY, home)
    for place, addition in places:
        found = re.search(place, page)
        if not found:
            raise UserError(f"asv's page has no {place}: this is not asv 0.6.6, which we know")
        page = page[: found.start()] + addition + page[found.start() :]
    (html / "lab").mkdir(exist_ok=True)
    for name in (*SCRIPTS, STYLE):
        (html / "lab" / name).write_bytes((WWW / name).read_bytes())
    index.write_text(page, encoding="utf-8")


def add_scripts_of_data(html: Path) -> None:
    """Beside each JSON file the same as a script, for who opens the folder without a server."""
    for path in [*html.glob("*.json"), *(html / "graphs").rglob("*.json")]:
        script = f"iova_lab_data({path.read_text(encoding='utf-8').strip()});\n"
        path.with_name(path.name + ".js").write_text(script, encoding="utf-8")


def link_commits(conf: Any) -> None:
    """On GitHub, commits have a page each; elsewhere asv.conf.json would have to say where."""
    server, project = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    if server and project:
        conf.project_url = conf.project_url or f"{server}/{project}"
        conf.show_commit_url = conf.show_commit_url or f"{server}/{project}/commit/"


def finish(html: Path, results: Path, *reports: Path) -> None:
    """Add all that is ours to asv's folder; ``reports`` are copied in that order."""
    from iova_lab.dashboard import home, intervals, offline, report_pages, values, views

    values.per_op(html)
    found = intervals.write(html, results)
    lab = views.add_to_index(html, unmeasured=values.unmeasured(html), intervals=found)
    values.shorten_lists(html, lab["views"])
    for folder in reports:
        report_pages.copy(folder, html, lab)
    menu = report_pages.menu(html / "reports", lab["machines"])
    add_to_page(html, menu, home.write(html, lab))
    add_scripts_of_data(html)
    try:
        offline.add(html, cache=html.parent / "npm")
    except offline.OfflineError as error:
        log.warning(f"the dashboard needs a network to draw itself: {error}; then publish again")


_publish = Publish.run


def publish(conf: Any, range_spec: Any = None, pull: bool = True) -> None:
    """Do what asv does, for every commit, and then what we do."""
    try:
        asv_runs.check(Path(conf.results_dir))
    except FileError as error:
        raise UserError(str(error)) from None
    link_commits(conf)
    commits: set[str] = set()

    def remembered(repo: Git, branch: str | None = None) -> list[str]:
        found = every_commit(repo, branch)
        commits.update(found)
        return found

    first_parents = Git.get_branch_commits
    Git.get_branch_commits = remembered
    try:
        _publish(conf=conf, range_spec=range_spec, pull=pull)
    finally:
        Git.get_branch_commits = first_parents
    for name in unseen_results(conf.results_dir, commits) if range_spec is None else []:
        log.warning(
            f"not in the dashboard: {name}, for what is checked out does not have this commit"
            " (a shallow clone? git fetch --unshallow)"
        )
    # The committed ones, then those of this machine's results (`make bench`).
    try:
        folders = conf.html_dir, conf.results_dir, "reports", "build/reports"
        finish(*map(Path, folders))
    except IovaLabError as error:
        raise UserError(str(error)) from None


def is_about_results(record: logging.LogRecord) -> bool:
    """Leave out asv's line on folders of results/ that are other parts of the lab, no machines."""
    found = re.match(r"Skipping results: could not load (.*)/machine\.json", str(record.msg))
    return not found or any(RESULT.match(path.name) for path in Path(found[1]).iterdir())


# asv has no place for a plugin after it has written index.json; its logger is the root logger.
Publish.run = staticmethod(publish)
logging.getLogger().addFilter(is_about_results)
