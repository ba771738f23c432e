"""How does one text become a page for a mail, a repository and a browser?

Written once as Markdown, with tables and figures; the HTML beside it is made of that, and both work
from file://.  The same data gives the same bytes.

Every page asks its question in its first line and answers it in the paragraph below, so whoever
reads no further has what was measured, and an index can be made of the pages themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup
from mdit_py_plugins.anchors import anchors_plugin

from iova_lab.basics.errors import IovaLabError

#: A page of the same folder tree: Markdown links to Markdown, HTML to HTML.
_LOCAL_PAGE = re.compile(r"^(?![a-z]+:)([^#]*)\.md(#.*)?$")
#: A figure: HTML shows the SVG, and Markdown the PNG, which is a fifth of its size.
_FIGURE = re.compile(r"(!\[[^\]]*\]\((?![a-z]+:)[^)]*)\.svg\)")
#: HTML links to a CSV file; Markdown names it, since git has Markdown, and no CSV file of a page.
_CSV_LINK = re.compile(r"\[([^\]]+\.csv)\]\(\1\)")


class PageError(IovaLabError, ValueError):
    """A page that does not begin with a question and its answer."""


@dataclass(frozen=True)
class Page:
    """What an index says of a page: where it is, what it asks, what it answers (Markdown)."""

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
    html = html_of(Path(f"{stem}.md"), text, title)
    out_dir.mkdir(parents=True, exist_ok=True)
    markdown = _CSV_LINK.sub(r"`\1`", _FIGURE.sub(r"\1.png)", text))
    (out_dir / f"{stem}.md").write_text(markdown, encoding="utf-8")
    path = out_dir / f"{stem}.html"
    path.write_text(html, encoding="utf-8")
    return path


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("iova_lab.rendering"),
        autoescape=False,  # of Markdown; what is HTML in it, the parser escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["table"] = table
    return environment


def html_of(path: Path, text: str, title: str = "") -> str:
    """A page's Markdown as a page for a browser; ``path`` is for the message.

    Raises `PageError` for a text that does not begin with question and answer.
    """
    page = _parse(path, text)
    html = (
        _templates()
        .get_template("page.html.j2")
        .render(title=title or page.question, body=Markup(_html(text)))
    )
    return html + "\n"


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


def _html(text: str) -> str:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.use(anchors_plugin, max_level=3)  # ids as the repository's own view gives them
    tokens = parser.parse(text)
    for token in tokens:
        for link in token.children or []:
            _link_to_html(link)
    return str(parser.renderer.render(tokens, parser.options, {}))


def _link_to_html(token: Token) -> None:
    target = _LOCAL_PAGE.match(str(token.attrs.get("href", "")))
    if token.type == "link_open" and target:
        token.attrs["href"] = f"{target[1]}.html{target[2] or ''}"


def table(frame: pd.DataFrame) -> str:
    """Rows of text as a Markdown table: the first column to the left, the others to the right."""
    align = ["left", *["right"] * (len(frame.columns) - 1)]
    return str(frame.to_markdown(index=False, disable_numparse=True, colalign=align))
