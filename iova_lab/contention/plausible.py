"""Plausibility checks of stored samples: which measurements an interruption has spoiled.

The same checks run when a cell is measured (it is measured again) and when it is read (it is left
out, and the page names it with the reason).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from iova_lab.basics.reading import Row

#: Resolution of the clock that holds are read with, ns.
CLOCK_NS = 10.0
#: A fit of base and cost of a node is refused if ops differ from it by more than this, on average,
#: or if its mean does.
MOST_ERROR = 0.25
#: Searches shorter than this are too short for a cost of a node: their holds are all base.
LONG_SCAN = 100
#: A cost of a node stands on at least so many workloads.
LEAST_FITS = 3
#: Hand-overs of one state of the host are within this factor of each other.
NEAR = 1.5
#: A hold is interrupted if it is longer than this, and longer than so many times the fit of the
#: most nodes.
INTERRUPTED_NS, INTERRUPTED = 50_000.0, 3.0
#: Another CPU's caches can't cost more than this many hand-overs and the whole hold once more.
MOST_LINES = 20

KINDS = ("alloc", "free")


def usual_handoff(values: Iterable[float]) -> float:
    """The hand-over of the host's quickest state; 0 without values.

    A tenth of all may be shorter: a single one may be a mistake.
    """
    known = [value for value in values if value > 0]
    return float(np.quantile(known, 0.1)) if known else 0.0


def is_near(value: float, usual: float) -> bool:
    """Are both hand-overs of one state of the host?"""
    return usual / NEAR <= value <= usual * NEAR


def is_scan(kind: Row) -> bool:
    """Does this kind of op scan so many nodes that a cost of a node can be fitted?"""
    return bool(kind["nr"]) and kind["mean_nodes"] >= LONG_SCAN


def fit_doubts(kind: Row) -> list[str]:
    """Why the fit of a kind's holds can't be used; [] if it can, or if there is none."""
    if not is_scan(kind):
        return []
    worst = max(kind["error"], abs(kind["mean_error"]))
    if worst <= MOST_ERROR:
        return []
    return [f"base and cost of a node fit within {worst:.0%}, of at most {MOST_ERROR:.0%}"]


def hold_doubts(kind: Row) -> list[str]:
    """Why the holds of a kind can't be used: an interruption is among them."""
    longest = max((ns for ns, _ in kind["holds"]), default=0.0)
    expected = kind["base_ns"] + kind["ns_per_node"] * kind["max_nodes"]
    if longest <= max(INTERRUPTED_NS, INTERRUPTED * expected):
        return []
    return [
        f"a hold of {longest / 1e6:.3g} ms, where the fit has at most {expected / 1e6:.3g} ms:"
        " interrupted"
    ]


def remote_doubts(kind: Row, handoff_ns: float) -> list[str]:
    """Why a measured remote cache cost can't be used: it exceeds fetching all that a hold reads."""
    mean = sum(ns * count for ns, count in kind["holds"]) / kind["nr"] if kind["nr"] else 0.0
    most = mean + MOST_LINES * handoff_ns
    if kind["remote_ns"] <= most:
        return []
    return [_remote(kind["remote_ns"], most)]


def _remote(ns: float, most: float) -> str:
    return f"a remote cache cost of {ns:,.0f} ns, of at most {most:,.0f} ns: interrupted"


def is_replaced(kind: Row) -> bool:
    """Are this kind's holds interrupted, but its fit of the exact nodes is good?"""
    return bool(hold_doubts(kind)) and is_scan(kind) and not fit_doubts(kind)


def set_aside(rows: Iterable[Row]) -> dict[str, list[str]]:
    """By cell: samples that are not plausible, and that nothing on a page is made of.

    Remote cache costs and hand-overs (one constant is used for all), fits of the cost of a node
    (the median of the good ones is used), and holds that their fit replaces.
    """
    reasons = {}
    for row in rows:
        why = []
        for name in KINDS:
            kind = row[name]
            doubts = remote_doubts(kind, row["handoff_ns"]) + fit_doubts(kind) + hold_doubts(kind)
            why += [f"{name}: {doubt}" for doubt in doubts]
        if why:
            reasons["{} on {} at {:,}".format(*row["asked"])] = why
    return reasons


def other_state(rows: Iterable[Row]) -> str:
    """How many cells were measured while the host was in another state; "" if none was."""
    values = [
        float(row["handoff_now_ns" if "handoff_now_ns" in row else "handoff_ns"]) for row in rows
    ]
    usual = usual_handoff(values)
    others = [value for value in values if value and not is_near(value, usual)]
    if not others:
        return ""
    return (
        f"{len(others)} of {len(values)} cells were measured in another state of the host: a"
        f" hand-over took {min(others):,.0f} to {max(others):,.0f} ns, not about {usual:,.0f} ns"
    )


def service_doubts(row: Row) -> list[str]:
    """Why the holds of a cell can't be used: interrupted, and no fit can take their place."""
    return [
        f"{name}: {doubt}"
        for name in KINDS
        if hold_doubts(row[name]) and not is_replaced(row[name])
        for doubt in (*hold_doubts(row[name]), *fit_doubts(row[name]))
    ]


def node_costs(rows: Iterable[Row]) -> dict[int, float]:
    """Cost of a visited node by number of live ranges, ns: the median of the fits that are good.

    It grows with the number of live ranges, as the tree outgrows the caches.  A size of which fewer
    than `LEAST_FITS` fits are good has none.
    """
    found: dict[int, list[float]] = {}
    for row in rows:
        kind = row["alloc"]
        walks = is_scan(kind) and kind["ns_per_node"] * kind["mean_nodes"] > kind["base_ns"]
        if walks and not fit_doubts(kind):
            found.setdefault(row["nr_live"], []).append(kind["ns_per_node"])
    return {
        nr_live: round(float(np.median(costs)), 2)
        for nr_live, costs in sorted(found.items())
        if len(costs) >= LEAST_FITS
    }


def usable(checked: Iterable[Row]) -> list[Row]:
    """The rows of validation.jsonl that every page may use."""
    return [row for row in checked if not validation_doubts(row)]


def validation_doubts(row: Row) -> list[str]:
    """Why a row of validation.jsonl can't be used."""
    found = []
    for kind in KINDS:
        remote = row.get(f"remote_{kind}_ns", 0.0)
        most = row["predicted_max_hold"] + MOST_LINES * row["handoff_ns"]
        if remote > most:
            found.append(f"{kind}: {_remote(remote, most)}")
    if not row["nr_calm"]:
        found.append("no round without a CPU taken away: maxima are the system's scheduling")
    return found
