"""Does anything make `iova-lab diagnose` crash, hang, or print what is no line?

`make fuzz` asks 10^6 times; `make test` a few hundred times.  Texts of every kind that is read are
what mutations begin with.  `check_input` is what must hold of any bytes; whatever broke it once is
a test in tests/test_diagnose.py.
"""

from __future__ import annotations

import io
import json
import random
import re
from collections.abc import Callable
from functools import cache

from iova_lab.diagnosis import Diagnosis, sections
from iova_lab.diagnosis.diagnosing import of
from iova_lab.diagnosis.reading import read_source
from iova_lab.diagnosis.seen import MOST_OF_A_SIGN, SIGNS, Seen
from iova_lab.traces.importer.source import ImportTextError, Source
from tests.support import approximate_texts, fuzz_importer
from tests.support.symptoms import TEXTS

_COMMAND = "command"


def check_input(data: bytes, *, printed: bool = True) -> bool:
    """Diagnose ``data``, and print it in each form if it is to be; was anything seen in it?

    Raises whatever the diagnosis should not have raised, and `AssertionError` for a message of more
    than one line, or more observations than are kept.
    """
    seen = Seen()
    try:
        read_source(seen, Source("input", io.BytesIO(data), len(data)), "input")
    except ImportTextError as error:
        fuzz_importer.one_line(str(error))
        return False
    found = of(seen, ("input",))
    if printed:
        json.loads(json.dumps(found.as_json(), allow_nan=False))
        _printed(found)
    assert all(place.quote.isprintable() for one in seen.observations for place in one.places)
    assert len(seen.observations) < MOST_OF_A_SIGN * len(SIGNS)
    return bool(seen.observations)


def _printed(found: Diagnosis) -> None:
    blocks = list(sections.blocks(found))
    for block, line in sections.lines(blocks):
        assert not line or line.isprintable(), line
        assert len(line) <= 80 or block.kind == _COMMAND or " " not in line.strip(), line
    assert sections.markdown(blocks, "Diagnosis").startswith("# Diagnosis\n")


@cache
def seeds() -> tuple[bytes, ...]:
    """A text of every kind that is read."""
    texts = [one.text for one in TEXTS.values()] + list(approximate_texts.EVERY.values())
    return tuple(text.encode() for text in texts)


def mutate(data: bytes, rng: random.Random) -> bytes:
    """Change a text a little: its lines, its numbers, its packing, its bytes, or mix two texts."""
    return fuzz_importer.mutate(data, rng, lambda part: _changed(part, rng))


def mutated(rng: random.Random) -> bytes:
    """One of the seeds, changed one to nine times."""
    data = rng.choice(seeds())
    for _ in range(rng.randrange(1, 10)):
        data = mutate(data, rng)
    return data


def _changed(data: bytes, rng: random.Random) -> bytes:
    kind = rng.randrange(3)
    if kind == 0:
        return fuzz_importer.bytes_changed(data, rng)
    if kind == 1:
        at = rng.randrange(len(data) + 1)
        return data[:at] + rng.choice(seeds())[: rng.randrange(900)] + data[at:]
    digits: Callable[[re.Match[bytes]], bytes] = lambda match: match[0] * rng.randrange(5)  # noqa: E731
    return re.sub(rb"\d+", digits, data, count=rng.randrange(4))
