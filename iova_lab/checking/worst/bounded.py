"""The worst op of the candidate that the search finds, beside the bound that docs/candidate.md has.

A long search goes on in parts: its state is a file, and each part adds seconds to those before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

import iova_variants
from iova_lab.basics.reading import Row
from iova_lab.basics.writing import append_row
from iova_lab.checking.worst.elites import Elites
from iova_lab.checking.worst.evolve import Search
from iova_lab.checking.worst.score import COSTS
from iova_lab.measuring.code_digest import code_digest
from iova_variants.opstream import Op, OpStream

BOUND = "bound.jsonl"
VARIANT = "candidate"
#: Live ranges at which the costliest genomes are replayed.
SIZES = (100, 1_000, 10_000)


class BoundRow(msgspec.Struct):
    """The most nodes that an alloc and a free visited at about so many live ranges.

    ``most_live`` is the most ranges that were live in the streams, of which the bound is.
    """

    variant: str
    code: str
    seed: int
    nr_tried: int
    seconds: float
    live: int
    most_live: int
    alloc: int
    free: int


def levels(nr_holes: int) -> int:
    """The most levels of a tree of so many holes, if every node is as empty as allowed."""
    return max(1, math.floor(2 + math.log(max(nr_holes, 1) / 30, 7)))


def most_visits(nr_live: int) -> int:
    """The most nodes that one op visits with so many live ranges, which leave a hole more."""
    return 5 * levels(nr_live + 1) + 5


def search_bound(
    results: Path, search: Search, seconds: float, on_progress: Callable[[], None] = lambda: None
) -> None:
    """Search until so many seconds are spent in all; then store a row for each of `SIZES`."""
    search.run(seconds=seconds, on_progress=on_progress)
    for nr_live in SIZES:
        append_row(results / BOUND, msgspec.to_builtins(_measured(search, nr_live)))


def _measured(search: Search, nr_live: int) -> BoundRow:
    most = {Op.ALLOC: 0, Op.FREE: 0}
    most_live = 0
    for stream in _streams(search.elites, nr_live):
        result = iova_variants.replay(search.setting.variant, stream, op_visits=True)
        kinds = stream.ops["op"]
        for kind in most:
            visits = result.op_visits[kinds == kind]
            most[kind] = max(most[kind], int(visits.max(initial=0)))
        steps = np.where(kinds == Op.FREE, -1, 1)
        most_live = max(most_live, int(np.cumsum(steps).max(initial=0)))
    variant = search.setting.variant
    return BoundRow(
        *(variant, code_digest(variant, "counted"), search.seed, search.nr_tried),
        round(search.seconds, 1),
        *(nr_live, most_live, most[Op.ALLOC], most[Op.FREE]),
    )


def _streams(elites: Elites, nr_live: int) -> list[OpStream]:
    """Streams of all genomes that are the costliest of a niche."""
    genomes = {elite.genome for goal, elite in elites.items() if goal.name in COSTS}
    streams = [genome.history(nr_live).stream() for genome in sorted(genomes, key=repr)]
    return [stream for stream in streams if len(stream.ops)]


def key(row: Row) -> str:
    """The last row of a search at a size is the one that counts."""
    return f"{row['variant']} {row['code']} {row['seed']} {row['live']:>9}"
