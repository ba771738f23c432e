"""What is the one sentence that a workload's measurements support, or a variant's?

It stands above the figure and in the page's second line; nodes decide, because they are exact.
"""

from __future__ import annotations

import pandas as pd

from iova_lab.results import select
from iova_lab.scorecard import FAULTS, faults, traps
from iova_lab.tables import number

MOST_NAMES = 3


def of_workload(
    frame: pd.DataFrame,
    exponents: pd.DataFrame,
    workload: str,
    baseline: str,
    fakes: frozenset[str],
) -> str:
    """Say who grows, who is cheapest, and who refuses what would fit."""
    rows = select(frame, workload=workload, metric="nodes_per_op")
    rows = rows[~rows["variant"].isin(fakes)]
    if rows.empty:
        return "No nodes were counted."
    faulty = faults(frame)
    faulty = faulty[faulty["workload"] == workload]
    sound = rows[~rows["variant"].isin(faulty["variant"])]
    if rows["nr_live"].nunique() > 1:
        cost = _growth(rows, exponents, workload) + _fewest(sound)
    else:
        cost = _range(rows)
    base = rows[rows["variant"] == baseline].sort_values("nr_live")
    if len(base):
        value, nr_live = base[["value", "nr_live"]].iloc[-1]
        cost += f"; {baseline} {number(value)} at {int(nr_live):,} live"
    for metric, words in FAULTS.items():
        who = sorted(set(faulty[faulty["metric"] == metric]["variant"]))
        if who:
            cost += f"; {words}: {_names(who)}"
    return f"{cost}."


def _growth(rows: pd.DataFrame, exponents: pd.DataFrame, workload: str) -> str:
    curves = exponents[
        (exponents["workload"] == workload) & (exponents["metric"] == "nodes_per_op")
    ]
    linear = sorted(curves[curves["supported_class"] == "linear"]["variant"])
    if not linear:
        steep = curves["exponent"].max()
        return f"No allocator walks over all live ranges (steepest exponent {steep:.2f})"
    if len(linear) == len(curves):
        return "Every allocator visits nodes in proportion to the live ranges"
    verb = "visits" if len(linear) == 1 else "visit"
    return (
        f"{len(linear)} of {len(curves)} allocators ({_names(linear)}) {verb} nodes in proportion"
        " to the live ranges"
    )


def _fewest(sound: pd.DataFrame) -> str:
    if sound.empty:
        return ""
    last = sound[sound["nr_live"] == sound["nr_live"].max()]
    least = last["value"].min()
    names = _names(sorted(last[last["value"] == least]["variant"]))
    return f"; fewest: {names}, {number(least)} an op"


def _range(rows: pd.DataFrame) -> str:
    ends = rows.sort_values("value").iloc[[0, -1]]
    least, most = (
        f"{number(row.value)} ({_names(sorted(rows[rows['value'] == row.value]['variant']))})"
        for row in ends.itertuples()
    )
    return f"From {least} to {most} nodes an op"


def _names(names: list[str]) -> str:
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} more"


def of_variant(frame: pd.DataFrame, variant: str, baseline: str) -> str:
    """Say where it walks, where it refuses what would fit, and where it beats the baseline."""
    walked = [trap.workload for trap in traps(frame, variant)]
    parts = [
        f"Walks over a good part of the live ranges on {len(walked)} workloads:"
        f" {', '.join(walked)}."
        if walked
        else "No op walks over a good part of the live ranges, on any workload measured."
    ]
    found = faults(frame)
    found = found[found["variant"] == variant]
    for metric, words in FAULTS.items():
        where = list(found[found["metric"] == metric]["workload"])
        if where:
            parts.append(f"{words.capitalize()} on {', '.join(where)}.")
    if found.empty:
        parts.append("Refuses nothing that would fit, and answers within every limit.")
    if variant != baseline:
        parts.append(_against(frame, variant, baseline))
    return " ".join(parts)


def _against(frame: pd.DataFrame, variant: str, baseline: str) -> str:
    rows = select(frame, metric="nodes_per_op")
    both = rows.pivot_table(index=["workload", "nr_live"], columns="variant", values="value")
    if not {variant, baseline} <= set(both.columns):
        return "Not measured."
    both = both[[variant, baseline]].dropna().reset_index()
    last = both.loc[both.groupby("workload")["nr_live"].idxmax()]
    ratio = last[variant] / last[baseline]
    counts = [int((ratio < 0.99).sum()), int((ratio > 1.01).sum())]
    same = len(ratio) - sum(counts)
    return (
        f"Against {baseline}, nodes an op: fewer on {counts[0]} of {len(ratio)} workloads, more on"
        f" {counts[1]}, the same within 1 % on {same}."
    )
