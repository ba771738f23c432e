"""Pathological workloads, spurious failures and the common case of each allocator.

Everything is taken at the largest size that was measured, from counts, which are exact; a ratio of
times has an interval that includes the drift of its run.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from iova_lab.measuring.cells import (
    COMMON_CASE,
    PATHOLOGICAL_FROM,
    Missing,
    exceeds_share,
    is_pathological,
)
from iova_lab.measuring.frames import rows_of
from iova_lab.measuring.results import NOT_APPLICABLE, CellRow, select
from iova_lab.measuring.scaling import ratios

#: What makes a variant look cheap: a verb phrase for each.
FAULTS = {"spurious_failures": "fails spuriously", "above_limit": "exceeds the limit"}


@dataclass(frozen=True)
class Scan:
    """A workload in which one op visits more than 10 % of at least 1,000 live ranges."""

    workload: str
    nr_live: int
    worst_nodes: float


def at_largest(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per variant and workload: this metric at the largest size that it has."""
    rows = select(frame, metric=metric)
    return rows.loc[rows.groupby(["variant", "workload"])["nr_live"].idxmax()]


def linear_scans(frame: pd.DataFrame, variant: str) -> list[Scan]:
    """The workloads that this variant scans linearly, the worst first; measured ones alone."""
    rows = at_largest(frame, "worst_nodes")
    rows = rows[rows["variant"] == variant]
    rows = rows.sort_values(["value", "workload"], ascending=[False, True])
    return [
        Scan(row.workload, row.nr_live, row.value)
        for row in rows_of(rows, CellRow)
        if exceeds_share(row.nr_live, row.value)
    ]


def unknown_worst(frame: pd.DataFrame, variant: str) -> list[str]:
    """Workloads whose worst op was not counted for this variant where it can be judged.

    That is at 1,000 live ranges or more; a workload that has no such size is not among them.
    """
    rows = frame[(frame["metric"] == "worst_nodes") & (frame["variant"] == variant)]
    rows = rows[(rows["nr_live"] >= PATHOLOGICAL_FROM) & (rows["status"] != NOT_APPLICABLE)]
    counted = rows["value"].notna().groupby(rows["workload"]).any()
    return sorted(counted.index[~counted])


def nothing_known(frame: pd.DataFrame, variant: str) -> bool:
    """Was the worst op of this variant counted nowhere at 1,000 live ranges or more?"""
    rows = select(frame, metric="worst_nodes", variant=variant)
    return not (rows["nr_live"] >= PATHOLOGICAL_FROM).any()


def verdicts(frame: pd.DataFrame, variant: str) -> dict[str, bool | None]:
    """Is each workload pathological for this variant?  None where that was not measured."""
    walked = {scan.workload: scan for scan in linear_scans(frame, variant)}
    own = frame[frame["variant"] == variant]
    counts = [at_largest(own, metric).set_index("workload")["value"] for metric in FAULTS]
    unknown = set(unknown_worst(frame, variant))
    found = {}
    for workload in sorted(set(frame["workload"])):
        worst: float | Missing = 0.0
        if workload in walked:
            worst = walked[workload].worst_nodes
        elif workload in unknown:
            worst = Missing.NOT_MEASURED
        nr_live = walked[workload].nr_live if workload in walked else PATHOLOGICAL_FROM
        spurious, above = (
            float(count[workload]) if workload in count else Missing.NOT_MEASURED
            for count in counts
        )
        found[workload] = is_pathological(nr_live, worst, spurious, above)
    return found


def faults(frame: pd.DataFrame) -> pd.DataFrame:
    """Every count above 0 of what `FAULTS` names, at the largest size: one row each."""
    rows = pd.concat([at_largest(frame, metric) for metric in FAULTS])
    return rows[rows["value"] > 0].sort_values(["variant", "workload"])


def needless(frame: pd.DataFrame, variant: str) -> dict[str, int]:
    """Spurious failures of the window, by workload."""
    rows = faults(frame)
    rows = rows[(rows["variant"] == variant) & (rows["metric"] == "spurious_failures")]
    return {row.workload: int(row.value) for row in rows_of(rows, CellRow)}


def is_clean(frame: pd.DataFrame, variant: str) -> bool | None:
    """Is no workload pathological for this variant?  None if what was measured can't decide it."""
    found = set(verdicts(frame, variant).values())
    if True in found:
        return False
    return None if None in found else True


def common_case(frame: pd.DataFrame, variant: str, baseline: str) -> pd.DataFrame:
    """Cost over the baseline's in the common case: a row per workload, size and metric.

    Columns are those of `RatioRow`; at every size that both have.
    """
    table = ratios(frame, baseline, frozenset())
    is_cost = table["metric"].isin(["nodes_per_op", "ns_per_op"])
    rows = table[(table["variant"] == variant) & is_cost & table["workload"].isin(COMMON_CASE)]
    return rows.reset_index(drop=True)
