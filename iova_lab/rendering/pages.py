"""Pages for a repository and a browser, from one text.

A template is rendered as Markdown, with tables and figures, and the HTML beside it is made from
that; both work from file://.  The same data gives the same bytes.

Every page has its question in its first line and the answer in the paragraph below, so the index
is made from the pages themselves.  Every page ends with a link to the glossary.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.anchors import anchors_plugin

from iova_lab.basics.errors import IovaLabError
from iova_lab.rendering import glossary

#: A page of the same folder tree: Markdown links to Markdown, HTML to HTML.
_LOCAL_PAGE = re.compile(r"^(?![a-z]+:)([^#]*)\.md(#.*)?$")
#: A figure: HTML shows the SVG, and Markdown the PNG, which is a fifth of its size.
_FIGURE = re.compile(r"(!\[[^\]]*\]\((?![a-z]+:)[^)]*)\.svg\)")
#: HTML links to a file that is made; Markdown names it, since git has Markdown, and none of these.
_MADE_LINK = re.compile(r"\[([^\]]+\.(?:csv|mbox))\]\(\1\)")


#: Characters of a line of text that need no scrolling.
SCREEN = 80
#: The page of a folder that leads to all others there.
INDEX = "index"


class PageError(IovaLabError, ValueError):
    """A page that does not begin with a question and its answer."""


@dataclass(frozen=True)
class Page:
    """One page in the index: its path, its question and its answer (Markdown)."""

    path: Path
    question: str
    answer: str


def write_page(
    out_dir: Path, stem: str, *, template: str = "", title: str = "", **data: Any
) -> Path:
    """Render ``template``.md.j2 (default: of ``stem``) as ``stem``.md and ``stem``.html.

    ``title`` is what a browser shows of the page; without it, its question.  A template shows SVG
    files and links to CSV files; the Markdown, which git has, works without them.  Returns the
    path of the HTML.  Raises `PageError` for a text that does not begin with question and answer.
    """
    text = _templates().get_template(f"{template or stem}.md.j2").render(**data) + "\n"
    _parse(Path(f"{stem}.md"), text)
    text += glossary.footer(out_dir)
    html = html_of(Path(f"{stem}.md"), text, title)
    out_dir.mkdir(parents=True, exist_ok=True)
    markdown = _MADE_LINK.sub(r"`\1`", _FIGURE.sub(r"\1.png)", text))
    (out_dir / f"{stem}.md").write_text(markdown, encoding="utf-8")
    path = out_dir / f"{stem}.html"
    path.write_text(html, encoding="utf-8")
    write_glossary(out_dir)
    return path


def write_glossary(folder: Path) -> None:
    """Write the page that the pages in ``folder`` link to, if there is a glossary."""
    if glossary.SOURCE.exists():
        text = glossary.SOURCE.read_text(encoding="utf-8")
        html = _page(glossary.LABEL, _html(text, keeps_links=False))
        (folder / glossary.NAME).write_text(html, encoding="utf-8")


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("iova_lab.rendering"),
        autoescape=False,  # of Markdown; what is HTML in it, the parser escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["table"] = table
    environment.filters["sources"] = sources
    return environment


def html_of(path: Path, text: str, title: str = "") -> str:
    """A page's Markdown as a page for a browser; ``path`` is for the message.

    Raises `PageError` for a text that does not begin with question and answer.
    """
    page = _parse(path, text)
    return _page(title or page.question, _html(text))


def _page(title: str, body: str) -> str:
    return fragment("page.html.j2", title=title, body=Markup(body)) + "\n"


def fragment(template: str, **data: Any) -> str:
    """Render a template of HTML that is a part of a page."""
    return _templates().get_template(template).render(**data)


def inline(text: str) -> str:
    """The HTML of one paragraph's Markdown, without links."""
    parser = MarkdownIt("commonmark", {"html": False}).disable(["link", "image", "autolink"])
    return str(parser.renderInline(text))


def read_page(path: Path) -> Page:
    """Take question and answer from a page's Markdown.  Raises `PageError`, `OSError`."""
    return _parse(path, path.read_text(encoding="utf-8"))


def _parse(path: Path, text: str) -> Page:
    blocks = MarkdownIt("commonmark").parse(text)
    inlines = [token for token in blocks if token.type == "inline"]
    is_question = len(blocks) > 3 and blocks[0].tag == "h1" and blocks[3].type == "paragraph_open"
    if not is_question or not inlines[0].content.endswith("?"):
        raise PageError(f"{path}: begins with no '# question?' and a paragraph that answers it")
    return Page(path, inlines[0].content, inlines[1].content)


def _html(text: str, keeps_links: bool = True) -> str:
    """The HTML of a page's Markdown; without the links to other files unless it ``keeps_links``."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.use(anchors_plugin, max_level=3)  # ids as the repository's own view gives them
    tokens = parser.parse(text)
    for token in tokens:
        if not keeps_links:
            token.children = [
                one for one in token.children or [] if not one.type.startswith("link")
            ]
        for link in token.children or []:
            _link_to_html(link)
    return str(parser.renderer.render(tokens, parser.options, {}))


def _link_to_html(token: Token) -> None:
    href = str(token.attrs.get("href", ""))
    target = _LOCAL_PAGE.match(href)
    if token.type == "link_open" and href.endswith("docs/glossary.md"):
        token.attrs["href"] = glossary.NAME
    elif token.type == "link_open" and target:
        token.attrs["href"] = f"{target[1]}.html{target[2] or ''}"


def find_pages(reports: Path) -> dict[str, list[Page]]:
    """Every page below ``reports``, by its folder: reports of machines, which have an index, first.

    Pages of a report's own parts (one per workload, one per variant) are left to its index.
    """
    found: dict[str, list[Page]] = {}
    paths = list(reports.glob("*/*.md"))
    machines = {path.parent for path in paths if path.stem == INDEX}
    paths.sort(key=lambda p: (p.parent not in machines, p.parent, p.stem != INDEX, p.stem))
    for path in paths:
        page = replace(read_page(path), path=path.relative_to(reports))
        found.setdefault(path.parent.name, []).append(page)
    return found


def sources(frame: pd.DataFrame) -> str:
    """How each result was made, of `iova_lab.measuring.provenance.table`, as a Markdown list."""
    lines = []
    for row in frame.to_dict("records"):
        name, command, *more = map(str, row.values())
        facts = [f"{key} {text}" for key, text in zip(list(row)[2:], more, strict=True)]
        lines.append(f"- {name}: {command}; {'; '.join(facts)}.")
    return "\n".join(lines)


def _numbers(column: pd.Series[str]) -> bool:
    """Does at least half of the column begin with a number, or stand for one that is not there?"""
    return bool(column.astype(str).str.match(r"[-+x]?\d|-?$").mean() >= 0.5)


def table(frame: pd.DataFrame) -> str:
    """Rows of text as a Markdown table: the first column and words to the left, numbers right.

    In the text the columns are aligned where a line is no wider than a screen.
    """
    align = ["left", *("right" if _numbers(frame[name]) else "left" for name in frame.columns[1:])]
    text = str(frame.to_markdown(index=False, disable_numparse=True, colalign=align))
    head, rule, *rows = text.splitlines()
    if len(head) <= SCREEN:
        return text
    rule = re.sub(r"-+", "---", rule)
    return "\n".join(re.sub(r" *\| *", " | ", line).strip() for line in (head, rule, *rows))
