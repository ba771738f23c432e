"""The page on kernel releases: what each changed, counted on its own text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from iova_lab.measuring import provenance, releases
from iova_lab.measuring.cells import Missing, number
from iova_lab.measuring.releases import BEHIND, Row, Text
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.reports import releases_times
from iova_lab.reports.releases_figure import figure

#: Changes below have no digit.
SMALLEST = 0.001
#: Instructions that differ by less leave a difference in time unexplained.
SAME = 0.005


@dataclass(frozen=True)
class Quantity:
    """One figure of every row; ``name`` is that of its attribute."""

    name: str
    rcache: str
    heading: str
    unit: str
    in_short: str


QUANTITIES = (
    Quantity("nodes", "off", "Nodes visited", "nodes/op", "nodes/op"),
    Quantity("worst", "off", "Worst op", "nodes", "nodes of the worst op"),
    Quantity("refused", "off", "Refused requests", "requests", "refused requests"),
    Quantity("instructions", "off", "Instructions", "instructions/op", "instructions/op"),
    Quantity("bytes_per_range", "off", "Memory", "bytes per live range", "bytes/range"),
    Quantity(
        "bytes_per_range",
        BEHIND,
        "Memory with the per-CPU caches of the file",
        "bytes per live range",
        "bytes/range with caches",
    ),
    Quantity(
        "hit_rate", BEHIND, "Hits of the per-CPU caches", "share of requests", "hits of caches"
    ),
    Quantity(
        "nodes", BEHIND, "Nodes visited behind the caches", "nodes/op", "nodes/op with caches"
    ),
)


def write_releases(results: Path, out_dir: Path) -> Path:
    """Write releases.md, releases.html and the figure into ``out_dir``, from ``results`` alone."""
    rows, texts = releases.require(results)
    names = columns(texts)
    timed = releases_times.of(results / releases_times.FOLDER, texts[0].source)
    verdicts = releases_times.verdicts(timed)
    answer = _answer(rows, texts, names)
    shown_rows = [row for row in rows if row.is_shown]
    out_dir.mkdir(parents=True, exist_ok=True)
    save(figure(ratios(shown_rows, names), answer), out_dir / "releases")
    return write_page(
        out_dir,
        "releases",
        answer=answer,
        first=names[texts[0].source],
        steps=[_step(rows, pair, names) for pair in pairwise(texts)],
        tables=[(one, table(shown_rows, one, names)) for one in QUANTITIES],
        times=releases_times.table(timed, verdicts, names),
        loads=releases_times.loads(timed),
        unexplained=releases_times.unexplained(verdicts, rows, SAME),
        same=percent(SAME, sign=""),
        not_counted=_not_counted(rows, names),
        compare=releases_times.command(texts),
        counts=f"{releases.COMMAND} {' '.join(text.source for text in texts)}"
        + (f" --largest {largest}" if (largest := _largest(rows)) else ""),
        budget=releases_times.BUDGET_S,
        made=provenance.of_files(
            [results / releases.COUNTS, results / releases.TEXTS], results.name
        ),
    )


def _largest(rows: Sequence[Row]) -> int:
    """Up to which size all workloads were counted; 0 where they were not."""
    return max((row.nr_live for row in rows if not row.is_shown), default=0)


def columns(texts: Sequence[Text]) -> dict[str, str]:
    """A heading for each source: its release, with the source where two have the same."""
    found = [text.release for text in texts]
    return {
        text.source: text.release
        if found.count(text.release) == 1
        else f"{text.release} ({Path(text.source).name})"
        for text in texts
    }


def shown(value: float | None, quantity: Quantity) -> str:
    """One value of a table."""
    if value is None:
        return str(Missing.NOT_MEASURED)
    return f"{value:.1%}" if quantity.name == "hit_rate" else number(value)


def table(rows: Sequence[Row], quantity: Quantity, names: dict[str, str]) -> pd.DataFrame:
    """A row per workload, a column per release, as text."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        if row.rcache == quantity.rcache:
            value = getattr(row, quantity.name)
            found.setdefault(row.cell, {})[names[row.source]] = shown(value, quantity)
    return releases_times.by_workload(found, list(names.values()))


def ratios(rows: Sequence[Row], names: dict[str, str]) -> pd.DataFrame:
    """Every value over that of the first release: quantity, unit, cell, release, ratio."""
    found = []
    for one in QUANTITIES:
        base = _values(rows, one, rows[0].source)
        for row in rows:
            value, first = getattr(row, one.name), base.get(row.cell)
            if row.rcache == one.rcache and value is not None and first:
                found.append((one.in_short, row.cell, names[row.source], value / first))
    return pd.DataFrame(found, columns=["quantity", "cell", "release", "ratio"])


