"""A page asks, answers, links to its own kind, and escapes what it was given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import pytest

from iova_lab.rendering import glossary, pages

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def templates(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Let pages come from this dict, beside the frame that all share."""
    own: dict[str, str] = {}
    shipped = jinja2.PackageLoader("iova_lab.rendering")
    both = jinja2.ChoiceLoader([jinja2.DictLoader(own), shipped])
    monkeypatch.setattr(pages, "PackageLoader", lambda _: both)
    return own


def html(tmp_path: Path, templates: dict[str, str], text: str, **data: Any) -> str:
    templates["one.md.j2"] = text
    return pages.write_page(tmp_path, "one", **data).read_text()


def test_question_and_answer_are_read_back(tmp_path: Path, templates: dict[str, str]) -> None:
    html(tmp_path, templates, "# Is it?\n\n**Yes**, in\ntwo lines.\n\nAnd more.")
    page = pages.read_page(tmp_path / "one.md")
    assert (page.question, page.answer) == ("Is it?", "**Yes**, in\ntwo lines.")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Is it?",
        "# It is\n\nYes.",
        "Is it?\n\nYes.",
        "# Is it?\n\n## Yes\n\nNo.",
        "# A?\n\n- b",
    ],
)
def test_a_page_without_question_or_answer_is_refused(
    tmp_path: Path, templates: dict[str, str], text: str
) -> None:
    with pytest.raises(pages.PageError, match="question"):
        html(tmp_path, templates, text)
    assert not list(tmp_path.iterdir())


def test_pages_link_to_pages_of_their_own_kind(tmp_path: Path, templates: dict[str, str]) -> None:
    links = "[a](../a.md#b) [d](https://example.org/d.md)"
    page = html(tmp_path, templates, f"# Is it?\n\n{links}")
    for target in ("../a.html#b", "https://example.org/d.md"):
        assert f'href="{target}"' in page
    assert "../a.md#b" in (tmp_path / "one.md").read_text()


def test_markdown_needs_no_svg_and_no_csv(tmp_path: Path, templates: dict[str, str]) -> None:
    text = "![a](b/c.svg) ![d](https://example.org/e.svg) [f.csv](f.csv)"
    page = html(tmp_path, templates, f"# Is it?\n\n{text}")
    for shown in ('src="b/c.svg"', 'src="https://example.org/e.svg"', 'href="f.csv"'):
        assert shown in page
    markdown = (tmp_path / "one.md").read_text()
    assert "\n![a](b/c.png) ![d](https://example.org/e.svg) `f.csv`\n" in markdown
    assert 'src="b/c.png"' in pages.html_of(tmp_path / "one.md", markdown)


def test_what_a_page_is_given_is_no_markup(tmp_path: Path, templates: dict[str, str]) -> None:
    frame = pd.DataFrame({"variant": ["<b>fast</b>"], "ns": ["1"]})
    page = html(tmp_path, templates, "# <i>Is</i> it?\n\nYes.\n\n{{ rows | table }}", rows=frame)
    assert "&lt;b&gt;fast&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "<i>" not in page


def test_every_page_links_to_the_glossary(tmp_path: Path, templates: dict[str, str]) -> None:
    page = html(tmp_path, templates, "# Is it?\n\nYes.")
    assert '<a href="glossary.html">Glossary</a>' in page
    assert "top-down first fit" in (tmp_path / "glossary.html").read_text()
    assert "](glossary.html)" in (tmp_path / "one.md").read_text()
    inside = ROOT / "reports" / "kernel"
    assert (inside / link(glossary.footer(inside))).samefile(ROOT / "docs" / "glossary.md")


def link(markdown: str) -> str:
    return markdown.partition("](")[2].partition(")")[0]
