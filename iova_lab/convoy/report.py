"""What does a reader learn of contention?  The page, from results/contention alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from iova_lab import workloads
from iova_lab.convoy import validation
from iova_lab.convoy.figures import lockup_figure, wait_figure
from iova_lab.convoy.lockups import MOST_CPUS
from iova_lab.convoy.model import HARD_S, SOFT_S
from iova_lab.convoy.scenarios import SCENARIOS, THINK_NS
from iova_lab.convoy.tables import duration, error_rows
from iova_lab.figures import save
from iova_lab.kernel import rows
from iova_lab.pages import write_page

SUBJECT = "mainline"
SCENARIO = "lazy"


def _frame(results: Path, name: str, made_by: str) -> pd.DataFrame:
    """Rows of one file.  Raises `ValueError` if there is none."""
    found = rows.read(results / f"{name}.jsonl")
    if not found:
        raise ValueError(f"{results}/{name}.jsonl has no rows: iova-lab contention {made_by}")
    return pd.DataFrame(found)


def _chosen(frame: pd.DataFrame) -> pd.DataFrame:
    """Rows of the page's scenario, at the scenario's own pace.  Raises `ValueError`."""
    chosen = frame[(frame["scenario"] == SCENARIO) & frame["think_ns"].isna()]
    if chosen.empty:
        raise ValueError(f"no row of scenario {SCENARIO}: iova-lab contention sweep")
    return chosen


def write_contention(results: Path, out_dir: Path) -> Path:
    """Write contention.md, contention.html and the figures; the path of the HTML."""
    waits = _chosen(_frame(results, "sweep", "sweep"))
    lockups = _chosen(_frame(results, "lockups", "sweep"))
    checked = _frame(results, "validation", "validate")
    published = _frame(results, "published", "validate")
    host = _frame(results, "host", "validate").iloc[-1]
    out_dir.mkdir(parents=True, exist_ok=True)
    pictures = [_picture(rows_of, out_dir) for _, rows_of in waits.groupby("workload")]
    measured = lockups[lockups["ns_per_node"] == 0]
    return write_page(
        out_dir,
        "contention",
        answer=_answer(lockups),
        lockup_figure=_lockup_picture(measured, out_dir),
        pictures=pictures,
        fewest=_fewest(lockups),
        safe=_safe(lockups),
        errors=_errors(checked),
        worst=_worst(checked),
        published=_published(published),
        assumed=published.to_dict("records"),
        scenario=SCENARIO,
        scenarios={name: text for name, (text, _) in SCENARIOS.items()},
        think=duration(THINK_NS),
        most=f"{MOST_CPUS:,}",
        hard=f"{HARD_S:.0f} s",
        soft=f"{SOFT_S:.0f} s",
        host=f"{host['cpu']}, {host['num_cpu']} CPUs, {host['os']}",
        handoffs=_span(checked["handoff_ns"]),
        remote=_span(pd.concat([checked["remote_alloc_ns"], checked["remote_free_ns"]])),
        calm=f"{checked['nr_calm'].sum():,} of {checked['nr_rounds'].sum():,}",
    )


def _span(values: pd.Series) -> str:
    return f"{values.min():.0f} to {values.max():.0f} ns"


# ---- pictures ----


def _picture(frame: pd.DataFrame, out_dir: Path) -> dict[str, str]:
    workload = str(frame["workload"].iloc[0])
    finding = _finding(frame)
    save(wait_figure(frame, finding), out_dir / f"wait-{workload}")
    return {"workload": workload, "finding": finding, "summary": workloads.get(workload).summary}


def _finding(frame: pd.DataFrame) -> str:
    """Say what the most CPUs wait with mainline, and who makes them wait least."""
    most = frame[frame["nr_cpus"] == frame["nr_cpus"].max()].set_index("variant")
    waits = most["max_wait_ns"].sort_values()
    text = (
        f"{frame['workload'].iloc[0]}, {int(frame['nr_live'].iloc[0]):,} live:"
        f" {int(frame['nr_cpus'].max()):,} CPUs wait up to"
    )
    best = f"{duration(waits.iloc[0])} with {waits.index[0]}"
    worst = f"{duration(waits.iloc[-1])} with {waits.index[-1]}"
    if SUBJECT in waits.index and SUBJECT not in (waits.index[0], waits.index[-1]):
        return f"{text} {duration(waits[SUBJECT])} with {SUBJECT}, {best}, {worst}"
    return f"{text} {worst}, {best}"


def _lockup_picture(measured: pd.DataFrame, out_dir: Path) -> str:
    frame = measured.rename(columns={"soft_cpus": "cpus"}).dropna(subset=["cpus"])
    if frame.empty:
        return ""
    least = frame.loc[frame["cpus"].idxmin()]
    total = measured["workload"].nunique()
    finding = (
        f"{SUBJECT} keeps a CPU from scheduling for {SOFT_S:.0f} s on"
        f" {frame['workload'].nunique()} of {total} recipes; fewest CPUs: {int(least['cpus'])},"
        f" {least['workload']} at {int(least['nr_live']):,} live"
    )
    save(lockup_figure(frame, finding), out_dir / "lockups")
    return finding


# ---- the answer, and tables ----


def _least(frame: pd.DataFrame, column: str) -> pd.Series | None:
    """Row with the fewest CPUs, and among those the fewest live ranges."""
    found = frame.dropna(subset=[column])
    if found.empty:
        return None
    return found.sort_values([column, "nr_live"]).iloc[0]


def _said(row: pd.Series | None, column: str) -> str:
    if row is None:
        return f"no number of CPUs up to {MOST_CPUS:,}"
    return f"{int(row[column]):,} CPUs ({row['workload']}, {int(row['nr_live']):,} live ranges)"


def _answer(lockups: pd.DataFrame) -> str:
    here = lockups[lockups["ns_per_node"] == 0]
    there = lockups[lockups["ns_per_node"] == lockups["ns_per_node"].max()]
    ns = f"{lockups['ns_per_node'].max():.0f} ns"
    parts = [
        f"A soft lockup ({SOFT_S:.0f} s without scheduling) takes"
        f" {_said(_least(here, 'soft_cpus'), 'soft_cpus')} at this machine's cost of a node, and"
        f" {_said(_least(there, 'soft_cpus'), 'soft_cpus')} at the {ns} that others have published",
        f"a hard lockup ({HARD_S:.0f} s with interrupts off)"
        f" {_said(_least(here, 'hard_cpus'), 'hard_cpus')}, and"
        f" {_said(_least(there, 'hard_cpus'), 'hard_cpus')}",
    ]
    return "; ".join(parts) + "."


def _number(value: Any) -> str:
    return "-" if pd.isna(value) else f"{int(value):,}"


def _fewest(lockups: pd.DataFrame) -> pd.DataFrame:
    """One row per recipe and size that locks up anywhere; columns by ns per node."""
    found = lockups.dropna(subset=["soft_cpus", "hard_cpus"], how="all")
    keys = found[["workload", "nr_live"]].drop_duplicates().sort_values(["workload", "nr_live"])
    indexed = lockups.set_index(["workload", "nr_live", "ns_per_node"]).sort_index()
    table = []
    for workload, nr_live in keys.itertuples(index=False):
        line = {"recipe": workload, "live ranges": f"{nr_live:,}"}
        for column, name in (("soft_cpus", "soft"), ("hard_cpus", "hard")):
            for ns in sorted(lockups["ns_per_node"].unique()):
                where = "here" if ns == 0 else f"{ns:.0f} ns"
                line[f"{name}, {where}"] = _number(indexed[column].get((workload, nr_live, ns)))
        table.append(line)
    return pd.DataFrame(table)


def _safe(lockups: pd.DataFrame) -> list[str]:
    """Recipes on which no number of CPUs locks up, at any cost of a node."""
    locked = lockups.groupby("workload")[["soft_cpus", "hard_cpus"]].count().sum(axis=1)
    return [f"`{name}`" for name in locked.index[locked == 0]]


def _errors(checked: pd.DataFrame) -> pd.DataFrame:
    names = ["threads", "what", "median", "worst", "cells"]
    return pd.DataFrame(error_rows(validation.errors(checked)), columns=names)


def _worst(checked: pd.DataFrame) -> pd.DataFrame:
    """Each cell of most threads, measured beside predicted."""
    rows_of = checked[checked["threads"] == checked["threads"].max()]
    table = []
    for row in rows_of.to_dict("records"):
        pairs = {
            name: f"{duration(row[f'measured_{name}'])} / {duration(row[f'predicted_{name}'])}"
            for name in ("hold", "wait", "p99_wait", "max_wait")
        }
        cell = {"cell": f"{row['workload']} {row['nr_live']:,}, {row['variant']}"}
        table.append(cell | {name.replace("_", " "): text for name, text in pairs.items()})
    return pd.DataFrame(table)


def _published(found: pd.DataFrame) -> pd.DataFrame:
    table = []
    for row in found.itertuples():
        known = not pd.isna(row.published)
        table.append(
            {
                "case": row.name,
                "figure": row.figure,
                "published": f"{row.published:g} {row.unit}" if known else "-",
                "model": f"{row.predicted:.3g} {row.unit}",
                "error": f"{row.predicted / row.published - 1:+.0%}" if known else "-",
            }
        )
    return pd.DataFrame(table)
