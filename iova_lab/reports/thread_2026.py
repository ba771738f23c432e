"""The thread of 2026: which allocator ends the soft lockups, and at what price, as measured.

Rik van Riel posted an rbtree augmented with gaps (augmented, May 2026) and then a maple tree
(maple, June 2026) for soft lockups that he could not reproduce on demand; Peng Zhang's rbtree of
2022 (alignable) had been declined over the common case.  Each answer is chosen by the frame.
"""

from __future__ import annotations

import pandas as pd

from iova_lab.measuring.cells import COMMON_CASE, format_value, number
from iova_lab.measuring.frames import rows_of
from iova_lab.measuring.results import select
from iova_lab.measuring.scaling import RatioRow, ratios
from iova_lab.measuring.scorecard import (
    Scan,
    common_case,
    is_clean,
    linear_scans,
    needless,
    nothing_known,
    unknown_worst,
)
from iova_lab.measuring.statistics import Interval
from iova_lab.rendering.tables import change
from iova_lab.reports.thread import COSTS, Answer, Thread, growth_lines

TODAY = "mainline"
POSTED = ("alignable", "augmented", "maple")
OURS = "candidate"

#: Workloads that are pathological for an allocator of the list.
PATHOLOGICAL = ("random_replace", "full_32bit", "checkerboard", "high_limit", "misaligned_gaps")
REUSE = "aligned_holes"


ABOUT = (
    "Machines in production had soft lockups inside alloc_iova(), which could not be reproduced on"
    " demand. Two replacements were posted: an rbtree augmented with gaps (augmented, 18 May 2026)"
    " and a maple tree (maple, 3 Jun 2026). An earlier rbtree (alignable, 2022) had been declined"
    " because of its cost in the common case."
    " Posted benchmarks are quoted and measured again in reports/claims."
)


def judged(frame: pd.DataFrame) -> list[str]:
    """The allocators of the thread that were measured, today's first."""
    measured = set(select(frame, metric="nodes_per_op")["variant"])
    return [name for name in (TODAY, *POSTED, OURS) if name in measured]


def headline(frame: pd.DataFrame) -> str:
    """Which allocators of the thread have no pathological workload, and at which common case."""
    names = judged(frame)
    if TODAY not in names:
        return f"Not measured: {TODAY} is not in these results."
    found = {name: is_clean(frame, name) for name in names}
    clean = [f"`{name}`" for name in names if found[name]]
    unknown = [f"`{name}`" for name in names if found[name] is None]
    if len(unknown) == len(names):
        return "Not measured: the worst operation was not counted at 1,000 live ranges or more."
    text = f"Allocators without a pathological workload: {', '.join(clean) or 'none'}."
    return text + (f" Not decided: {', '.join(unknown)}." if unknown else "")


def summaries(frame: pd.DataFrame) -> list[str]:
    """A sentence per allocator: its pathological workloads and its common case."""
    return [_sentence(frame, name) for name in judged(frame) if name != TODAY]


def _sentence(frame: pd.DataFrame, name: str) -> str:
    walked, refused = linear_scans(frame, name), needless(frame, name)
    faults = []
    if walked:
        faults.append(f"scans linearly on {', '.join(scan.workload for scan in walked)}")
    if refused:
        faults.append(f"fails spuriously on {', '.join(refused)}")
    nodes = common_case(frame, name, TODAY)
    more = nodes[nodes["metric"] == "nodes_per_op"]["ratio"]
    cost = (
        f"x{more.min():.2f} to x{more.max():.2f} the nodes of {TODAY} in the common case, at all"
        " sizes"
        if len(more)
        else "its common case was not measured"
    )
    return f"{name}: {'; '.join([*faults, cost])}."


def answer(frame: pd.DataFrame, exponents: pd.DataFrame) -> list[Answer]:
    """Answer the questions of the thread."""
    thread = Thread(frame, exponents)
    names = judged(frame)
    if TODAY not in names:
        return []
    answers = [_summary(thread), _walks(thread)]
    answers += [_pathological(thread, name) for name in names if name != TODAY]
    answers += [_common(thread, name) for name in names if name != TODAY]
    return [*answers, _refusals(thread, names), _memory(thread, names)]


def _summary(thread: Thread) -> Answer:
    question = "Pathological workloads, and cost in the common case"
    return Answer(question, "By nodes, which are exact:", summaries(thread.frame))


def _worst(scan: Scan) -> str:
    worst = format_value(scan.worst_nodes, "nodes")
    return f"{scan.workload}: {worst} in one op, {scan.nr_live:,} live ranges."


