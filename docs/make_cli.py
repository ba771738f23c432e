"""Write the table of docs/cli.md: every command, what it does, and what does the same from Python.

``make docs`` runs it.  A command says both in its help: the first sentence, and ``From Python:``; a
page docs/COMMAND.md, or of its plural, is linked.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import click

from iova_lab.commands.cli import main

PAGE = Path(__file__).resolve().parent / "cli.md"
HEAD = "| command | does | from Python |\n|---|---|---|\n"


def row(name: str, command: click.Command) -> str:
    """One command as a row."""
    text = " ".join(inspect.cleandoc(command.help or "").replace("\b", "").split())
    said = re.search(r"From Python: (.*?)\.(?: |$)", text)
    names = re.sub(r"iova_[\w.()]+", r"`\g<0>`", said[1]) if said else ""
    does = re.split(r"(?<=\.) ", text)[0]
    pages = [page for page in (f"{name}.md", f"{name}s.md") if PAGE.with_name(page).exists()]
    link = "".join(f" [{page}]({page})" for page in pages)
    return f"| `{name}` | {does}{link} |{names and f' {names}'} |\n"


def page() -> str:
    """The whole text, with the table of today's commands."""
    before, head, rest = PAGE.read_text(encoding="utf-8").partition(HEAD)
    if not head:
        raise SystemExit(f"{PAGE} has no table that begins with {HEAD.splitlines()[0]}")
    after = rest[rest.index("\n\n") :] if "\n\n" in rest else "\n"
    rows = "".join(row(name, one) for name, one in sorted(main.commands.items()))
    return before + head + rows.rstrip("\n") + after


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"cli: {PAGE}", file=sys.stderr)
