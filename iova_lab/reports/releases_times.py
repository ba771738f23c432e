"""Times of kernel releases: what a stored comparison of their texts says beside the counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from iova_lab import comparison
from iova_lab.comparison import Comparison
from iova_lab.comparison.words import Verdict
from iova_lab.measuring import provenance, releases
from iova_lab.measuring.cells import Missing
from iova_lab.measuring.releases import Row, Text

#: Below the folder of results: what `iova-lab compare` has stored of the same releases.
FOLDER = "compare"
#: Seconds of the comparison that the page names.
BUDGET_S = 1200


def command(texts: Sequence[Text]) -> str:
    """The command that measures times for the page."""
    wanted = " ".join(releases.PREFIX + text.source for text in texts)
    return f"iova-lab compare {wanted} --workloads {','.join(releases.CELLS)} --budget {BUDGET_S}"


def of(folder: Path, first: str) -> Comparison | None:
    """The comparison that is stored in a folder; None if there is none with ``first`` as base."""
    if not (folder / "comparison.json").exists():
        return None
    found = comparison.load(folder)
    return found if _sources(found)[0] == first else None


def _sources(timed: Comparison) -> list[str]:
    return [subject.given.removeprefix(releases.PREFIX) for subject in timed.subjects]


@dataclass(frozen=True)
class Timed:
    """What the samples say of one workload on one source, against the base."""

    base: str
    source: str
    verdict: Verdict

    @property
    def cell(self) -> str:
        """The workload and its live ranges."""
        return self.verdict.cell.cell.name


def verdicts(timed: Comparison | None) -> list[Timed]:
    """Every workload on every source but the base."""
    if timed is None:
        return []
    base, *later = _sources(timed)
    return [Timed(base, later[one.which - 1], one) for one in comparison.verdicts(timed)]


def place(cell: str) -> tuple[int, str]:
    """The key by which workloads are ordered."""
    order = (*releases.CELLS, *releases.RCACHE_CELLS)
    return order.index(cell) if cell in order else len(order), cell


def by_workload(cells: Mapping[str, Mapping[str, str]], columns: Sequence[str]) -> pd.DataFrame:
    """A row per workload, in the order of `place`, and what it lacks of ``columns``."""
    return pd.DataFrame(
        [
            [cell, *(cells[cell].get(name, str(Missing.NOT_MEASURED)) for name in columns)]
            for cell in sorted(cells, key=place)
        ],
        columns=["workload", *columns],
    )


def table(
    timed: Comparison | None, found: Sequence[Timed], names: Mapping[str, str]
) -> pd.DataFrame | None:
    """Verdicts by workload; None if nothing was timed.

    ``names`` has a heading for each source, the base first.
    """
    if timed is None:
        return None
    cells: dict[str, dict[str, str]] = {}
    for one in found:
        if one.source in names:
            cells.setdefault(one.cell, {})[names[one.source]] = one.verdict.text
    return by_workload(cells, list(names.values())[1:])


def unexplained(found: Sequence[Timed], rows: Sequence[Row], same: float) -> list[str]:
    """Workloads whose time differs from the first release though the counts do not.

    That is: as many nodes, and instructions that differ by a share of less than ``same``.
    """
    counted = {(row.source, row.cell): row for row in rows if row.rcache == "off"}
    cells = []
    for timed in found:
        one, base = (counted.get((name, timed.cell)) for name in (timed.source, timed.base))
        if timed.verdict.outcome not in ("slower", "faster") or not one or not base:
            continue
        if one.instructions is None or not base.instructions or one.nodes != base.nodes:
            continue
        if abs(one.instructions / base.instructions - 1) < same:
            cells.append(timed.cell)
    return list(dict.fromkeys(cells))


def loads(timed: Comparison | None) -> str:
    """When, at which commit and under which load the times were measured; "" without times."""
    if timed is None:
        return ""
    most = f"{max(timed.loads):.1f}" if timed.loads else provenance.NOT_RECORDED
    commit = timed.commit or provenance.NOT_RECORDED
    machine = timed.system.get("CPU", "") or provenance.NOT_RECORDED
    return f"{timed.date}, commit {commit}, CPU: {machine}, highest load average: {most}"
