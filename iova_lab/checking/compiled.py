"""Which lines of a compiler's message are about the user's own file?"""

from __future__ import annotations

import re
from pathlib import Path

#: Complaints that are shown; the others mostly follow from the first.
MOST = 3

_HEAD = re.compile(
    r"^(?P<path>[^\s:][^:]*):(?P<at>\d+(:\d+)?): (?P<kind>fatal error|error|warning)"
)


def compiler_lines(message: str, source: Path) -> tuple[str, tuple[str, ...]]:
    """A headline, and the first complaints about ``source`` or a header beside it.

    Where none is about those (a function that a header of the lab asks for is missing), the first
    ones whatever they are about.  Paths are shortened to names.
    """
    headline, _, said = message.partition("\n")
    if not said:  # no compiler, say
        return headline, ()
    unknown = list(dict.fromkeys(re.findall(r"undefined reference to [`'](\w+)'", said)))
    if unknown:
        return _not_linked(unknown), ()
    blocks = _blocks(said.splitlines())
    own = [block for block in blocks if Path(block[0].split(":")[0]).parent == source.parent]
    chosen = own or blocks or [said.splitlines()]
    lines = [_short(line) for block in chosen[:MOST] for line in block]
    if len(chosen) > MOST:
        lines.append(f"... {len(chosen) - MOST} more")
    return "does not compile", tuple(lines)


def _not_linked(unknown: list[str]) -> str:
    if "iova_variant" in unknown:
        return "registers nothing: the file must end in IOVA_VARIANT(...)"
    names = ", ".join(f"{name}()" for name in unknown)
    return f"calls {names}, which neither the file nor the lab's <linux/...> headers have"


def _blocks(lines: list[str]) -> list[list[str]]:
    """Each complaint with what the compiler shows under it; notes and where-from lines go."""
    blocks: list[list[str]] = []
    keep = False
    for line in lines:
        if _HEAD.match(line):
            blocks.append([line])
            keep = True
        elif re.match(r"^ +(\d+ )? *\|", line) and keep:
            blocks[-1].append(line)
        else:
            keep = False
    return blocks


def _short(line: str) -> str:
    if head := _HEAD.match(line):
        return Path(head["path"]).name + line[head.end("path") :]
    return re.sub(r"/\S*/([\w.-]+\.[och])\b", r"\1", line)
