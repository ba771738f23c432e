"""Which allocator has which trap, refuses what it need not, and what does its common case cost?

Everything is taken at the largest size that was measured, from counts, which are exact; a ratio of
times has asv's interval.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from iova_lab.cells import COMMON_CASE, PATHOLOGICAL_FROM, PATHOLOGICAL_SHARE
from iova_lab.results import select
from iova_lab.scaling import ratios

#: Whoever does this looks cheap: what it is, in words.
FAULTS = {"spurious_failures": "refuses what would fit", "above_limit": "answers above the limit"}


@dataclass(frozen=True)
class Trap:
    """A workload in which one op walks over a good part of the live ranges."""

    workload: str
    nr_live: int
    worst_nodes: float


def at_largest(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per variant and workload: this metric at the largest size that it has."""
    rows = select(frame, metric=metric)
    return rows.loc[rows.groupby(["variant", "workload"])["nr_live"].idxmax()]


def traps(frame: pd.DataFrame, variant: str) -> list[Trap]:
    """The workloads that are a trap for this variant, the worst first."""
    rows = at_largest(frame, "worst_nodes")
    walked = rows["value"] > PATHOLOGICAL_SHARE * rows["nr_live"]
    rows = rows[(rows["variant"] == variant) & walked & (rows["nr_live"] >= PATHOLOGICAL_FROM)]
    rows = rows.sort_values(["value", "workload"], ascending=[False, True])
    found = rows[["workload", "nr_live", "value"]].itertuples(index=False)
    return [Trap(workload, int(nr_live), float(worst)) for workload, nr_live, worst in found]


def faults(frame: pd.DataFrame) -> pd.DataFrame:
    """Every count above 0 of what `FAULTS` names, at the largest size: one row each."""
    rows = pd.concat([at_largest(frame, metric) for metric in FAULTS])
    return rows[rows["value"] > 0].sort_values(["variant", "workload"])


def needless(frame: pd.DataFrame, variant: str) -> dict[str, int]:
    """Requests of the window that were refused although there was room, by workload."""
    return _counts(frame, variant, "spurious_failures")


def above_limit(frame: pd.DataFrame, variant: str) -> dict[str, int]:
    """Requests of the window that were answered above their limit, by workload."""
    return _counts(frame, variant, "above_limit")


def _counts(frame: pd.DataFrame, variant: str, metric: str) -> dict[str, int]:
    rows = faults(frame)
    rows = rows[(rows["variant"] == variant) & (rows["metric"] == metric)]
    return {row.workload: int(row.value) for row in rows.itertuples()}


def is_clean(frame: pd.DataFrame, variant: str) -> bool:
    """No trap, no needless refusal, no answer above a limit, in anything measured."""
    return not traps(frame, variant) and variant not in set(faults(frame)["variant"])


def common_case(frame: pd.DataFrame, variant: str, baseline: str) -> pd.DataFrame:
    """Cost over the baseline's in the common case: a row per workload and metric.

    Columns: metric, workload, nr_live, ratio, lo, hi; at the largest size that both have.
    """
    table = ratios(frame, baseline, frozenset())
    is_cost = table["metric"].isin(["nodes_per_op", "ns_per_op"])
    rows = table[(table["variant"] == variant) & is_cost & table["workload"].isin(COMMON_CASE)]
    largest = rows.groupby(["metric", "workload"])["nr_live"].idxmax()
    return rows.loc[largest].drop(columns="variant").reset_index(drop=True)
