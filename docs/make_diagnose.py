"""Write what `iova-lab diagnose` prints into docs/diagnose.md, below each input there.

``make docs`` runs it.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from pathlib import Path

from click.testing import CliRunner

from iova_lab.commands.cli import main

PAGE = Path(__file__).resolve().parent / "diagnose.md"
_BLOCK = r"\n\n```\n(.*?)```"
#: A name, its text, and what is printed of it.
_EXAMPLE = re.compile(
    rf"(`(\S+)` is:{_BLOCK}.*?`iova-lab diagnose \2` prints:\n\n```\n)(.*?)(```)", re.S
)


def printed(match: re.Match[str]) -> str:
    """An example with what is printed today."""
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path(match[2]).write_text(match[3], encoding="utf-8")
            shown = CliRunner().invoke(main, ["diagnose", match[2]]).stdout
        finally:
            os.chdir(here)
    return match[1] + shown + match[5]


def page() -> str:
    """The whole text, with today's output."""
    text, nr_examples = _EXAMPLE.subn(printed, PAGE.read_text(encoding="utf-8"))
    if not nr_examples:
        raise SystemExit(f"{PAGE} has no example: `NAME` is:, its text, and what is printed of it")
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"diagnose: {PAGE}", file=sys.stderr)
