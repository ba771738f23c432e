"""The page of promises.

One folder that works from file://: promises.html, promises.md for a mail or a repository's page,
and promises.csv with every cell.  Generated, never edited; the same results give the same bytes.
Only the examples are replayed while it is written: what each drawing shows, its variant answers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from iova_lab.checking import promises, promises_results
from iova_lab.checking.counterexamples import Example, examples
from iova_lab.checking.drawing import draw
from iova_lab.checking.promises import COLUMNS, COUNTED, Cell
from iova_lab.checking.promises_results import Measured
from iova_lab.checking.questions import QUESTIONS
from iova_lab.measuring import provenance
from iova_lab.measuring.cells import Missing, number
from iova_lab.measuring.fakes import kernel_release
from iova_lab.measuring.frames import rows_of
from iova_lab.measuring.results import MEASURED
from iova_lab.measuring.scaling import ExponentRow
from iova_lab.measuring.statistics import Interval
from iova_lab.rendering.saving import save
from iova_lab.rendering.tables import exponent
from iova_lab.reports.promises_figure import promises_figure

SEARCHED = "tests/test_promises.py::test_nothing_is_found_where_the_table_says_so"

#: Headings with room for a mail.
SHORT = {
    "respects the limit": "limit",
    "respects start_pfn": "start_pfn",
    "exact top-down": "top-down",
    "frees without memory": "frees",
    "no 32-bit special case": "no-32-bit",
    "nodes/op near_empty": "near_empty",
    "node bytes": "node",
    "slab bytes/range": "slab",
    "span in churn": "span",
    "free() takes": "free",
}


@dataclass(frozen=True)
class Evidence:
    """What the yes-cells of one column stand on."""

    column: str
    anchor: str
    promises: list[str]
    counted: str
    tests: list[str]


@dataclass(frozen=True)
class PageData:
    """All that the page says."""

    answer: str
    cells: list[Cell]
    kernels: dict[str, str]
    evidence: list[Evidence]
    growth: pd.DataFrame
    growth_lines: list[str]
    growth_worst: pd.DataFrame
    not_measured: list[str]
    common: pd.DataFrame
    sixths: pd.DataFrame
    recipes: pd.DataFrame
    recipe_notes: list[str]
    examples: list[Example]

    def halves(self) -> list[pd.DataFrame]:
        """The table in two, with short headings: promises, and what was measured."""
        table = self.table()
        halves = [table[list(COLUMNS)], table.drop(columns=list(COLUMNS))]
        return [half.rename(columns=SHORT) for half in halves]

    def table(self) -> pd.DataFrame:
        """The table of promises as text: a row per variant."""
        frame = pd.DataFrame([(cell.variant, cell.column, cell.answer) for cell in self.cells])
        frame.columns = ["variant", "column", "answer"]
        wide = frame.pivot_table(
            index="variant", columns="column", values="answer", aggfunc="first", sort=False
        )
        return wide.rename_axis(index=None, columns=None)


def write_promises(results_dir: Path, out_dir: Path) -> Path:
    """Write the page into ``out_dir`` from what `promises_results.save` left; its HTML's path.

    Raises `ResultsError` where there is nothing to read, `PromiseError` where the parts contradict
    each other.
    """
    data = _gather(promises_results.load(results_dir))
    environment = _environment()
    made = provenance.read(results_dir / promises_results.FILE)
    out_dir.mkdir(parents=True, exist_ok=True)
    for suffix in (".md", ".html"):
        name = f"promises{suffix}"
        text = environment.get_template(f"{name}.j2").render(data=data, made=made) + "\n"
        (out_dir / name).write_text(text, encoding="utf-8")
    save(promises_figure(data.table()[list(COLUMNS)], data.answer), out_dir / "promises")
    (out_dir / "promises.csv").write_text(_csv(data.cells), encoding="utf-8")
    return out_dir / "promises.html"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("iova_lab.rendering"),
        autoescape=lambda name: bool(name) and ".html" in str(name),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"table": _html, "text": _text, "draw": draw, "linked": _linked}
    environment.filters["item"] = lambda text: fill(
        f"- {text}", 72, subsequent_indent="  ", break_on_hyphens=False
    )
    return environment


def _gather(measured: Measured) -> PageData:
    frame = measured.grid
    cells = promises.answers(frame, measured.span)
    shown = {name for cell in cells for name in cell.stands_on}
    return PageData(
        answer=_answer(cells),
        cells=cells,
        kernels={name: kernel_release(name) for name in measured.span},
        evidence=[_evidence(column, cells, frame) for column in COLUMNS if column != "any mask"],
        growth=_growth(frame, "nodes_per_op"),
        growth_lines=_growth_lines(frame),
        growth_worst=_growth(frame, "worst_nodes"),
        not_measured=_not_measured(frame),
        common=_common(frame),
        sixths=measured.sixths,
        recipes=measured.recipes,
        recipe_notes=measured.notes,
        examples=[example for name, example in examples().items() if name in shown],
    )


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
    asked = {key: one.promise for key, one in QUESTIONS.items() if one.column == column}
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
    return Evidence(
        column=column,
        anchor="evidence-" + column.replace(" ", "-"),
        promises=list(asked.values()),
        counted=counted,
        tests=[f"{SEARCHED}[{name}-{key}]" for name in kept for key in asked],
    )


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
    return wide.fillna(str(Missing.NOT_MEASURED)).rename_axis(index=None, columns=None)


def _growth_lines(frame: pd.DataFrame) -> list[str]:
    """Variants by class of growth under each workload, the worst class first."""
    rows = promises.growth(frame, "nodes_per_op")
    variants = set(frame["variant"])
    lines = []
    for workload, group in rows.groupby("workload"):
        who = group.groupby("supported_class")["variant"].agg(", ".join)
        known = [name for name in promises.CLASSES if name in who.index]
        parts = [f"{name}: {who[name]}" for name in known]
        if missing := sorted(variants - set(group["variant"])):
            parts.append(f"{Missing.NOT_MEASURED}: {', '.join(missing)}")
        lines.append(f"{workload}: " + "; ".join(parts))
    return lines


class _NotMeasured(NamedTuple):
    """Cells of one workload and size that have no value for one reason; ``variant`` names all."""

    workload: str
    nr_live: int
    reason: str
    variant: str


def _not_measured(frame: pd.DataFrame) -> list[str]:
    rows = frame[(frame["status"] != MEASURED) & (frame["workload"] != promises.COMMON)]
    keys = ["workload", "nr_live", "reason"]
    found = rows.groupby(keys)["variant"].agg(", ".join).reset_index()
    return [
        f"{row.workload} at {row.nr_live:,}: {row.variant}: {row.reason}"
        for row in rows_of(found, _NotMeasured)
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
    ).rename_axis(index=None)


def _csv(cells: Iterable[Cell]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["variant", "column", "answer", "stands_on"])
    writer.writerows((c.variant, c.column, c.answer, " ".join(c.stands_on)) for c in cells)
    return text.getvalue()


def _html(table: pd.DataFrame, **options: Any) -> Markup:
    # pandas escapes what is in the cells.
    return Markup(table.to_html(border=0, classes="numbers", **options))


def _text(table: pd.DataFrame, **options: Any) -> str:
    lines = table.to_string(**options).splitlines()
    return "\n".join(line.rstrip() for line in lines)


def _linked(cells: Iterable[Cell]) -> Markup:
    """The table of promises with a link in every cell."""
    frame = pd.DataFrame(
        [(cell.variant, cell.column, _links(cell)) for cell in cells],
        columns=["variant", "column", "links"],
    )
    wide = frame.pivot_table(
        index="variant", columns="column", values="links", aggfunc="first", sort=False
    ).rename_axis(index=None, columns=None)
    # Every cell was escaped as it was made.
    return Markup(wide.to_html(border=0, classes="numbers", escape=False))


def _links(cell: Cell) -> str:
    first, *others = cell.stands_on
    kind = cell.answer.split(" ")[0]
    made = [Markup('<a class="{}" href="#{}">{}</a>').format(kind, first, cell.answer)]
    made += [Markup('<a href="#{}">+</a>').format(name) for name in others]
    return str(Markup(" ").join(made))
