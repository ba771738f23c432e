"""What was measured for the table of promises, and where is it kept?

One JSON file, so that the page is made of results alone.  All of it is counts: exact, and the same
on every machine for the same code.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pandas as pd

import iova_variants
from iova_lab.basics.reading import read_json
from iova_lab.basics.writing import write_whole
from iova_lab.checking import promises
from iova_lab.checking.promises import GridRow
from iova_lab.measuring import churn, peng
from iova_lab.measuring.cells import sizes_up_to
from iova_lab.measuring.frames import columns_of

#: Older revisions of results/ have it uncompressed.
FILE = "promises.json.gz"
COMMAND = "iova-lab promises --measure"


@dataclass(frozen=True)
class Measured:
    """The grid (see `promises.measure`), span in churn by variant, Peng's recipes as text.

    Its fields are the members of the file, in this order.
    """

    largest: int
    span: dict[str, float]
    notes: list[str]
    grid: pd.DataFrame
    sixths: pd.DataFrame
    recipes: pd.DataFrame


def nr_ticks(largest: int) -> int:
    """How many cells of the grid there are."""
    variants = iova_variants.names(fake=False)
    return len(promises.grid()) * len(sizes_up_to(largest)) * len(variants)


def measure(largest: int, on_progress: Callable[[], object]) -> Measured:
    """Replay the grid up to ``largest`` live ranges; ``on_progress`` is called `nr_ticks` times."""
    sizes = promises.at_least_two(largest)
    grid = promises.measure(sizes, on_progress)
    table, notes = peng.recipes(max(sizes))
    return Measured(
        largest=largest,
        grid=grid,
        span={variant: churn.span(variant) for variant in iova_variants.names(fake=False)},
        sixths=peng.sixths([size for size in sizes if size >= 1000]),
        recipes=table,
        notes=notes,
    )


def save(measured: Measured, results_dir: Path) -> Path:
    """Write it into ``results_dir``, whole or not at all; the path of the file."""
    text = json.dumps(
        vars(measured), default=lambda frame: json.loads(frame.to_json(orient="split"))
    )
    return write_whole(results_dir / FILE, f"{text}\n")


class _Frame(msgspec.Struct):
    """A table as `pandas.DataFrame.to_json` writes it with ``orient="split"``."""

    columns: list[str]
    index: list[int]
    data: list[list[str | float | None]]

    def __post_init__(self) -> None:
        if any(len(row) != len(self.columns) for row in self.data):
            raise ValueError("a row has not one value per column")

    def frame(self) -> pd.DataFrame:
        text = msgspec.json.encode(self).decode()
        return pd.read_json(io.StringIO(text), orient="split")


class _Grid(_Frame):
    """Rows of `promises.measure`."""

    data: list[GridRow]  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.columns != columns_of(GridRow):
            raise ValueError(f"the columns are not {', '.join(columns_of(GridRow))}")


class _Stored(msgspec.Struct):
    largest: int
    span: dict[str, float]
    notes: list[str]
    grid: _Grid
    sixths: _Frame
    recipes: _Frame


def path_in(results_dir: Path) -> Path:
    """Where the file is, or would be."""
    plain = results_dir / FILE.removesuffix(".gz")
    return plain if plain.exists() else results_dir / FILE


def load(results_dir: Path) -> Measured:
    """Read what `save` wrote.  Raises `FileError` with one line if it can't."""
    stored = read_json(path_in(results_dir), _Stored, written_by=f"`{COMMAND}`")
    texts = (table.frame().astype(str) for table in (stored.sixths, stored.recipes))
    return Measured(stored.largest, stored.span, stored.notes, stored.grid.frame(), *texts)
