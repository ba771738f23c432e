"""Times of kernel releases: what a stored comparison of their texts says beside the counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from iova_lab import comparison
from iova_lab.comparison import Comparison
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


def of(folder: Path) -> Comparison | None:
    """The comparison that is stored in a folder; None if there is none."""
    return comparison.load(folder) if (folder / "comparison.json").exists() else None


def _sources(timed: Comparison) -> list[str]:
    return [subject.given.removeprefix(releases.PREFIX) for subject in timed.subjects]


def table(
    timed: Comparison | None,
    texts: Sequence[Text],
    names: Mapping[str, str],
    key: Callable[[str], tuple[int, str]],
) -> pd.DataFrame | None:
    """Verdicts against the first release, by workload in the order of ``key``.

    ``names`` has a heading for each source.  None if these releases were not timed.
    """
    if timed is None or _sources(timed)[0] != texts[0].source:
        return None
    given = _sources(timed)
    cells: dict[str, dict[str, str]] = {}
    for verdict in comparison.verdicts(timed):
        release = names.get(given[verdict.which])
        if release:
            cells.setdefault(verdict.cell.cell.name, {})[release] = verdict.text
    later = list(names.values())[1:]
    return pd.DataFrame(
        [
            [cell, *(values.get(name, str(Missing.NOT_MEASURED)) for name in later)]
            for cell, values in sorted(cells.items(), key=lambda item: key(item[0]))
        ],
        columns=["workload", *later],
    )


def unexplained(timed: Comparison | None, rows: Sequence[Row], same: float) -> list[str]:
    """Workloads whose time differs from the first release though the counts do not.

    That is: as many nodes, and instructions that differ by a share of less than ``same``.
    """
    if timed is None:
        return []
    given = _sources(timed)
    counted = {(row.source, row.cell): row for row in rows if row.rcache == "off"}
    found = []
    for verdict in comparison.verdicts(timed):
        cell = verdict.cell.cell.name
        one, base = (counted.get((given[which], cell)) for which in (verdict.which, 0))
        if verdict.outcome not in ("slower", "faster") or not one or not base:
            continue
        if one.instructions is None or not base.instructions or one.nodes != base.nodes:
            continue
        if abs(one.instructions / base.instructions - 1) < same:
            found.append(cell)
    return list(dict.fromkeys(found))


def loads(timed: Comparison | None) -> str:
    """When, at which commit and under which load the times were measured; "" without times."""
    if timed is None:
        return ""
    most = f"{max(timed.loads):.1f}" if timed.loads else provenance.NOT_RECORDED
    commit = timed.commit or provenance.NOT_RECORDED
    machine = timed.system.get("CPU", "") or provenance.NOT_RECORDED
    return f"{timed.date}, commit {commit}, CPU: {machine}, highest load average: {most}"
