"""Do the committed pages say and draw what the committed results say?"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from iova_lab.rendering.pages import read_page
from iova_lab.reports.candidate.page import write_evidence
from iova_lab.reports.claims import write_claims
from iova_lab.reports.contention import write_contention
from iova_lab.reports.contents import write_contents
from iova_lab.reports.kinds import kinds
from iova_lab.reports.pathologies import write_pathologies
from iova_lab.reports.promises import write_promises
from iova_lab.reports.rcache import write_rcache
from iova_lab.reports.releases import write_releases
from tests.support.alike import assert_alike, files
from tests.support.committed import committed
from tests.support.drawn import draw_nothing

ROOT = Path(__file__).resolve().parent.parent
RESULTS, REPORTS = ROOT / "results", ROOT / "reports"

#: The files of a page that git has; `make reports` makes all.
KEPT = {".md", ".txt", ".png"}

WRITERS: dict[str, Callable[[Path], object]] = {
    "reference": lambda out: kinds()["reference"].write(RESULTS, out, machine="reference"),
    "claims": lambda out: write_claims(RESULTS, out),
    "promises": lambda out: write_promises(RESULTS / "promises", out),
    "candidate": lambda out: write_evidence(RESULTS, out),
    "contention": lambda out: write_contention(RESULTS / "contention", out),
    "pathologies": lambda out: write_pathologies(RESULTS, out),
    "rcache": lambda out: write_rcache(RESULTS / "rcache", out),
    "releases": lambda out: write_releases(RESULTS / "releases", out),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "part",
    [pytest.param(one, marks=[pytest.mark.long] * (one == "reference")) for one in sorted(WRITERS)],
)
def test_a_report_is_what_its_results_say(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_nothing(monkeypatch, svg_alone=True)  # none is kept
    WRITERS[part](tmp_path)
    kept = {path.relative_to(REPORTS / part) for path in committed(f"reports/{part}/*")}
    assert {path for path in files(tmp_path) if path.suffix in KEPT} == kept
    for name in sorted(kept):
        assert_alike(tmp_path / name, REPORTS / part / name)


def test_the_contents_name_every_committed_page(tmp_path: Path) -> None:
    for path in committed("reports/*/*.md"):
        target = tmp_path / path.relative_to(REPORTS)
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    write_contents(tmp_path)
    assert_alike(tmp_path / "index.md", REPORTS / "index.md")


@pytest.mark.parametrize("path", committed("reports/*.md"), ids=lambda path: path.stem)
def test_every_page_asks_answers_and_names_its_command(path: Path) -> None:
    assert read_page(path)
    text = path.read_text()
    assert "iova-lab " in text or "make " in text
    *_, link = re.findall(r"\[Glossary\]\((.*?)\)", text)
    assert (path.parent / link).samefile(ROOT / "docs" / "glossary.md")
