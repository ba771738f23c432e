"""Plain text as mailing lists take it: ASCII, at most 72 columns and 120 lines."""

from __future__ import annotations

import textwrap

WIDTH = 72
LONGEST_NAME = 24
#: A list does not read more of one mail.
MOST_LINES = 120


def fill(text: str, indent: str = "", first: str | None = None) -> str:
    """Wrap one paragraph at 72 columns."""
    start = indent if first is None else first
    return textwrap.fill(
        text, WIDTH, initial_indent=start, subsequent_indent=indent, break_on_hyphens=False
    )


def joined(parts: list[str]) -> str:
    """Put paragraphs together.  Raises `ValueError` for a line that is too wide, or not ASCII."""
    text = "\n\n".join(parts) + "\n"
    for line in text.splitlines():
        if len(line) > WIDTH or not line.isascii():
            raise ValueError(f"mail text is wider than {WIDTH} columns, or not ASCII: {line!r}")
    return text


def shortened(text: str, path: str) -> str:
    """Cut a mail to `MOST_LINES`, with a last line that gives the page with the rest."""
    lines = text.splitlines()
    if len(lines) <= MOST_LINES:
        return text
    kept = lines[: MOST_LINES - 1]
    page = path.replace("mail.txt", "index.md").replace(".txt", ".md")
    return "\n".join([*kept, f"[{len(lines) - len(kept)} more lines: {page}]"]) + "\n"


def short(name: str) -> str:
    """Cut what is out of a long variant name, so that a table has room for numbers."""
    return name if len(name) <= LONGEST_NAME else f"{name[:16]}~{name[-7:]}"


def nr_lines(*texts: str) -> int:
    """Lines that these paragraphs take, with the empty one before each."""
    return sum(text.count("\n") + 2 for text in texts if text)


def cut(text: str, room: int, page: str) -> tuple[str, int]:
    """As much of ``text`` as has room, and the room that is left; ``page`` has all of it."""
    lines = text.splitlines()
    if len(lines) > room:
        nr_more = len(lines) - room + 1
        lines = [*lines[: room - 1], f"({nr_more:,} more lines: {page} has them)"]
    return "\n".join(lines), room - len(lines) - 1
