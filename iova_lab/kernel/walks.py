"""How far does the worst request of the lock-up's recipe walk, by variant and live ranges?"""

from __future__ import annotations

from pathlib import Path

import msgspec
import pandas as pd

import iova_variants
from iova_lab.basics.errors import NoResultsError
from iova_lab.basics.reading import read_table
from iova_lab.basics.writing import write_whole
from iova_lab.kernel.lockup import stream
from iova_lab.measuring import rows
from iova_lab.measuring.counts import count
from iova_lab.measuring.frames import columns_of

WALKS = "lockup-walks.csv"
SIZES = (1_000, 10_000, 100_000, 1_048_575)


class _WalkRow(msgspec.Struct):
    variant: str
    nr_live: int
    nodes: int


def load_walks(results: Path) -> pd.DataFrame:
    """What `count_walks` left.  Raises `NoResultsError` if it has left nothing."""
    path = results / WALKS
    if not path.exists():
        raise NoResultsError(f"{path} is not there: `iova-lab kernel lockup` counts it")
    return read_table(path, _WalkRow, written_by=rows.LOCKUP)


def count_walks(results: Path) -> None:
    """Store `worst_nodes` in ``results``, whole or not at all."""
    write_whole(results / WALKS, worst_nodes().to_csv(index=False, lineterminator="\n"))


def worst_nodes() -> pd.DataFrame:
    """Nodes of the worst request of every variant, counted in user space: exact, in seconds."""
    names = iova_variants.names(fake=False)
    asked = {nr_live: stream(nr_live) for nr_live in SIZES}
    found = [(name, n, count(name, asked[n]).worst) for n in SIZES for name in names]
    return pd.DataFrame(found, columns=columns_of(_WalkRow))
