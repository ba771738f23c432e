"""Does anything make the importer crash, hang, or write a trace that can't be read?

`make fuzz` asks 10^6 times, guided by coverage (fuzz_run.py); `make test` a few thousand times.

Real text of every tool is what mutations begin with.  `check_input` is what must hold of any bytes;
whatever broke it once is in tests/fuzz/, and is a test.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from iova_lab.traces.importer.source import ImportTextError, Source
from iova_lab.traces.importer.write import import_source
from iova_lab.traces.info import trace_info
from iova_lab.traces.trace import (
    forget_traces,
    has_fast_level,
    has_tree_level,
    read_fast_trace,
    read_trace,
)
from tests.support import approximate_texts

#: What broke it once.
FINDS = Path(__file__).parents[1] / "fuzz"
GOLDEN = Path(__file__).parents[1] / "golden" / "tracing"
_NR_SEED_LINES = 12
_PACKERS: list[Callable[[bytes], bytes]] = [
    gzip.compress,
    bz2.compress,
    lzma.compress,
    zstd.compress,
]
_MOST_LINES, _MOST_BYTES = 10_000, 1 << 20
_NUMBERS = [
    b"0x0",
    b"0x1",
    b"0xfffff",
    b"0xffffffff",
    b"0xffffffffffffffff",
    b"(fault)",
    b"99",
    b"",
]


def check_input(data: bytes, target: Path, *, read: bool = True) -> bool:
    """Import ``data`` into ``target``, and read that if it is to be; was there a trace in it?

    Raises whatever the importer should not have raised, and `AssertionError` for a message of more
    than one line, a file left behind, or a trace that can't be read.
    """
    forget_traces()
    target.unlink(missing_ok=True)
    try:
        done = import_source(Source("input", io.BytesIO(data), len(data)), target, kernel="6.12.0")
    except ImportTextError as error:
        one_line(str(error))
        assert not list(target.parent.iterdir()), "something was left behind"
        return False
    assert list(target.parent.iterdir()) == [target]
    for note in done.notes:
        one_line(note)
    if not read:
        return True
    if has_tree_level(target):
        read_trace(target)
    if has_fast_level(target):
        read_fast_trace(target)
    assert trace_info(target).nr_rows == done.nr_rows
    return True


def is_bomb(data: bytes) -> bool:
    """Does so little unpack to so much that it would only take time?"""
    nr_lines = nr_bytes = 0
    try:
        for line in Source("input", io.BytesIO(data), None).lines():
            nr_lines, nr_bytes = nr_lines + 1, nr_bytes + len(line)
            if nr_lines > _MOST_LINES or nr_bytes > _MOST_BYTES:
                return True
    except ImportTextError:
        pass
    return False


def one_line(text: str) -> None:
    """A message is one line that can be printed, and no novel."""
    assert text.isprintable(), text
    assert len(text) < 800, text


# ---- mutations that know what a line is ----


def mutate(data: bytes, rng: random.Random, other: Callable[[bytes], bytes] = bytes) -> bytes:
    """Change a text a little: its lines, its numbers, its packing, or by ``other`` its bytes."""
    kind = rng.randrange(8)
    if kind == 0 and len(data) < 1 << 14:
        return rng.choice(_PACKERS)(data)
    if kind <= 2:
        return other(data)
    lines = data.split(b"\n")
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    if kind == 3:
        lines.insert(to, lines[at])
    elif kind == 4:
        lines.insert(to, lines.pop(at))
    elif kind == 5:
        del lines[at]
    elif kind == 6:
        lines[at] = _other_number(lines[at], rng)
    else:
        lines[at] = other(lines[at])
    return b"\n".join(lines)


def _other_number(line: bytes, rng: random.Random) -> bytes:
    numbers = list(re.finditer(rb"0x[0-9a-f]+|\d+", line))
    if not numbers:
        return line
    match = rng.choice(numbers)
    return line[: match.start()] + rng.choice(_NUMBERS) + line[match.end() :]


def bytes_changed(data: bytes, rng: random.Random) -> bytes:
    """Other bytes in up to seven places."""
    changed = bytearray(data)
    for _ in range(rng.randrange(8) if changed else 0):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed)


def mutated(rng: random.Random) -> bytes:
    """One of the seeds, changed one to seven times."""
    data = rng.choice(seeds())
    for _ in range(rng.randrange(1, 8)):
        data = mutate(data, rng, lambda part: bytes_changed(part, rng))
    return data


@cache
def seeds() -> list[bytes]:
    """A few lines of the beginning, the middle and the end of each tool's text; some packed."""
    found: list[bytes] = []
    for path in sorted(GOLDEN.glob("*.txt.gz")):
        lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
        lines = [line for line in lines if b"iova_" in line]
        places = (0, len(lines) // 2, len(lines) - _NR_SEED_LINES)
        found += [b"".join(lines[at : at + _NR_SEED_LINES]) for at in places]
    found += [text.encode() for text in approximate_texts.EVERY.values()]
    return found + [pack(found[0]) for pack in _PACKERS]
