"""The page of lock contention, from results/contention alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from iova_lab.basics.errors import NoResultsError
from iova_lab.basics.reading import Row, row_files
from iova_lab.contention import holds, plausible, store, validation
from iova_lab.contention.constants import Constants, ConstantsError
from iova_lab.contention.lockups import MOST_CPUS
from iova_lab.contention.scenarios import SCENARIOS, THINK_NS
from iova_lab.contention.study import SCENARIO
from iova_lab.contention.tables import LOADED_IN_PART, duration, loaded_lines
from iova_lab.measuring import provenance
from iova_lab.measuring.catalogue import words_of
from iova_lab.measuring.cells import HARD_LOCKUP_S, SOFT_LOCKUP_S
from iova_lab.measuring.code_digest import is_old
from iova_lab.measuring.flags import OLD
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.reports import contention_errors, contention_lockups
from iova_lab.reports.contention_figures import lockup_figure, wait_figure

SUBJECT = "mainline"


def _rows(results: Path, name: str, made_by: str = "sweep") -> list[Row]:
    """Rows of one file.  Raises `NoResultsError` if there is none."""
    found = store.read(results, name)
    if not found:
        raise NoResultsError(f"{results}/{name}.jsonl has no rows: iova-lab contention {made_by}")
    return found


def _chosen(results: Path, name: str, constants: Constants) -> pd.DataFrame:
    """Rows of the page's scenario, at the scenario's own pace.

    Raises `NoResultsError` if there is none, `ConstantsError` for rows of other machine constants.
    """
    frame = pd.DataFrame(_rows(results, name))
    chosen = frame[(frame["scenario"] == SCENARIO) & frame["think_ns"].isna()]
    if chosen.empty:
        raise NoResultsError(f"no row of scenario {SCENARIO}: iova-lab contention sweep")
    alike = pd.Series(True, index=chosen.index)
    for one in ("handoff_ns", "remote_ns"):
        alike &= chosen[one] == getattr(constants, one) if one in chosen else False
    if not alike.all():
        raise ConstantsError(
            f"{results / name}.jsonl: {(~alike).sum()} of {len(chosen)} rows were simulated with"
            " other machine constants than those of host.jsonl, so they can't be compared on one"
            " page: iova-lab contention sweep --stored"
        )
    return chosen


def write_contention(results: Path, out_dir: Path) -> Path:
    """Write contention.md, contention.html and the figures; the path of the HTML."""
    machine = {row["what"]: row for row in _rows(results, "host")}
    if not {"host", "constants"} <= set(machine):
        raise ConstantsError(
            f"{results}/host.jsonl has no machine, or no constants of it: iova-lab contention sweep"
        )
    constants = Constants.from_row(machine["constants"])
    services = [row for row in _rows(results, "services") if "too_long" not in row]
    waits = _chosen(results, "sweep", constants)
    lockups = _chosen(results, "lockups", constants)
    checked = _rows(results, "validation", "validate")
    frame = pd.DataFrame(plausible.usable(checked))
    published = pd.DataFrame(_rows(results, "published", "validate"))
    host = machine["host"]
    out_dir.mkdir(parents=True, exist_ok=True)
    drawn = set(waits[["workload", "nr_live"]].itertuples(index=False, name=None))
    refused = holds.refused(row for row in services if tuple(row["asked"][1:]) in drawn)
    pictures = [_picture(of, out_dir, refused) for _, of in waits.groupby("workload")]
    here = lockups[lockups["here"]]
    picture = _lockup_picture(here, out_dir)
    _drop_stale(out_dir, {f"wait-{one['workload']}" for one in pictures} | {picture and "lockups"})
    old = _old(services)
    loaded = any(row.get("load", {}).get("loaded") for row in [*services, *checked])
    # What the answer can't be read without: holds of old code, rows of a loaded machine.
    warning = f" {OLD}." * bool(old) + LOADED_IN_PART * loaded
    return write_page(
        out_dir,
        "contention",
        answer=f"{contention_lockups.answer(lockups)}{warning}",
        measured=contention_lockups.measured(lockups),
        lockup_figure=picture,
        pictures=pictures,
        here=contention_lockups.of_this_machine(here),
        there=contention_lockups.of_published_costs(lockups[~lockups["here"]]),
        withdrawn=contention_lockups.withdrawn(here, services, SUBJECT),
        refused=refused,
        aside={
            cell: why for cell, why in plausible.set_aside(services).items() if cell not in refused
        },
        state=plausible.other_state(services),
        old=old,
        loads=_loads([*services, *checked]),
        safe=contention_lockups.safe(lockups),
        errors=contention_errors.errors(frame),
        worst=contention_errors.worst(frame),
        doubted=validation.doubted(checked),
        published=contention_errors.published(published),
        assumed=published.to_dict("records"),
        scenario=SCENARIO,
        scenarios={name: text for name, (text, _) in SCENARIOS.items()},
        think=duration(THINK_NS),
        most=f"{MOST_CPUS:,}",
        hard=f"{HARD_LOCKUP_S:.0f} s",
        soft=f"{SOFT_LOCKUP_S:.0f} s",
        host=f"{host['cpu']}, {host['num_cpu']} CPUs, {host['os']}",
        constants=constants,
        made=provenance.of_files(row_files(results, "*.jsonl"), "contention"),
        handoffs=_span(frame["handoff_ns"]),
        remote=_span(pd.concat([frame["remote_alloc_ns"], frame["remote_free_ns"]])),
        foreign=[
            f"{name} {ns:.0f} ns" for name, ns in sorted(validation.foreign_caches(frame).items())
        ],
        calm=f"{frame['nr_calm'].sum():,} of {frame['nr_rounds'].sum():,}",
    )


def _drop_stale(out_dir: Path, drawn: set[str]) -> None:
    """Delete figures of an earlier page that this one withdraws."""
    for path in [*out_dir.glob("wait-*"), *out_dir.glob("lockups.*")]:
        if path.stem not in drawn:
            path.unlink()


def _old(services: list[Row]) -> list[str]:
    """Variants whose holds were measured with other code than today's."""
    return sorted({row["asked"][0] for row in services if is_old(row, row["asked"][0], "threaded")})


def _loads(found: list[Row]) -> str:
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
        "summary": (words_of(workload) or (workload, ""))[0],
        "left_out": [name.removesuffix(cell) for name in refused if name.endswith(cell)],
    }


def _finding(frame: pd.DataFrame) -> str:
    """Longest waits of the most CPUs: with mainline, the best and the worst variant."""
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
    least = frame.iloc[int(frame["cpus"].argmin())]
    finding = (
        f"{SUBJECT} keeps a CPU from scheduling for {SOFT_LOCKUP_S:.0f} s on"
        f" {frame['workload'].nunique()} of {here['workload'].nunique()} workloads; fewest CPUs:"
        f" {int(least['cpus'])}, {least['workload']} at {int(least['nr_live']):,} live ranges"
    )
    save(lockup_figure(frame, finding), out_dir / "lockups")
    return finding
