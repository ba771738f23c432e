"""The page of lock contention, from results/contention alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from iova_lab import workloads
from iova_lab.basics.errors import NoResultsError
from iova_lab.contention import plausible, store, study, validation
from iova_lab.contention.constants import Constants, ConstantsError
from iova_lab.contention.figures import lockup_figure, wait_figure
from iova_lab.contention.lockups import MOST_CPUS
from iova_lab.contention.scenarios import SCENARIOS, THINK_NS
from iova_lab.contention.tables import duration, error_rows, loaded_lines
from iova_lab.measuring import provenance
from iova_lab.measuring.cells import HARD_LOCKUP_S, SOFT_LOCKUP_S
from iova_lab.measuring.code_digest import is_old
from iova_lab.measuring.flags import OLD
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save

SUBJECT = "mainline"
SCENARIO = "lazy"
#: What a number that is withdrawn, or was never looked for, is on the page.
WITHDRAWN = "withdrawn"
NONE = "none"
AGAIN = "`iova-lab contention sweep --again` on an idle machine"


def _frame(results: Path, name: str, made_by: str) -> pd.DataFrame:
    """Rows of one file.  Raises `NoResultsError` if there is none."""
    found = store.read(results, name)
    if not found:
        raise NoResultsError(f"{results}/{name}.jsonl has no rows: iova-lab contention {made_by}")
    return pd.DataFrame(found)


def _chosen(frame: pd.DataFrame, constants: Constants, where: Path) -> pd.DataFrame:
    """Rows of the page's scenario, at the scenario's own pace.

    Raises `NoResultsError` if there is none, `ConstantsError` for rows of other machine constants.
    """
    chosen = frame[(frame["scenario"] == SCENARIO) & frame["think_ns"].isna()]
    if chosen.empty:
        raise NoResultsError(f"no row of scenario {SCENARIO}: iova-lab contention sweep")
    wanted = {"handoff_ns": constants.handoff_ns, "remote_ns": constants.remote_ns}
    alike = pd.Series(True, index=chosen.index)
    for name, value in wanted.items():
        alike &= chosen[name] == value if name in chosen else False
    if not alike.all():
        raise ConstantsError(
            f"{where}: {(~alike).sum()} of {len(chosen)} rows were simulated with other machine"
            " constants than those of host.jsonl, so they can't be compared on one page:"
            " iova-lab contention sweep --stored"
        )
    return chosen


def write_contention(results: Path, out_dir: Path) -> Path:
    """Write contention.md, contention.html and the figures; the path of the HTML."""
    machine = _frame(results, "host", "sweep").set_index("what", drop=False)
    if not {"host", "constants"} <= set(machine.index):
        raise ConstantsError(
            f"{results}/host.jsonl has no machine, or no constants of it: iova-lab contention sweep"
        )
    constants = Constants.from_row(machine.loc["constants"].to_dict())
    services = [row for row in _rows(results, "services", "sweep") if "too_long" not in row]
    waits = _chosen(_frame(results, "sweep", "sweep"), constants, results / "sweep.jsonl")
    lockups = _chosen(_frame(results, "lockups", "sweep"), constants, results / "lockups.jsonl")
    checked = _rows(results, "validation", "validate")
    doubted = validation.doubted(checked)
    frame = pd.DataFrame([row for row in checked if not plausible.validation_doubts(row)])
    published = _frame(results, "published", "validate")
    host = machine.loc["host"]
    out_dir.mkdir(parents=True, exist_ok=True)
    drawn = set(waits[["workload", "nr_live"]].itertuples(index=False, name=None))
    refused = study.refused(row for row in services if tuple(row["asked"][1:]) in drawn)
    pictures = [_picture(of, out_dir, refused) for _, of in waits.groupby("workload")]
    here = lockups[lockups["here"]]
    picture = _lockup_picture(here, out_dir)
    _drop_stale(out_dir, {f"wait-{one['workload']}" for one in pictures} | {picture and "lockups"})
    return write_page(
        out_dir,
        "contention",
        answer=f"{_answer(lockups)}{_warning(services, checked)}",
        lockup_figure=picture,
        pictures=pictures,
        here=_here(here),
        there=_there(lockups[~lockups["here"]]),
        withdrawn=_withdrawn(here, services),
        refused=[f"{cell}: {'; '.join(why)}" for cell, why in refused.items()],
        aside=[f"{cell}: {'; '.join(why)}" for cell, why in _aside(services, refused).items()],
        state=plausible.other_state(services),
        old=_old(services),
        loads=_loads([*services, *checked]),
        safe=_safe(lockups),
        errors=_errors(frame),
        worst=_worst(frame),
        doubted=[f"{cell}: {'; '.join(why)}" for cell, why in doubted.items()],
        published=_published(published),
        assumed=published.to_dict("records"),
        scenario=SCENARIO,
        scenarios={name: text for name, (text, _) in SCENARIOS.items()},
        think=duration(THINK_NS),
        most=f"{MOST_CPUS:,}",
        hard=f"{HARD_LOCKUP_S:.0f} s",
        soft=f"{SOFT_LOCKUP_S:.0f} s",
        host=f"{host['cpu']}, {host['num_cpu']} CPUs, {host['os']}",
        constants=constants,
        made=provenance.table(provenance.of_files(sorted(results.glob("*.jsonl")), "contention")),
        handoffs=_span(frame["handoff_ns"]),
        remote=_span(pd.concat([frame["remote_alloc_ns"], frame["remote_free_ns"]])),
        foreign=[
            f"{name} {ns:.0f} ns" for name, ns in sorted(validation.foreign_caches(frame).items())
        ],
        calm=f"{frame['nr_calm'].sum():,} of {frame['nr_rounds'].sum():,}",
    )


def _rows(results: Path, name: str, made_by: str) -> list[dict[str, Any]]:
    """Rows of one file as they are.  Raises `ValueError` if there is none."""
    _frame(results, name, made_by)
    return store.read(results, name)


def _drop_stale(out_dir: Path, drawn: set[str]) -> None:
    """Delete figures of an earlier page that this one withdraws."""
    for path in [*out_dir.glob("wait-*"), *out_dir.glob("lockups.*")]:
        if path.stem not in drawn:
            path.unlink()


def _aside(services: list[dict[str, Any]], refused: dict[str, Any]) -> dict[str, list[str]]:
    found = plausible.set_aside(services)
    return {cell: why for cell, why in found.items() if cell not in refused}


def _old(services: list[dict[str, Any]]) -> str:
    """Label of holds that were measured with other code than today's."""
    names = sorted(
        {row["asked"][0] for row in services if is_old(row, row["asked"][0], "threaded")}
    )
    if not names:
        return ""
    return f"{OLD}: measured with earlier code or compiler flags than today's: {', '.join(names)}"