def _walks(thread: Thread) -> Answer:
    found = linear_scans(thread.frame, TODAY)
    lines = [_worst(scan) for scan in found]
    for workload in PATHOLOGICAL:
        lines += [f"{workload}: {line}" for line in growth_lines(thread, TODAY, workload)[:1]]
    verdict = (
        f"Yes, on {len(found)} workloads, fragmented ones among them: one op visits more than 10 %"
        " of the live ranges, with the lock held and interrupts off."
        if found
        else _unknown(thread, TODAY) or "Not shown by what was measured."
    )
    return Answer(f"Does {TODAY} scan live ranges linearly?", verdict, lines)


def _unknown(thread: Thread, name: str) -> str:
    """That the worst op was not measured, and where; empty if it was."""
    unknown = unknown_worst(thread.frame, name)
    if unknown and nothing_known(thread.frame, name):
        return "Worst op not measured."
    return f"Worst op not measured on {', '.join(unknown)}." if unknown else ""


def _pathological(thread: Thread, name: str) -> Answer:
    found = linear_scans(thread.frame, name)
    left = [_worst(scan) for scan in found]
    unknown = _unknown(thread, name)
    known = {one.workload for one in found} | set(unknown_worst(thread.frame, name))
    cured = {scan.workload for scan in linear_scans(thread.frame, TODAY)} - known
    worst = select(thread.frame, variant=name, metric="worst_nodes")["value"].max()
    if found:
        verdict = f"No: it still scans on {', '.join(scan.workload for scan in found)}."
    elif pd.isna(worst):
        verdict = "Worst op not measured."
    elif unknown:
        verdict = f"Not decided. {unknown}"
    else:
        most = format_value(worst, "nodes")
        verdict = f"Yes, on every workload measured: no op visits more than {most}."
    if cured:
        left.append(f"No linear scan on: {', '.join(sorted(cured))}.")
    return Answer(f"Does {name} end the linear scans?", verdict, left)


def _common(thread: Thread, name: str) -> Answer:
    question = f"Is {name} no more expensive than {TODAY} in the common case?"
    table = common_case(thread.frame, name, TODAY)
    if table.empty:
        return Answer(question, f"Not measured on {', '.join(COMMON_CASE)}.")
    lines = []
    for (workload, nr_live), rows in table.groupby(["workload", "nr_live"]):
        found = {row.metric: Interval(row.ratio, row.lo, row.hi) for row in rows_of(rows, RatioRow)}
        words = [
            f"{unit} {change(found[metric])}" for metric, unit in COSTS.items() if metric in found
        ]
        lines.append(f"{workload}, {nr_live:,} live ranges: {', '.join(words)}.")
    nodes = table[table["metric"] == "nodes_per_op"]
    worse = sorted(set(nodes[nodes["ratio"] > 1]["workload"]))
    times = table[table["metric"] == "ns_per_op"]
    slower = sorted(set(times[times["lo"] > 1]["workload"]))
    verdict = (
        f"No: it visits more nodes on {', '.join(worse)}"
        if worse
        else "By nodes, yes: it visits no more on any"
    )
    verdict += f"; it is slower on {', '.join(slower)}." if slower else "."
    if times["lo"].isna().all():
        verdict += " Times are not compared: the drift of this run was not measured."
    return Answer(question, verdict, lines)


def _refusals(thread: Thread, names: list[str]) -> Answer:
    lines = []
    for name in names:
        found = needless(thread.frame, name)
        counts = ", ".join(f"{count} on {workload}" for workload, count in found.items())
        lines.append(f"{name}: {counts or 'none'}.")
    who = [name for name in names if needless(thread.frame, name)]
    if select(thread.frame, metric="spurious_failures").empty:
        return Answer("Does any fail spuriously?", "Not measured.")
    verdict = f"Yes: {', '.join(who)}." if who else "None of them, on any workload measured."
    reuse = ratios(thread.frame, TODAY, frozenset())
    span = reuse[(reuse["metric"] == "span_per_pfn") & (reuse["workload"] == REUSE)]
    span = span[span["variant"].isin(names)].sort_values("nr_live").groupby("variant").last()
    for variant, ratio in span["ratio"][span["ratio"] > 1.01].items():
        lines.append(f"{variant} on {REUSE}: x{ratio:.2f} the address span of {TODAY}.")
    return Answer("Does any fail spuriously?", verdict, lines)


def _memory(thread: Thread, names: list[str]) -> Answer:
    rows = select(thread.frame, metric="bytes_per_range", workload="random_replace")
    if rows.empty:
        return Answer("What does a live range cost in memory?", "Not measured.")
    at = rows[rows["nr_live"] == rows["nr_live"].max()].set_index("variant")["value"]
    known = [name for name in names if name in at.index]
    words = ", ".join(f"{name} {number(at[name])}" for name in known)
    verdict = f"Bytes a range, whole slabs, {rows['nr_live'].max():,} live: {words}."
    return Answer("What does a live range cost in memory?", verdict)
