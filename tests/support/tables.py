"""Reading the tables of a page."""

from __future__ import annotations


def rows_of(text: str, heading: str) -> list[list[str]]:
    """Return the rows of the table under a heading, without its own head."""
    part = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    table = [line for line in part.splitlines() if line.startswith("|")]
    return [[word.strip() for word in line.strip("|").split("|")] for line in table[2:]]
