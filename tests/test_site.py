"""Is the site whole: every document, each link, search without a network, the dashboard in it?"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import asv_site
from tests.support.asv_site import ROOT

pytest.importorskip("sphinx", reason="pip install -e '.[site]'")

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the site is made of, with the dashboard of the other tests."""
    folder = tmp_path_factory.mktemp("site")
    names = asv_site.git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard").split("\n")
    for name in names:
        if (ROOT / name).is_file() and not name.startswith("tests/golden/"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    html = asv_site.shared(tmp_path_factory).html
    (folder / "build").mkdir()
    (folder / "build" / "html").symlink_to(html)
    return folder


def build(folder: Path, out: str) -> subprocess.CompletedProcess[str]:
    """`make site` without the dashboard and the links."""
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-j", "auto"]
    command += ["-c", "docs", "-d", f"{out}-doctrees", ".", out]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(copy: Path) -> Path:
    done = build(copy, "build/site")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return copy / "build" / "site"


def follow(site: Path) -> subprocess.CompletedProcess[str]:
    """Follow every link, as `make site` does."""
    (line,) = re.findall(
        r"\$\(BIN\)/(lychee .*) build/site$", (ROOT / "Makefile").read_text(), re.M
    )
    program = Path(sys.executable).parent / "lychee"
    command = [str(program), *line.replace("'", "").split()[1:], str(site)]
    return subprocess.run(command, capture_output=True, text=True)


def test_every_document_and_report_has_a_page(copy: Path, site: Path) -> None:
    names = asv_site.git(ROOT, "ls-files", "*.md", "docs/*.md", "reports/*.md").split("\n")
    for name in names:
        if not name.startswith(("changes/", "tests/", ".github/")):
            assert (site / name).with_suffix(".html").is_file(), name


def test_every_page_links_the_glossary_and_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = [path for path in site.rglob("*.html") if "dashboard" not in path.parts]
    assert len(pages) > 100
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert (
            re.search(r'href="([^"]*/)?glossary\.html["#]', text) or page.name == "glossary.html"
        ), page
        loaded = re.findall(r'<(?:script|img|link)\b[^>]*?\b(?:src|href)="(https?:[^"]*)"', text)
        assert loaded == [], page


def test_every_link_leads_somewhere_and_a_broken_one_is_found(site: Path) -> None:
    done = follow(site)
    assert done.returncode == 0, done.stdout + done.stderr
    page = site / "docs" / "glossary.html"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("</article>", '<a href="gone.html">x</a></article>'), "utf-8")
    try:
        done = follow(site)
    finally:
        page.write_text(text, "utf-8")
    assert done.returncode == 2
    assert "gone.html" in done.stdout + done.stderr


def test_the_dashboard_leads_to_the_pages_of_the_site_and_back(site: Path) -> None:
    dashboard = (site / "dashboard" / "index.html").read_text(encoding="utf-8")
    assert 'href="../reports/index.html"' in dashboard
    assert 'href="../index.html"' in dashboard
    assert '="reports/' not in dashboard
    assert not (site / "dashboard" / "reports").exists()
    ring = site / "reports" / asv_site.MACHINE / "workloads" / "ring.html"
    assert 'href="../../../dashboard/index.html#nodes.NodesMean' in ring.read_text(encoding="utf-8")


def test_a_link_to_a_page_that_is_not_there_is_an_error(copy: Path) -> None:
    page = copy / "docs" / "soak.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(f"{text}\n[x](gone.md)\n", encoding="utf-8")
    try:
        done = build(copy, "build/broken")
    finally:
        page.write_text(text, encoding="utf-8")
    assert done.returncode == 1
    assert "soak.md" in done.stderr
    assert "gone.md" in done.stderr