def _values(rows: Sequence[Row], quantity: Quantity, source: str) -> dict[str, Any]:
    """A quantity of one source, by workload; None where it was not counted."""
    found = [row for row in rows if (row.source, row.rcache) == (source, quantity.rcache)]
    return {row.cell: getattr(row, quantity.name) for row in found}


@dataclass(frozen=True)
class Change:
    """A quantity on one workload, in a release and in the one before."""

    cell: str
    before: float
    after: float

    @property
    def share(self) -> float:
        """The change as a share of what was before."""
        return self.after / self.before - 1 if self.before else float("inf")


def changes(rows: Sequence[Row], quantity: Quantity, before: str, after: str) -> list[Change]:
    """All workloads that both sources have a value of, changed or not."""
    old, new = (_values(rows, quantity, source) for source in (before, after))
    both = [cell for cell in old if old[cell] is not None and new.get(cell) is not None]
    return [Change(cell, old[cell], new[cell]) for cell in sorted(both, key=releases_times.place)]


def _answer(rows: Sequence[Row], texts: Sequence[Text], names: dict[str, str]) -> str:
    """Between the first and the last release, in one sentence."""
    first, last = texts[0].source, texts[-1].source
    nodes, instructions, bytes_ = (
        changes(rows, one, first, last)
        for one in QUANTITIES
        if (one.name, one.rcache)
        in {("nodes", "off"), ("instructions", "off"), ("bytes_per_range", BEHIND)}
    )
    moved = [one for one in nodes if one.after != one.before]
    where = f"in {len(moved)} of {len(nodes)}" if moved else f"in none of {len(nodes)}"
    return (
        f"From {names[first]} to {names[last]}, requests visit other nodes {where} cells without"
        " per-CPU caches,"
        f" {_most('instructions per op', instructions)}, and"
        f" {_most('bytes per range with its per-CPU caches', bytes_)}."
    )


def _most(what: str, found: Sequence[Change]) -> str:
    """How far a quantity moved, and in which direction."""
    if not found:
        return f"{what} are {Missing.NOT_MEASURED}"
    low, high = min(one.share for one in found), max(one.share for one in found)
    if low < 0 < high:
        return f"{what} change by {percent(low)} to {percent(high)}"
    if low == high == 0:
        return f"{what} do not change"
    return f"{what} {'fall' if low < 0 else 'rise'} by up to {percent(max(-low, high), sign='')}"


def percent(share: float, sign: str = "+") -> str:
    """A change: +1.2 %; what is too small for a digit says so."""
    if 0 < abs(share) < SMALLEST:
        return f"less than {SMALLEST:.1%}".replace("%", " %")
    return f"{100 * share:{sign}.1f} %"


def _step(rows: Sequence[Row], pair: tuple[Text, Text], names: dict[str, str]) -> dict[str, object]:
    """What one release changed, after the one before."""
    before, after = pair
    files = {path for path, _ in before.files.items() ^ after.files.items()}
    lines = [
        _line(one, changes(rows, one, before.source, after.source))
        for one in QUANTITIES
        if (one.name, one.rcache) != ("worst", "off")
    ]
    return {
        "before": names[before.source],
        "after": names[after.source],
        "files": [f"`{path}`" for path in sorted(files)],
        "lines": lines,
    }


def _line(quantity: Quantity, found: Sequence[Change]) -> str:
    """One sentence on one quantity."""
    if not found:
        return f"{quantity.in_short}: {Missing.NOT_MEASURED}."
    moved = [one for one in found if one.after != one.before]
    if not moved:
        return f"{quantity.in_short}: the same in all {len(found)} cells."
    if len(moved) <= 3:
        changed = "; ".join(_from_to(one, quantity) for one in moved)
    else:
        low, high = (pick(moved, key=lambda one: one.share) for pick in (min, max))
        changed = f"from {_from_to(low, quantity)} to {_from_to(high, quantity)}"
    return f"{quantity.in_short}: changed in {len(moved)} of {len(found)} cells: {changed}."


def _from_to(one: Change, quantity: Quantity) -> str:
    values = f"{shown(one.before, quantity)} -> {shown(one.after, quantity)}"
    return f"{one.cell} {values} ({percent(one.share)})" if one.before else f"{one.cell} {values}"


def _not_counted(rows: Sequence[Row], names: dict[str, str]) -> list[str]:
    return [f"{row.cell} on {names[row.source]}: {row.reason}" for row in rows if row.reason]
