"""What breaks when every variant is asked everything, a hundred million times?

Chunks of random ops (soak_streams.py) are replayed (soak_chunk.py).  Every replay leaves one line
of JSON, so a soak can be stopped and taken up again.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
import pandas as pd
from rich import box
from rich.table import Column, Table

import iova_variants
from iova_lab.basics.reading import read_rows
from iova_lab.basics.writing import append_row, write_whole
from iova_lab.checking.soak_chunk import Line, run_chunk
from iova_lab.checking.soak_streams import Chunk, make_chunk
from iova_lab.measuring import provenance
from iova_variants import VariantError


class _Stored(msgspec.Struct):
    """A line as it lies in a file; ``built`` is the shared object that it was measured with."""

    built: str
    variant: str
    chunk: int
    nr_ops: int
    nr_verified: int
    nr_allocs: int
    nr_refused: int
    nr_judged: int
    nr_spurious: int | None
    nr_not_highest: int | None
    nr_above_limit: int | None


@dataclass
class Soak:
    """A soak: what it is made of, what is done, and what broke.

    Lines lie in ``out``, by seed and variant; those of an older build of a variant don't count.
    """

    variants: Sequence[str]
    seed: int
    nr_ops: int
    out: Path
    timeout: float
    done: dict[str, dict[int, Line]] = field(init=False)
    breaches: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.done = {variant: self._read(variant) for variant in self.variants}

    @property
    def nr_done(self) -> int:
        """Ops done so far, of all variants."""
        return sum(line["nr_ops"] for lines in self.done.values() for line in lines.values())

    def run(self, on_progress: Callable[[], None] = lambda: None) -> None:
        """Replay what is missing; ``on_progress`` is called as `nr_done` grows.

        A variant that breaks has its breach noted, and is left out of what follows.
        """
        lacking = dict.fromkeys(self.variants, self.nr_ops)
        for index in itertools.count():
            active = [name for name in lacking if lacking[name] > 0 and name not in self.breaches]
            if not active:
                break
            todo = [name for name in active if index not in self.done[name]]
            if todo:
                self._replay(todo, make_chunk(self.seed, index), on_progress)
            for name in active:
                if index in self.done[name]:
                    lacking[name] -= self.done[name][index]["nr_ops"]

    def _replay(
        self, variants: Iterable[str], chunk: Chunk, on_progress: Callable[[], None]
    ) -> None:
        for variant in variants:
            try:
                line = run_chunk(variant, chunk, timeout=self.timeout)
            except VariantError as error:
                where = f"--seed {self.seed} --chunk {chunk.index}"
                self.breaches[variant] = f"{error} (again: iova-lab soak {variant} {where})"
                continue
            self.done[variant][chunk.index] = line
            append_row(self._path(variant), {"built": _built(variant), **line})
            on_progress()

    def _path(self, variant: str) -> Path:
        return self.out / f"seed-{self.seed}" / f"{iova_variants.short_name(variant)}.jsonl"

    def _read(self, variant: str) -> dict[int, Line]:
        path, built = self._path(variant), _built(variant)
        lines = read_rows(path, _Stored, written_by="`iova-lab soak`")
        return {line["chunk"]: line for line in lines if line["built"] == built}

    def frame(self) -> pd.DataFrame:
        """One row per replay: the fields of its line."""
        return pd.DataFrame([line for lines in self.done.values() for line in lines.values()])


def store(run: Soak, path: Path, arguments: Sequence[str]) -> None:
    """Write what came out of a soak to ``path``, and how it was made.

    Per variant: ops, those verified, judged requests, what was wrong with them, and the breach or
    "".  ``nr_asked`` is what each variant was to be given; less was done if the soak was stopped.
    """
    made = provenance.here(arguments, run.variants)
    sums = ("nr_ops", "nr_verified", "nr_judged", "nr_spurious", "nr_not_highest", "nr_above_limit")
    done = {
        variant: {name: sum(line[name] or 0 for line in lines.values()) for name in sums}
        | {"breach": run.breaches.get(variant, "")}
        for variant, lines in run.done.items()
    }
    stored = asdict(made) | {"seed": run.seed, "nr_asked": run.nr_ops, "variants": done}
    write_whole(path, json.dumps(stored, indent=1, sort_keys=True) + "\n")


def _built(variant: str) -> str:
    """The shared object's name: it tells the variant's C file and all that is compiled with it."""
    return iova_variants.load(variant, build="counted").path.stem


# ---- what came out ----

#: Column of the table: what it counts, and in which count it is a share.
COLUMNS = {
    "ops": ("nr_ops", ""),
    "verified after each": ("nr_verified", "nr_ops"),
    "requests": ("nr_allocs", ""),
    "refused": ("nr_refused", "nr_allocs"),
    "reached the variant": ("nr_judged", ""),
    "spurious": ("nr_spurious", "nr_judged"),
    "not highest": ("nr_not_highest", "nr_judged"),
    "above limit": ("nr_above_limit", "nr_judged"),
    "endless": ("nr_endless", "nr_judged"),
}


def table(frame: pd.DataFrame) -> Table:
    """Sum up the replays of `Soak.frame`: counts, and shares of them.  It prints as markdown."""
    counts = (Column(name, justify="right") for name in COLUMNS)
    shown = Table("variant", *counts, box=box.MARKDOWN)
    if not len(frame):
        return shown
    totals = frame.groupby("variant").sum(numeric_only=True)
    for name, row in totals.iterrows():
        shown.add_row(str(name), *(_cell(row, *counted) for counted in COLUMNS.values()))
    return shown


def _cell(row: pd.Series, count: str, whole: str) -> str:
    if not whole or not row[count]:
        return f"{row[count]:,}"
    return f"{row[count]:,} ({row[count] / row[whole]:.2%})"
