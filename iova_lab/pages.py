"""How does one text become a page for a mail, a repository and a browser?

Written once as Markdown, with tables and figures; the HTML beside it is made of that, and both work
from file://.  The same data gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup


def write_page(out_dir: Path, stem: str, **data: Any) -> Path:
    """Render the template ``stem``.md.j2 with ``data``: ``stem``.md and ``stem``.html."""
    environment = Environment(
        loader=PackageLoader("iova_lab"),
        autoescape=False,  # of Markdown; what is HTML in it, the parser escapes
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["table"] = table
    text = environment.get_template(f"{stem}.md.j2").render(**data) + "\n"
    title = text.partition("\n")[0].removeprefix("# ")
    body = Markup(MarkdownIt("commonmark", {"html": False}).enable("table").render(text))
    page = environment.get_template("page.html.j2").render(title=title, body=body) + "\n"
    out_dir.mkdir(parents=True, exist_ok=True)
    (out_dir / f"{stem}.md").write_text(text, encoding="utf-8")
    path = out_dir / f"{stem}.html"
    path.write_text(page, encoding="utf-8")
    return path


def table(frame: pd.DataFrame) -> str:
    """Rows of text as a Markdown table: the first column to the left, the others to the right."""
    align = ["left", *["right"] * (len(frame.columns) - 1)]
    return str(frame.to_markdown(index=False, disable_numparse=True, colalign=align))