def _warning(services: list[dict[str, Any]], checked: list[dict[str, Any]]) -> str:
    """What the answer can't be read without: holds of old code, rows of a loaded machine."""
    old = f" {OLD}." if _old(services) else ""
    loaded = any(row.get("load", {}).get("loaded") for row in [*services, *checked])
    return old + " Measured in part on a loaded machine." * loaded


def _loads(found: list[dict[str, Any]]) -> str:
    """Label of rows by the load that they were measured under."""
    unknown = sum("load" not in row for row in found)
    lines = [f"{unknown} of {len(found)} rows have no load recorded"] if unknown else []
    return "; ".join([*lines, *loaded_lines(found)])


def _span(values: pd.Series) -> str:
    return f"{values.min():.0f} to {values.max():.0f} ns"


# ---- pictures ----


def _picture(frame: pd.DataFrame, out_dir: Path, refused: dict[str, list[str]]) -> dict[str, Any]:
    workload = str(frame["workload"].iloc[0])
    finding = _finding(frame)
    save(wait_figure(frame, finding), out_dir / f"wait-{workload}")
    cell = f" on {workload} at {int(frame['nr_live'].iloc[0]):,}"
    return {
        "workload": workload,
        "finding": finding,
        "summary": workloads.get(workload).summary.replace("``", "`"),
        "left_out": [name.removesuffix(cell) for name in refused if name.endswith(cell)],
    }


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


