"""The one sentence that a workload's measurements support, or a variant's.

It stands above the figure and in the page's second line.  Nodes decide, because they are exact; a
time that contradicts them is in the same sentence.
"""

from __future__ import annotations

import pandas as pd

from iova_lab.measuring.cells import number
from iova_lab.measuring.results import select
from iova_lab.measuring.scorecard import FAULTS, faults, linear_scans, nothing_known, unknown_worst
from iova_lab.rendering.tables import SHOWN, common_size

MOST_NAMES = 3


def of_workload(
    frame: pd.DataFrame,
    exponents: pd.DataFrame,
    ratios: pd.DataFrame,
    workload: str,
    baseline: str,
    fakes: frozenset[str],
) -> str:
    """Name who scans linearly, and who visits the fewest nodes at which cost in time."""
    rows = select(frame, workload=workload, metric="nodes_per_op")
    rows = rows[~rows["variant"].isin(fakes)]
    nr_live = common_size(frame, workload, fakes)
    if rows.empty or nr_live is None:
        return "No nodes were counted."
    parts = []
    if rows["nr_live"].nunique() > 1:
        parts.append(_growth(exponents, workload))
    parts.append(_fewest(frame, ratios, rows[rows["nr_live"] == nr_live], baseline))
    return f"{'; '.join(part for part in parts if part)}."


def faults_of_workload(frame: pd.DataFrame, workload: str) -> list[str]:
    """A sentence for each kind of fault that the workload shows, with all its variants."""
    found = faults(frame)
    found = found[found["workload"] == workload]
    return [
        f"{words.capitalize()}: {', '.join(who)}."
        for metric, words in FAULTS.items()
        if (who := sorted(set(found[found["metric"] == metric]["variant"])))
    ]


def _growth(exponents: pd.DataFrame, workload: str) -> str:
    curves = exponents[
        (exponents["workload"] == workload) & (exponents["metric"] == "nodes_per_op")
    ]
    if (curves["supported_class"] == "undecided").all():
        return ""
    nr_linear = int((curves["supported_class"] == "linear").sum())
    if nr_linear in (0, len(curves)):
        who = "Every allocator visits" if nr_linear else "No allocator visits"
    else:
        who = f"{nr_linear} of {len(curves)} allocators visit{'s' * (nr_linear == 1)}"
    return f"{who} nodes in proportion to the live ranges"


def _fewest(frame: pd.DataFrame, ratios: pd.DataFrame, rows: pd.DataFrame, baseline: str) -> str:
    """Who visits the fewest nodes at one size, over the baseline, and whether its time agrees."""
    if rows.empty:
        return ""
    faulty = faults(frame)
    workload, nr_live = rows["workload"].iloc[0], int(rows["nr_live"].iloc[0])
    sound = rows[~rows["variant"].isin(faulty[faulty["workload"] == workload]["variant"])]
    if sound.empty:
        return ""
    least = sound["value"].min()
    who = sorted(sound[sound["value"] == least]["variant"])
    cost = f"{number(least)} per op"
    base = rows[rows["variant"] == baseline]["value"]
    if len(base) and baseline not in who and base.iloc[0] > 0:
        cost = f"x{number(least / base.iloc[0])} of {baseline}'s"
    text = f"fewest nodes at {nr_live:,} live ranges: {_names(who)}, {cost}"
    return text + _slower(ratios, workload, nr_live, who[0])


def _slower(ratios: pd.DataFrame, workload: str, nr_live: int, variant: str) -> str:
    """Where a variant with fewer nodes is slower, drift and all: there, or where it is most so."""
    rows = ratios[(ratios["metric"] == "ns_per_op") & (ratios["workload"] == workload)]
    rows = rows[(rows["variant"] == variant) & (rows["lo"] > 1)]
    if rows.empty:
        return ""
    here = rows[rows["nr_live"] == nr_live]
    if len(here):
        return f", but x{number(here['ratio'].iloc[0])} of its time"
    worst = rows.sort_values("ratio").iloc[-1]
    return f", but x{number(worst['ratio'])} of its time at {int(worst['nr_live']):,}"


def of_variant(frame: pd.DataFrame, variant: str, baseline: str) -> str:
    """Name its pathological workloads, and count where it beats the baseline."""
    parts = [_scans(frame, variant)]
    found = faults(frame)
    found = found[found["variant"] == variant]
    for metric, words in FAULTS.items():
        where = list(found[found["metric"] == metric]["workload"])
        if where:
            parts.append(f"{words.capitalize()} on {', '.join(where)}.")
    judged = {metric: len(select(frame, metric=metric, variant=variant)) for metric in FAULTS}
    if found.empty and all(judged.values()):
        parts.append("Never fails spuriously and never exceeds a limit.")
    unjudged = [metric for metric, count in judged.items() if not count]
    if unjudged:
        parts.append(f"Not measured: {' and '.join(SHOWN[metric] for metric in unjudged)}.")
    if variant != baseline:
        parts.append(_against(frame, variant, baseline))
    return " ".join(parts)


def _scans(frame: pd.DataFrame, variant: str) -> str:
    scanned = [scan.workload for scan in linear_scans(frame, variant)]
    unknown = unknown_worst(frame, variant)
    if unknown and nothing_known(frame, variant):
        return "Worst op not measured."
    rest = f" Worst op not measured on {', '.join(unknown)}." if unknown else ""
    if scanned:
        return (
            "One op visits more than 10 % of the live ranges on"
            f" {_workloads(len(scanned))}: {', '.join(scanned)}.{rest}"
        )
    measured = "any workload" if not unknown else "the others"
    return f"No op visits more than 10 % of the live ranges on {measured}.{rest}"


def _workloads(count: int) -> str:
    return f"{count} workload" + "s" * (count != 1)


def _against(frame: pd.DataFrame, variant: str, baseline: str) -> str:
    rows = select(frame, metric="nodes_per_op")
    both = rows.pivot_table(index=["workload", "nr_live"], columns="variant", values="value")
    if not {variant, baseline} <= set(both.columns):
        return f"Not measured beside {baseline}."
    both = both[[variant, baseline]].dropna().reset_index()
    last = both.loc[both.groupby("workload")["nr_live"].idxmax()]
    ratio = last[variant] / last[baseline]
    fewer, more = int((ratio < 0.99).sum()), int((ratio > 1.01).sum())
    return (
        f"It visits fewer nodes than {baseline} on {fewer} of {_workloads(len(ratio))}, more on"
        f" {more}, the same within 1 % on {len(ratio) - fewer - more}."
    )


def _names(names: list[str]) -> str:
    if len(names) <= MOST_NAMES:
        return ", ".join(names)
    return f"{', '.join(names[: MOST_NAMES - 1])} and {len(names) - MOST_NAMES + 1} more"
