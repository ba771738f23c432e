"""C apart from its comments and its layout: what of a file the compiler looks at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

_COMMENT = re.compile(
    r"""("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|/\*.*?\*/|//[^\n]*|\\\n""", re.S
)
_TOKEN = re.compile(r""""(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|\w+|[^\w\s]""")
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*["<]([^">\n]+)[">]', re.M)


@cache
def bare(source: str) -> str:
    """``source`` as tokens with one space between them, and each directive on a line of its own."""
    text = _COMMENT.sub(lambda found: found[1] or " ", source)
    lines: list[str] = []
    tokens: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            lines.append(" ".join(tokens))
            lines.append(" ".join(line.split()))
            tokens = []
        else:
            tokens += _TOKEN.findall(line)
    lines.append(" ".join(tokens))
    return "\n".join(line for line in lines if line)


def includes(source: str) -> list[str]:
    """The names between the quotes or brackets of all ``#include`` lines."""
    return _INCLUDE.findall(source)


def with_headers(sources: Iterable[Path], folders: Iterable[Path]) -> list[Path]:
    """``sources`` and all headers they include that lie beside them or in ``folders``; sorted.

    Which of two files of one name a compiler takes depends on the order of ``folders``, as here.
    """
    folders = list(folders)
    found: dict[Path, None] = {}
    todo = list(sources)
    while todo:
        path = todo.pop()
        if path in found:
            continue
        found[path] = None
        for name in includes(path.read_text(encoding="utf-8")):
            candidates = [folder / name for folder in (path.parent, *folders)]
            todo += [one for one in candidates if one.is_file()][:1]
    return sorted(found)


def reached(start: str, texts: Mapping[str, str]) -> set[str]:
    """Names of the files of ``texts`` that ``start`` includes, itself among them."""
    found: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name in texts and name not in found:
            found.add(name)
            todo += includes(texts[name])
    return found