def _lockup_picture(here: pd.DataFrame, out_dir: Path) -> str:
    """Draw the smallest numbers of CPUs over sizes; "" where only one size has any."""
    frame = here.rename(columns={"soft_cpus": "cpus"}).dropna(subset=["cpus"])
    if frame["nr_live"].nunique() < 2:
        return ""
    least = frame.loc[frame["cpus"].idxmin()]
    finding = (
        f"{SUBJECT} keeps a CPU from scheduling for {SOFT_LOCKUP_S:.0f} s on"
        f" {frame['workload'].nunique()} of {here['workload'].nunique()} workloads; fewest CPUs:"
        f" {int(least['cpus'])}, {least['workload']} at {int(least['nr_live']):,} live ranges"
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
    return f"{int(row[column]):,} CPUs" if row is not None else f"more than {MOST_CPUS:,} CPUs"


def _cell(row: pd.Series) -> str:
    return f"{row['workload']}, {int(row['nr_live']):,} live ranges"


def _answer(lockups: pd.DataFrame) -> str:
    """Fewest CPUs at the highest published cost of a node, and at this machine's."""
    there = lockups[~lockups["here"]]
    there = there[there["ns_per_node"] == there["ns_per_node"].max()]
    parts = []
    soft, hard = _least(there, "soft_cpus"), _least(there, "hard_cpus")
    if soft is not None:
        other = "" if hard is None or _cell(hard) == _cell(soft) else f" ({_cell(hard)})"
        parts.append(
            f"at the published {soft['ns_per_node']:.0f} ns a node, a soft lockup takes"
            f" {_said(soft, 'soft_cpus')} ({_cell(soft)}), a hard one {_said(hard, 'hard_cpus')}"
            f"{other}"
        )
    soft = _least(lockups[lockups["here"]], "soft_cpus")
    where = "" if soft is None else f" ({_cell(soft)})"
    cost = "this machine's cost" if soft is None else f"the measured {soft['ns_per_node']:.3g} ns"
    parts.append(f"at {cost}, a soft lockup takes {_said(soft, 'soft_cpus')}{where}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _number(value: Any) -> str:
    return NONE if pd.isna(value) else f"{int(value):,}"


def _locked(frame: pd.DataFrame) -> pd.DataFrame:
    found = frame.dropna(subset=["soft_cpus", "hard_cpus"], how="all")
    return found.sort_values(["workload", "nr_live", "ns_per_node"])


def _here(here: pd.DataFrame) -> pd.DataFrame:
    """One row per workload and size that locks up at this machine's cost of a node."""
    return pd.DataFrame(
        {
            "workload": row.workload,
            "live ranges": f"{row.nr_live:,}",
            "ns a node": f"{row.ns_per_node:.3g}",
            "soft": _number(row.soft_cpus),
            "hard": _number(row.hard_cpus),
        }
        for row in _locked(here).itertuples()
    )


def _there(there: pd.DataFrame) -> pd.DataFrame:
    """One row per workload that locks up at a published cost of a node, at its size."""
    table = []
    keys = _locked(there)[["workload", "nr_live"]].drop_duplicates()
    for workload, nr_live in keys.itertuples(index=False):
        line = {"workload": workload, "live ranges": f"{nr_live:,}"}
        costs = there[(there["workload"] == workload) & (there["nr_live"] == nr_live)]
        for kind in ("soft", "hard"):
            for row in costs.sort_values("ns_per_node").itertuples():
                value = getattr(row, f"{kind}_cpus")
                line[f"{kind}, {row.ns_per_node:.0f} ns"] = _number(value)
        table.append(line)
    return pd.DataFrame(table)


def _withdrawn(here: pd.DataFrame, services: list[dict[str, Any]]) -> list[str]:
    """Sizes that have no cost of a node, with the reason and what measures it again."""
    own = [row for row in services if row["asked"][0] == SUBJECT]
    lines = []
    for nr_live in sorted({row["nr_live"] for row in own} - set(here["nr_live"])):
        scans = [row for row in own if row["nr_live"] == nr_live and _scans(row)]
        good = [row for row in scans if not plausible.fit_doubts(row["alloc"])]
        lines.append(
            f"{nr_live:,} live ranges: the holds of {len(scans)} workloads scan, and"
            f" {len(good)} of them fit within {plausible.MOST_ERROR:.0%};"
            f" {plausible.LEAST_FITS} are needed. Measured again by {AGAIN}"
        )
    return lines


def _scans(row: dict[str, Any]) -> bool:
    return plausible.is_scan(row["alloc"])


def _safe(lockups: pd.DataFrame) -> list[str]:
    """Workloads on which no number of CPUs locks up, at any cost of a node."""
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
