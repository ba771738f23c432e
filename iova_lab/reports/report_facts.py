"""How the numbers of a report were measured: machine, commit, load, which cells."""

from __future__ import annotations

import pandas as pd

from iova_lab.measuring import (
    asv_runs,
    carried,
    catalogue,
    drift,
    flags,
    metrics,
    provenance,
    reference_load,
    results,
)
from iova_lab.measuring.cells import number
from iova_lab.rendering import tables

HARNESS = (
    "IOVA allocators replaying fixed op streams in user space: variant x workload x live ranges,"
    " one C call per replay"
)


GONE = "not in this checkout"


def facts(run: asv_runs.Run, baseline: str, commit: str | None) -> dict[str, str]:
    """The machine, the commit, and the commands that measured and that report it."""
    machine = asv_runs.machine_facts(run)
    words = ", ".join(f"{key} {value}" for key, value in machine.items())
    command = f"iova-lab report --machine {run.machine} --baseline {baseline}"
    short = run.commit[:12]
    in_parts = bool(reference_load.rows_of(run.path.parent, run.commit))
    measured = f"iova-lab reference --machine {run.machine} --commit {short}"
    return {
        "machine": f"{run.machine} ({words})" if words else run.machine,
        "commit": f"{run.commit[:12]} of {run.date:%Y-%m-%d}{_carried(run)}",
        "measured by": measured if in_parts else f"asv run --machine {run.machine} {short}^!",
        "report by": f"{command} --commit {short}" if commit else command,
    }


def _carried(run: asv_runs.Run) -> str:
    rows = carried.rows_of(run.path.parent, run.commit)
    return "".join(
        f"; all but {', '.join(row.changed)}, and the times of {carried.BASE} up to"
        f" {carried.MOST_AGAIN:,} live ranges, measured at {row.before[:12]}, which has the same"
        " code of them"
        for row in rows
    )


def conditions(frame: pd.DataFrame, run: asv_runs.Run) -> dict[str, str]:
    """What was measured of what there is, how busy the machine was, and how it was compiled."""
    load = drift.load(frame)
    floor = drift.floor(frame)
    return {
        "compiler": asv_runs.compiler(run) or provenance.NOT_RECORDED,
        "compiled with": flags.at(run.commit),
        "code": flags.changed_since(run.commit),
        "load": f"median {load[0]:.1f}, at most {load[1]:.1f} (one-minute average, the measuring"
        " process included)"
        if load
        else "not recorded",
        "disturbances": reference_load.conditions(run.path.parent, run.commit),
        "drift": str(floor)
        if floor
        else "not measured, so times have no intervals and are not compared",
        WIDE_INTERVALS: _wide(frame),
        "workloads": _workloads(set(frame["workload"])),
        **_measured_sizes(frame),
        "cells": _coverage(frame),
    }


#: A fact that a mail leaves out.
WIDE_INTERVALS = "wide intervals"
#: From end to end, a 99 % interval of a time beyond this stands on samples that do not agree.
WIDE = 2.0
_MOST_NAMED = 3


def _wide(frame: pd.DataFrame) -> str:
    """Which times have samples that do not agree."""
    times = results.select(frame, metric="ns_per_op")
    known = times[times["ci_lo"] > 0]
    if known.empty:
        return "no time has an interval"
    known = known.assign(width=known["ci_hi"] / known["ci_lo"])
    wide = known[known["width"] > WIDE].sort_values("width", ascending=False)
    text = f"{len(wide)} of {len(known)} times, more than x{WIDE:g} from end to end"
    named = [
        f"{row['variant']} on {row['workload']} at {row['nr_live']:,}, x{number(row['width'])}"
        for row in wide[:_MOST_NAMED].to_dict("records")
    ]
    return f"{text}: {'; '.join(named)}{', ...' * (len(wide) > len(named))}" if named else text


def _workloads(measured: set[str]) -> str:
    """How many there were to measure, and which have come since: these have no cell at all."""
    known = set(catalogue.workload_names())
    text = f"{len(measured)}"
    later = sorted(known - measured)
    return f"{text}; not measured: {', '.join(later)}" if later else text


def _measured_sizes(frame: pd.DataFrame) -> dict[str, str]:
    """The sizes that the run chose: asv does not record its options."""
    facts = {}
    for what, metric in (
        ("times at", "ns_per_op"),
        ("nodes at", "nodes_per_op"),
        ("worst op at", "worst_nodes"),
    ):
        rows = results.select(frame, metric=metric)
        sizes = ", ".join(f"{size:,}" for size in sorted(set(rows["nr_live"])))
        facts[what] = f"{sizes} live ranges" if sizes else "not measured"
    return facts


def _coverage(frame: pd.DataFrame) -> str:
    """How many cells of the suite's own metrics have a value, and why the others have none."""
    shown = frame[frame["metric"].isin([*tables.SHOWN, "worst_nodes", *metrics.OF_LIVE])]
    counts = shown["status"].value_counts()
    return ", ".join(f"{count:,} {status}" for status, count in counts.items())
