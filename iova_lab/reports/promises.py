"""The page of promises, and promises.csv with every cell of its table.

Only the examples are replayed while it is written: what each drawing shows, its variant answers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from iova_lab.checking import promises, promises_results
from iova_lab.checking.counterexamples import examples
from iova_lab.checking.drawing import draw
from iova_lab.checking.promises import COLUMNS, COUNTED, Cell
from iova_lab.checking.questions import QUESTIONS
from iova_lab.measuring import provenance
from iova_lab.measuring.cells import Missing, number
from iova_lab.measuring.frames import rows_of
from iova_lab.measuring.results import MEASURED
from iova_lab.measuring.scaling import ExponentRow
from iova_lab.measuring.statistics import Interval
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.rendering.tables import exponent
from iova_lab.reports.promises_figure import promises_figure


@dataclass(frozen=True)
class Evidence:
    """What the yes-cells of one column stand on; ``kept`` are the variants with such a cell."""

    column: str
    promises: list[str]
    counted: str
    kept: list[str]


def write_promises(results_dir: Path, out_dir: Path) -> Path:
    """Write the page into ``out_dir`` from what `promises_results.save` left; its HTML's path.

    Raises `ResultsError` where there is nothing to read, `PromiseError` where the parts contradict
    each other.
    """
    measured = promises_results.load(results_dir)
    frame = measured.grid
    cells = promises.answers(frame, measured.span)
    answer = _answer(cells)
    shown = {name for cell in cells for name in cell.stands_on}
    out_dir.mkdir(parents=True, exist_ok=True)
    rows = [(cell.variant, cell.column, cell.answer, " ".join(cell.stands_on)) for cell in cells]
    stored = pd.DataFrame(rows, columns=["variant", "column", "answer", "stands_on"])
    stored.to_csv(out_dir / "promises.csv", index=False, lineterminator="\n")
    save(promises_figure(_wide(stored, "answer")[list(COLUMNS)], answer), out_dir / "promises")
    linked = stored.assign(answer=[_linked(cell) for cell in cells])
    return write_page(
        out_dir,
        "promises",
        answer=answer,
        made=provenance.of_files([results_dir / "promises.json"], results_dir.name),
        cells=_wide(linked, "answer").reset_index(),
        evidence=[_evidence(column, cells, frame) for column in COLUMNS if column != "any mask"],
        growth=_growth(frame, "nodes_per_op").reset_index(),
        growth_worst=_growth(frame, "worst_nodes").reset_index(),
        not_measured=_not_measured(frame),
        common=_common(frame).rename_axis(index="variant").reset_index(),
        sixths=measured.sixths,
        recipes=measured.recipes,
        recipe_notes=measured.notes,
        examples={name: draw(one) for name, one in examples().items() if name in shown},
    )


def _wide(cells: pd.DataFrame, values: str) -> pd.DataFrame:
    """A row per variant, a column per promise or measurement."""
    wide = cells.pivot_table(
        index="variant", columns="column", values=values, aggfunc="first", sort=False
    )
    return wide.rename_axis(columns=None)


def _linked(cell: Cell) -> str:
    """The answer as a link to what it stands on first, and a + to each of the others."""
    texts = [cell.answer, *"+" * (len(cell.stands_on) - 1)]
    pairs = zip(texts, cell.stands_on, strict=True)
    return " ".join(f"[{text}](#{name})" for text, name in pairs)


def _answer(cells: Iterable[Cell]) -> str:
    """Allocators that break no promise, or the fewest, and the most that one breaks."""
    broken: dict[str, int] = {}
    for cell in cells:
        if cell.column in COLUMNS:
            broken[cell.variant] = broken.get(cell.variant, 0) + (cell.answer == "no")
    least = min(broken.values())
    *others, last = [name for name, count in broken.items() if count == least]
    best = f"{', '.join(others)} and {last} break" if others else f"{last} breaks"
    return (
        f"Of {len(broken)} allocators, {best} {least or 'none'} of {len(COLUMNS)} promises; the"
        f" worst breaks {max(broken.values())}."
    )


def _evidence(column: str, cells: Iterable[Cell], frame: pd.DataFrame) -> Evidence:
    asked = [one.promise for one in QUESTIONS.values() if one.column == column]
    kept = [
        cell.variant
        for cell in cells
        if cell.column == column and cell.answer in ("yes", "none found")
    ]
    counted = ""
    if column in COUNTED and kept:
        rows = frame[frame["variant"].isin(kept)]
        breaches, requests = (int(rows[name].sum()) for name in (COUNTED[column], "nr_requests"))
        counted = (
            f"{breaches} of {requests:,} judged requests of the grid below broke it, over"
            f" {len(kept)} variants: {', '.join(kept)}."
        )
    return Evidence(column, asked, counted, kept)


def _growth(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Exponent and class by workload and variant, as text."""
    rows = promises.growth(frame, metric)
    text = [
        f"{exponent(Interval(row.exponent, row.lo, row.hi))} {row.supported_class}"
        for row in rows_of(rows, ExponentRow)
    ]
    wide = rows.assign(text=text).pivot_table(
        index="workload", columns="variant", values="text", aggfunc="first"
    )
    return wide.fillna(str(Missing.NOT_MEASURED)).rename_axis(columns=None)


def _not_measured(frame: pd.DataFrame) -> list[str]:
    """Cells that have no value: a line for each workload, size and reason."""
    rows = frame[(frame["status"] != MEASURED) & (frame["workload"] != promises.COMMON)]
    keys = ["workload", "nr_live", "reason"]
    found = rows.groupby(keys)["variant"].agg(", ".join).reset_index()
    return [
        f"{row.workload} at {row.nr_live:,}: {row.variant}: {row.reason}"
        for row in found.itertuples()
    ]


def _common(frame: pd.DataFrame) -> pd.DataFrame:
    """The common case and memory at the sizes they are read at, as text."""
    rows = frame[frame["status"] == MEASURED]
    common = rows[rows["workload"] == promises.COMMON].set_index("variant")
    memory = rows[rows["workload"] == promises.MEMORY]
    memory = memory[memory["nr_live"] == memory["nr_live"].max()].set_index("variant")
    return pd.DataFrame(
        {
            "near_empty: nodes/op": common["nodes_per_op"].map(number),
            "near_empty: worst op": common["worst_nodes"].map(number),
            "node bytes": memory["node_bytes"].map("{:.0f}".format),
            f"slab bytes/range at {memory['nr_live'].max():,}": memory["bytes_per_range"].map(
                number
            ),
            "free() takes": memory.index.map(promises.free_takes),
        }
    )
