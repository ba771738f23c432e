"""What does the text of each kernel release count?

Rows of ``counts.jsonl`` are exact, the same on every machine whatever its load; instructions depend
on the compiler.  ``texts.jsonl`` has a digest of each file that was compiled, and no text.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import msgspec

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError, NoResultsError
from iova_lab.basics.reading import packed, read_rows
from iova_lab.basics.writing import write_rows
from iova_lab.measuring import counts
from iova_lab.measuring.cells import NODE_BUDGET, sizes_up_to
from iova_lab.measuring.instructions import per_op
from iova_variants import LINUX, OWN

#: What is measured if nobody names another: Debian's series of today, where apt has them.
SOURCES = ("debian-6.1", "debian-6.12", "debian-7.2", "debian-7.3")
#: The common case first, then searches that walk; with instructions, and in the tables.
CELLS = (
    *("near_empty@100", "trace_6_1@100", "trace_6_12@100", "ring@10000"),
    *("random_replace@10000", "full_32bit@10000", "high_limit@10000"),
)
#: Behind the file's own per-CPU caches: what they are for, and what they can't serve.
BEHIND = OWN
RCACHE_CELLS = ("near_empty@100", "trace_6_1@100", "trace_6_12@100", "cross_cpu@1000")
#: What the name of a source stands behind where a variant is asked for.
PREFIX = LINUX
COUNTS, TEXTS = "counts.jsonl", "texts.jsonl"
COMMAND = "iova-lab linux releases"


@dataclass(frozen=True)
class Row:
    """One workload on the text of one source; figures are None where ``reason`` says why.

    ``rcache`` is "off" or "own"; ``hit_rate`` is that of "own".
    """

    source: str
    release: str
    workload: str
    nr_live: int
    rcache: str
    nodes: float | None = None
    worst: int | None = None
    refused: int | None = None
    needlessly: int | None = None
    bytes_per_range: float | None = None
    instructions: float | None = None
    hit_rate: float | None = None
    reason: str = ""

    @property
    def cell(self) -> str:
        """NAME@N."""
        return f"{self.workload}@{self.nr_live}"

    @property
    def is_shown(self) -> bool:
        """Does it have a row of its own on the page, or is it one of the grid?"""
        return self.rcache != "off" or self.cell in CELLS


@dataclass(frozen=True)
class Text:
    """The files of a source, a digest each."""

    source: str
    release: str
    files: dict[str, str]


def cells(largest: float = 0) -> list[tuple[str, str]]:
    """What is counted of each source: NAME@N, and the rcache in front.

    With every workload at 100, 1,000, ... ``largest`` live ranges, without instructions.
    """
    grid = (f"{name}@{nr_live}" for name, nr_live in counts.cells(sizes_up_to(largest)))
    alone = dict.fromkeys((*CELLS, *grid))
    return [(cell, "off") for cell in alone] + [(cell, BEHIND) for cell in RCACHE_CELLS]


def measure(
    texts: Sequence[Text],
    results: Path,
    largest: float = 0,
    on_progress: Callable[[], object] = lambda: None,
) -> None:
    """Count all `cells` of sources into ``results``; other sources' rows there are kept.

    Each source is written when it is done.  Raises `SourceError`, `TextError`, and `ToolError`
    without valgrind.
    """
    for text in texts:
        rows = []
        for cell, rcache in cells(largest):
            rows.append(_count(text, cell, rcache))
            on_progress()
        _store(results, text, rows)


def _count(text: Text, cell: str, rcache: str) -> Row:
    workload, nr_live = workloads.split(cell)
    assert nr_live is not None
    stream, variant = workloads.generate(workload, nr_live), PREFIX + text.source
    row = Row(text.source, text.release, workload, nr_live, rcache)
    iova_variants.load(variant)
    try:
        found = counts.count(variant, stream, NODE_BUDGET, rcache=rcache, timeout=math.inf)
    except (
        iova_variants.VariantError,
        iova_variants.BuildError,
    ) as error:  # a text may have no caches
        return replace(row, reason=str(error))
    return replace(
        row,
        nodes=found.nodes_per_op,
        worst=found.worst,
        refused=found.nr_failures,
        needlessly=found.nr_spurious,
        bytes_per_range=found.bytes_per_range,
        instructions=per_op(variant, stream, rcache) if row.is_shown else None,
        hit_rate=found.hit_rate,
    )


def _store(results: Path, text: Text, rows: Sequence[Row]) -> None:
    """Put them in the place of what was stored of this source."""
    old = [asdict(row) for row in load(results) if row.source != text.source]
    new = [asdict(row) for row in rows]
    order = ("source", "rcache", "workload", "nr_live")
    path = results / COUNTS
    write_rows(packed(path), [*old, *new], lambda row: "\0".join(str(row[k]) for k in order))
    path.unlink(missing_ok=True)  # not packed, of an earlier version
    texts = [asdict(one) for one in load_texts(results)]
    write_rows(results / TEXTS, [*texts, asdict(text)], lambda row: str(row["source"]))


def load(results: Path) -> list[Row]:
    """Read the rows, in the order of the releases; none without a file.  Raises `FileError`."""
    found = read_rows(results / COUNTS, Row, written_by=COMMAND)
    return sorted(msgspec.convert(found, list[Row]), key=lambda row: order(row.release))


def load_texts(results: Path) -> list[Text]:
    """Read the texts, in the order of the releases; none without a file.  Raises `FileError`."""
    found = read_rows(results / TEXTS, Text, written_by=COMMAND)
    return sorted(msgspec.convert(found, list[Text]), key=lambda row: order(row.release))


def require(results: Path) -> tuple[list[Row], list[Text]]:
    """Read rows and texts of two releases or more.

    Raises `NoResultsError`; `InvalidValueError` where the files are not of the same sources.
    """
    rows, texts = load(results), load_texts(results)
    if len({row.source for row in rows}) < 2:
        raise NoResultsError(f"{results}/{COUNTS} has no two releases: {COMMAND} counts them")
    if {row.source for row in rows} != {text.source for text in texts}:
        raise InvalidValueError(
            f"{results}: {COUNTS} and {TEXTS} are of different sources: {COMMAND} writes both"
        )
    return rows, texts


def order(release: str) -> tuple[list[int], str]:
    """By number: v6.12 comes after v6.1."""
    head = release.removeprefix("v").partition("-")[0]
    return [int(part) for part in head.split(".") if part.isdigit()], release
