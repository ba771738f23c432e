"""Which allocator ends the soft lockups, and at what price?  The thread of 2026, from measurements.

Rik van Riel posted an rbtree augmented with gaps (augmented, May 2026) and then a maple tree
(maple, June 2026) for soft lockups that he could not reproduce at will; Peng Zhang's rbtree of
2022 (alignable) had been declined over the common case.  Each answer is chosen by the frame.
"""

from __future__ import annotations

import pandas as pd

from iova_lab.cells import COMMON_CASE
from iova_lab.results import select
from iova_lab.scaling import Interval, ratios
from iova_lab.scorecard import common_case, is_clean, needless, traps
from iova_lab.tables import NOTHING, change, number
from iova_lab.thread import Answer, Thread, growth_lines

TODAY = "mainline"
POSTED = ("alignable", "augmented", "maple")
OURS = "candidate"

#: Named as traps on the list, with what they are traps for.
TRAPS = ("random_replace", "full_32bit", "checkerboard", "high_limit", "misaligned_gaps")
REUSE = "aligned_holes"


ABOUT = (
    "Machines in production fell into soft lockups inside alloc_iova(), and nobody could have one"
    " at will. Posted were an rbtree augmented with gaps (augmented, 18 May 2026) and a maple tree"
    " (maple, 3 Jun 2026); an rbtree of 2022 (alignable) had been declined over the common case. No"
    " posting had a benchmark."
)


def judged(frame: pd.DataFrame) -> list[str]:
    """The allocators of the thread that were measured, today's first."""
    measured = set(select(frame, metric="nodes_per_op")["variant"])
    return [name for name in (TODAY, *POSTED, OURS) if name in measured]


def headline(frame: pd.DataFrame) -> str:
    """Answer the thread in a sentence per allocator: its traps, refusals and common case."""
    names = judged(frame)
    if TODAY not in names:
        return f"Not measured: {TODAY} is not in these results."
    clean = [name for name in names if is_clean(frame, name)]
    ends = ", ".join(f"`{name}`" for name in clean) or "none of those measured"
    return f"Without a trap and without a needless refusal: {ends}. " + " ".join(
        _sentence(frame, name) for name in names if name != TODAY
    )


def _sentence(frame: pd.DataFrame, name: str) -> str:
    walked, refused = traps(frame, name), needless(frame, name)
    faults = []
    if walked:
        faults.append(f"walks on {', '.join(trap.workload for trap in walked)}")
    if refused:
        faults.append(f"refuses needlessly on {', '.join(refused)}")
    nodes = common_case(frame, name, TODAY)
    nodes = nodes[nodes["metric"] == "nodes_per_op"]["ratio"]
    cost = (
        f"x{nodes.min():.2f} to x{nodes.max():.2f} the nodes of {TODAY} in the common case"
        if len(nodes)
        else "its common case was not measured"
    )
    return f"`{name}`: {'; '.join([*faults, cost])}."


def answer(frame: pd.DataFrame, exponents: pd.DataFrame) -> list[Answer]:
    """Answer the questions of the thread."""
    thread = Thread(frame, exponents)
    names = judged(frame)
    if TODAY not in names:
        return []
    answers = [_walks(thread)]
    answers += [_traps(thread, name) for name in names if name != TODAY]
    answers += [_common(thread, name) for name in names if name != TODAY]
    return [*answers, _refusals(thread, names), _memory(thread, names)]


def _walks(thread: Thread) -> Answer:
    found = traps(thread.frame, TODAY)
    lines = [
        f"{trap.workload}: {number(trap.worst_nodes)} nodes in one op, {trap.nr_live:,} live."
        for trap in found
    ]
    for workload in TRAPS:
        lines += [f"{workload}: {line}" for line in growth_lines(thread, TODAY, workload)[:1]]
    verdict = (
        f"Yes, on {len(found)} workloads: one op visits more than a tenth of the live ranges, with"
        " the lock held and interrupts off."
        if found
        else "Not shown by what was measured."
    )
    return Answer(f"Does {TODAY} walk over all live ranges without fragmentation?", verdict, lines)


