"""Files of any kind, line by line, through all readers, in bounded memory."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from iova_lab.diagnosis import own_trace, readers
from iova_lab.diagnosis.seen import Seen
from iova_lab.traces.importer.source import CUT, Source, open_source

#: A longer line is cut: no tool prints one, and a regular expression might take long.
LONGEST_LINE = 1 << 14
_BATCH = 128
#: What a mail puts before a line that it quotes, and colours of a terminal.
_AROUND = re.compile(
    rb"^(?:[ \t]?[>|](?=[ >|\t]|$) ?)+|\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]{0,200}\x07"
).sub

#: What a terminal obeys is shown as a question mark.
_SHOWABLE = bytes(
    byte if byte in b"\t" or (byte >= 32 and byte != 127) else ord("?") for byte in range(256)
)

#: Called now and then: the name of the file, and how far it is of how much, in bytes, if known.
OnProgress = Callable[[str, int, int | None], object]


def ignore(name: str, done: int, total: int | None) -> None:
    """Do without progress."""


def read(seen: Seen, path: Path | str, name: str, on_progress: OnProgress = ignore) -> None:
    """Read one file, or "-", into ``seen``; ``name`` is what places call it.

    Raises `ImportTextError`, `TraceError`, `OSError`.
    """
    if str(path) != "-" and zipfile.is_zipfile(path):
        own_trace.read(seen, Path(path), name)
        return
    with open_source(path) as source:
        read_source(seen, source, name if str(path) != "-" else source.name, on_progress)


def read_source(seen: Seen, source: Source, name: str, on_progress: OnProgress = ignore) -> None:
    """As `read`, of a text that is open."""
    lines = source.lines(lambda done: on_progress(source.name, done, source.size))
    read_lines(seen, name, lines)


def read_lines(seen: Seen, name: str, lines: Iterable[bytes]) -> None:
    """Give each line to the readers that want it."""
    every = [one(seen, name) for one in readers.classes()]
    words = readers.words()
    wanting: Sequence[readers.BaseReader] = []
    number, rest = 0, iter(lines)
    while batch := list(islice(rest, _BATCH)):
        # Most words are in no line of a batch: one search of all its bytes is the fastest.
        text = b"\n".join(batch)
        present = [word for word in words if word in text]
        for line in batch:
            number += 1
            if wanting or _has_one(line, present):
                wanting = _take(every, wanting, _clean(line), number)
    for one in every:
        one.end()
    seen.nr_lines += number


def _has_one(line: bytes, words: Sequence[bytes]) -> bool:
    # A generator costs three times as much here.
    found = False
    for word in words:
        found = found or word in line
    return found


def _take(
    every: Sequence[readers.BaseReader],
    wanting: Sequence[readers.BaseReader],
    line: bytes,
    number: int,
) -> list[readers.BaseReader]:
    """Give a line to the readers that it is for; those that want the next one, too."""
    chosen = [one for one in every if one in wanting or _has_one(line, one.WORDS)]
    return [one for one in chosen if one.take(line, number)]


def _clean(line: bytes) -> bytes:
    line = line.removesuffix(CUT)[:LONGEST_LINE].removesuffix(b"\r")
    if line.lstrip()[:1] in (b">", b"|") or b"\x1b" in line:
        line = _AROUND(b"", line)
    return line.translate(_SHOWABLE)
