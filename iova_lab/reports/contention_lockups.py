"""How many CPUs lock up, where, and at which cost of a node: the page's answer and its tables."""

from __future__ import annotations

from typing import Any

import pandas as pd

from iova_lab.contention import plausible
from iova_lab.contention.lockups import MOST_CPUS

#: What a number that was never looked for, or that no number of CPUs reaches, is on the page.
NONE = "none"
AGAIN = "`iova-lab contention sweep --again` on an idle machine"


def _least(frame: pd.DataFrame, column: str) -> pd.Series | None:
    """Row with the fewest CPUs, and among those the fewest live ranges."""
    found = frame.dropna(subset=[column]).sort_values([column, "nr_live"])
    return None if found.empty else found.iloc[0]


def _number_of(row: pd.Series | None, column: str) -> str:
    return f"{int(row[column]):,} CPUs" if row is not None else f"more than {MOST_CPUS:,} CPUs"


def _cell(row: pd.Series) -> str:
    return f"{row['workload']}, {int(row['nr_live']):,} live ranges"


def answer(lockups: pd.DataFrame) -> str:
    """Fewest CPUs at the highest published cost of a node; at this machine's if there is none."""
    there = lockups[~lockups["here"]]
    there = there[there["ns_per_node"] == there["ns_per_node"].max()]
    soft, hard = _least(there, "soft_cpus"), _least(there, "hard_cpus")
    if soft is None:
        return measured(lockups)
    other = "" if hard is None or _cell(hard) == _cell(soft) else f" ({_cell(hard)})"
    return (
        f"At the published {soft['ns_per_node']:.0f} ns a node, a soft lockup takes"
        f" {_number_of(soft, 'soft_cpus')} ({_cell(soft)}) and a hard one"
        f" {_number_of(hard, 'hard_cpus')}{other}."
    )


def measured(lockups: pd.DataFrame) -> str:
    """Fewest CPUs at this machine's cost of a node."""
    soft = _least(lockups[lockups["here"]], "soft_cpus")
    takes = f"a soft lockup takes {_number_of(soft, 'soft_cpus')}"
    if soft is None:
        return f"At this machine's cost of a node, {takes}."
    return f"At the measured {soft['ns_per_node']:.3g} ns a node, {takes} ({_cell(soft)})."


def _number(value: Any) -> str:
    return NONE if pd.isna(value) else f"{int(value):,}"


def _locked(frame: pd.DataFrame) -> pd.DataFrame:
    found = frame.dropna(subset=["soft_cpus", "hard_cpus"], how="all")
    return found.sort_values(["workload", "nr_live", "ns_per_node"])


def of_this_machine(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per workload and size that locks up at this machine's cost of a node."""
    return pd.DataFrame(
        {
            "workload": row.workload,
            "live ranges": f"{row.nr_live:,}",
            "ns a node": f"{row.ns_per_node:.3g}",
            "soft": _number(row.soft_cpus),
            "hard": _number(row.hard_cpus),
        }
        for row in _locked(frame).itertuples()
    )


def of_published_costs(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per workload that locks up at a published cost of a node, at its size."""
    table = []
    keys = _locked(frame)[["workload", "nr_live"]].drop_duplicates()
    for workload, nr_live in keys.itertuples(index=False):
        line = {"workload": workload, "live ranges": f"{nr_live:,}"}
        costs = frame[(frame["workload"] == workload) & (frame["nr_live"] == nr_live)]
        for kind in ("soft", "hard"):
            for row in costs.sort_values("ns_per_node").itertuples():
                value = getattr(row, f"{kind}_cpus")
                line[f"{kind}, {row.ns_per_node:.0f} ns"] = _number(value)
        table.append(line)
    return pd.DataFrame(table)


def withdrawn(here: pd.DataFrame, services: list[dict[str, Any]], variant: str) -> list[str]:
    """Sizes that have no cost of a node, with the reason and what measures it again."""
    own = [row for row in services if row["asked"][0] == variant]
    lines = []
    for nr_live in sorted({row["nr_live"] for row in own} - set(here["nr_live"])):
        allocs = [row["alloc"] for row in own if row["nr_live"] == nr_live]
        scans = [one for one in allocs if plausible.is_scan(one)]
        good = [one for one in scans if not plausible.fit_doubts(one)]
        lines.append(
            f"{nr_live:,} live ranges: the holds of {len(scans)} workloads scan, and"
            f" {len(good)} of them fit within {plausible.MOST_ERROR:.0%};"
            f" {plausible.LEAST_FITS} are needed. Measured again by {AGAIN}"
        )
    return lines


def safe(lockups: pd.DataFrame) -> list[str]:
    """Workloads on which no number of CPUs locks up, at any cost of a node."""
    locked = lockups.groupby("workload")[["soft_cpus", "hard_cpus"]].count().sum(axis=1)
    return [f"`{name}`" for name in locked.index[locked == 0]]
