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
from typing import Any

import pandas as pd

from iova_lab import peng, promises
from iova_lab.errors import InvalidValueError
from iova_lab.results import ResultsError
from iova_lab.soak import real_variants

FILE = "promises.json"
COMMAND = "iova-lab promises --measure"


@dataclass(frozen=True)
class Measured:
    """The grid (see `promises.measure`), span in churn by variant, Peng's recipes as text."""

    largest: int
    grid: pd.DataFrame
    span: dict[str, float]
    sixths: pd.DataFrame
    recipes: pd.DataFrame
    notes: list[str]

    @property
    def sizes(self) -> list[int]:
        """Live ranges of the grid."""
        return promises.sizes_up_to(self.largest)


def nr_ticks(largest: int) -> int:
    """How many cells of the grid there are."""
    return len(promises.grid()) * len(promises.sizes_up_to(largest)) * len(real_variants())


def measure(largest: int, tick: Callable[[], object]) -> Measured:
    """Replay the grid up to ``largest`` live ranges; ``tick`` is called `nr_ticks` times."""
    sizes = promises.sizes_up_to(largest)
    if len(sizes) < 2:
        raise InvalidValueError(f"largest {largest}: growth needs two sizes, so at least 1000")
    grid = promises.measure(sizes, tick)
    table, notes = peng.recipes(max(sizes))
    return Measured(
        largest=largest,
        grid=grid,
        span={variant: promises.churn_span(variant) for variant in real_variants()},
        sixths=peng.sixths([size for size in sizes if size >= 1000]),
        recipes=table,
        notes=notes,
    )


def save(measured: Measured, results_dir: Path) -> Path:
    """Write it into ``results_dir``, whole or not at all; the path of the file."""
    tables = {name: getattr(measured, name) for name in ("grid", "sixths", "recipes")}
    data: dict[str, Any] = {
        "largest": measured.largest,
        "span": measured.span,
        "notes": measured.notes,
    }
    data |= {name: json.loads(frame.to_json(orient="split")) for name, frame in tables.items()}
    results_dir.mkdir(parents=True, exist_ok=True)
    partial = results_dir / f".{FILE}"
    partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return partial.replace(results_dir / FILE)


def load(results_dir: Path) -> Measured:
    """Read what `save` wrote.  Raises `ResultsError` with one line if it can't."""
    path = results_dir / FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        tables = {
            name: pd.read_json(io.StringIO(json.dumps(data.pop(name))), orient="split")
            for name in ("grid", "sixths", "recipes")
        }
        tables |= {name: tables[name].astype(str) for name in ("sixths", "recipes")}
        return Measured(**data, **tables)
    except OSError as error:
        raise ResultsError(f"{path}: {error.strerror}; `{COMMAND}` writes it") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ResultsError(
            f"{path}: not what `{COMMAND}` wrote ({error}); run that again"
        ) from None