def _traps(thread: Thread, name: str) -> Answer:
    found = traps(thread.frame, name)
    left = [
        f"{trap.workload}: {number(trap.worst_nodes)} nodes in one op, {trap.nr_live:,} live."
        for trap in found
    ]
    cured = {trap.workload for trap in traps(thread.frame, TODAY)} - {t.workload for t in found}
    worst = select(thread.frame, variant=name, metric="worst_nodes")["value"].max()
    if found:
        verdict = f"No: it still walks on {', '.join(trap.workload for trap in found)}."
    elif pd.isna(worst):
        verdict = "Not measured."
    else:
        verdict = f"Yes, on every workload measured: no op visits more than {number(worst)} nodes."
    if cured:
        left.append(f"Cured: {', '.join(sorted(cured))}.")
    return Answer(f"Does {name} end the walks?", verdict, left)


def _common(thread: Thread, name: str) -> Answer:
    question = f"Is {name} at least no worse than {TODAY} in the common case?"
    table = common_case(thread.frame, name, TODAY)
    if table.empty:
        return Answer(question, f"Not measured on {', '.join(COMMON_CASE)}.")
    lines = []
    for workload, rows in table.groupby("workload"):
        found = {row.metric: Interval(row.ratio, row.lo, row.hi) for row in rows.itertuples()}
        words = [
            f"{unit} {change(found[metric])}" if metric in found else f"{unit} {NOTHING}"
            for metric, unit in (("nodes_per_op", "nodes/op"), ("ns_per_op", "ns/op"))
        ]
        lines.append(f"{workload}, {rows['nr_live'].max():,} live: {', '.join(words)}.")
    nodes = table[table["metric"] == "nodes_per_op"]
    worse = list(nodes[nodes["ratio"] > 1]["workload"])
    slower = table[(table["metric"] == "ns_per_op") & (table["lo"] > 1)]["workload"]
    verdict = (
        f"No: it visits more nodes on {', '.join(worse)}"
        if worse
        else "By nodes, yes: it visits no more on any"
    )
    verdict += f"; slower, interval and all, on {', '.join(slower)}." if len(slower) else "."
    return Answer(question, verdict, lines)


def _refusals(thread: Thread, names: list[str]) -> Answer:
    lines = []
    for name in names:
        found = needless(thread.frame, name)
        counts = ", ".join(f"{count} on {workload}" for workload, count in found.items())
        lines.append(f"{name}: {counts or 'none'}.")
    who = [name for name in names if needless(thread.frame, name)]
    verdict = f"Yes: {', '.join(who)}." if who else "None of them, on any workload measured."
    reuse = ratios(thread.frame, TODAY, frozenset())
    span = reuse[(reuse["metric"] == "span_per_pfn") & (reuse["workload"] == REUSE)]
    span = span[span["variant"].isin(names)].sort_values("nr_live").groupby("variant").last()
    for name, row in span[span["ratio"] > 1.01].iterrows():
        lines.append(f"{name} on {REUSE}: x{row['ratio']:.2f} the address span of {TODAY}.")
    return Answer("Does any refuse a request that would fit?", verdict, lines)


def _memory(thread: Thread, names: list[str]) -> Answer:
    rows = select(thread.frame, metric="bytes_per_range", workload="random_replace")
    if rows.empty:
        return Answer("What does a live range cost in memory?", "Not measured.")
    at = rows[rows["nr_live"] == rows["nr_live"].max()].set_index("variant")["value"]
    known = [name for name in names if name in at.index]
    words = ", ".join(f"{name} {number(at[name])}" for name in known)
    verdict = f"Bytes a range, whole slabs, {rows['nr_live'].max():,} live: {words}."
    return Answer("What does a live range cost in memory?", verdict)
