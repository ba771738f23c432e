"""What would a maintainer object, and which number answers it?

Each answer is worked out from what was measured; without a measurement it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from iova_lab.contention.tables import LOADED_IN_PART
from iova_lab.measuring.cells import extremes, number
from iova_lab.measuring.contenders import RIVALS, SUBJECT, TODAY
from iova_lab.reports.candidate.costs import NOT_MEASURED, constants, dearer, rcache, slower, small
from iova_lab.reports.candidate.criteria import PATHOLOGICAL, by_variant, common, largest
from iova_lab.reports.candidate.sources import Sources, ratios
from iova_lab.reports.thread import Answer


def objections(sources: Sources) -> list[Answer]:
    """All of them, the common case first."""
    return [ask(sources) for ask in ASKED]


def _each(row: pd.Series, unit: str = "") -> str:
    """The number of each variant in a row of `by_variant`."""
    return ", ".join(f"{name} {number(value)}{unit}" for name, value in row.items())


def _pathological(sources: Sources) -> Answer:
    wide = by_variant(largest(sources.counts, "worst").reindex(PATHOLOGICAL))
    lines = [f"{workload}: {_each(row)}." for workload, row in wide.iterrows()]
    verdict = (
        f"No: on {len(wide)} workloads that are pathological for {TODAY}, none of its ops visits"
        f" more than {number(wide[SUBJECT].max())} nodes."
    )
    return Answer("Does it have a pathological workload?", verdict, lines)


def _elsewhere(sources: Sources) -> Answer:
    wide = largest(sources.counts, "worst")
    worst = wide[SUBJECT].sort_values(ascending=False)
    lines = [f"{name}: {number(value)}." for name, value in worst.head(5).items()]
    return Answer(
        "How many nodes does its worst op visit on any workload?",
        f"Over all {len(worst)} workloads the worst op visits {number(worst.iloc[0])} nodes"
        f" ({worst.index[0]}); the proven bound is 40 at 10^6 holes (docs/candidate.md).",
        lines,
    )


def _refusals(sources: Sources) -> Answer:
    rows = sources.counts[sources.counts["variant"].isin([TODAY, *RIVALS, SUBJECT])]
    wrong = rows.groupby("variant")[["spurious", "not_highest"]].sum().astype(int)
    lines = [
        f"{name}: {row['spurious']:,} spurious failures, {row['not_highest']:,} answers below the"
        " highest fit."
        for name, row in wrong.iterrows()
    ]
    ours = wrong.loc[SUBJECT]
    return Answer(
        "Does it fail spuriously, and does it return the highest fit?",
        f"{ours['spurious']} spurious failures and {ours['not_highest']} answers below the highest"
        " fit, over all windows.",
        lines,
    )


def _memory(sources: Sources) -> Answer:
    at = by_variant(largest(sources.counts, "bytes_per_range")).loc["random_replace"]
    words = ", ".join(f"{name} {value:.0f}" for name, value in at.items())
    return Answer(
        "How much memory does it take?",
        f"Bytes per live range in whole slabs, random_replace at its largest: {words}.",
        ["A free needs no memory: spare nodes are kept for it (tests/test_fault_injection.py)."],
    )


def _by_key(wide: pd.DataFrame) -> Iterator[tuple[Any, pd.Series]]:
    """Rows of a pivoted table, each under the tuple of its keys."""
    return zip(wide.index, (row for _, row in wide.iterrows()), strict=True)


def _lock(sources: Sources) -> Answer:
    question = "How long is the lock held, and how long do other CPUs wait?"
    rows = sources.threads
    disturbed = [cell for cell in sources.disturbed if cell.split()[0] in (SUBJECT, TODAY)]
    left_out = [f"Left out, with the reasons in reports/contention: {'; '.join(disturbed)}."]
    left_out *= bool(disturbed)
    if rows.empty or SUBJECT not in set(rows["variant"]):
        return Answer(question, NOT_MEASURED, left_out)
    rows = rows[rows["variant"].isin([SUBJECT, TODAY])]
    wide = rows.pivot_table(
        index=["workload", "nr_live", "threads"],
        columns="variant",
        values=["measured_hold", "measured_max_hold", "measured_wait"],
    )
    lines = [
        f"{workload} at {size:,}, {threads} thread{'s' * (threads > 1)}: mean hold"
        f" {number(row['measured_hold', TODAY])} -> {number(row['measured_hold', SUBJECT])} ns,"
        f" longest {number(row['measured_max_hold', TODAY])} ->"
        f" {number(row['measured_max_hold', SUBJECT])} ns, mean wait"
        f" {number(row['measured_wait', TODAY])} -> {number(row['measured_wait', SUBJECT])} ns."
        for (workload, size, threads), row in _by_key(wide.dropna())
    ]
    ratio = (wide["measured_hold"][SUBJECT] / wide["measured_hold"][TODAY]).dropna()
    return Answer(
        question,
        f"Measured with one and two threads, the mean hold is {number(ratio.min())} to"
        f" {number(ratio.max())} of {TODAY}'s.{_if_loaded(rows)}",
        lines + left_out,
    )


def _if_loaded(rows: pd.DataFrame) -> str:
    """The label of numbers that were measured, some of them, on a loaded machine."""
    loads = rows.get("load", ())
    loaded = any(isinstance(load, dict) and load.get("loaded") for load in loads)
    return LOADED_IN_PART * loaded


def _lock_queue(sources: Sources) -> Answer:
    question = "How long do 1,024 CPUs wait for the lock?"
    rows = sources.sweep
    if rows.empty or SUBJECT not in set(rows["variant"]):
        return Answer(question, NOT_MEASURED)
    most = rows[rows["nr_cpus"] == rows["nr_cpus"].max()]
    wide = by_variant(
        most.pivot_table(
            index=["workload", "nr_live"], columns="variant", values="max_wait_ns", aggfunc="max"
        )
        / 1e6
    )
    lines = [
        f"{workload} at {size:,}: {_each(row, ' ms')}."
        + LOADED_IN_PART * any((name, workload, size) in sources.loaded for name in wide)
        for (workload, size), row in _by_key(wide)
    ]
    return Answer(
        question,
        f"Simulated, {int(most['nr_cpus'].max()):,} CPUs: at most {number(wide[SUBJECT].max())} ms"
        " (reports/contention describes the model and its errors).",
        lines,
    )


def _lockup(sources: Sources) -> Answer:
    question = "Does the reproducer of the soft lockup lock up a kernel with it?"
    rows = sources.lockup
    if rows.empty or SUBJECT not in set(rows["variant"]):
        return Answer(question, NOT_MEASURED)
    ours = rows[rows["variant"] == SUBJECT].drop_duplicates("release", keep="last")
    locked = ours[ours["words"].map(bool)]
    lines = [
        f"{row.release}: worst request {row.instructions:,.0f} instructions, {row.nodes:,.0f}"
        " nodes."
        for row in ours.itertuples()
    ]
    verdict = (
        f"No, on {len(ours)} of {len(ours)} kernels; with their own allocator they lock up."
        if locked.empty
        else f"Yes, on {', '.join(locked['release'])}."
    )
    return Answer(question, verdict, lines)


def _correct(sources: Sources) -> Answer:
    question = "Is it correct?"
    lines = [
        f"{sources.soak['nr_ops']:,} random ops, {sources.soak['nr_judged']:,} requests judged"
        f" against all gaps: {sources.soak['breach'] or 'no breach'}."
        if sources.soak
        else "Soak of random ops: not yet measured by a stored run."
    ]
    equal = ops = 0
    if len(sources.kernel):
        ours = sources.kernel[sources.kernel["variant"] == SUBJECT]
        equal, ops = int(ours["nr_equal"].sum()), int(ours["nr_ops"].sum())
    if ops:
        lines.append(
            f"In booted kernels {equal:,} of {ops:,} addresses are the same as in user space."
        )
    lines.append(
        "It passes the tests of all variants: reference model, judge, state machines, sanitizers,"
        " refused memory."
    )
    rows = sources.counts[sources.counts["variant"] == SUBJECT]
    wrong = int(rows[["spurious", "not_highest"]].sum().sum())
    fault = bool(sources.soak.get("breach")) or wrong or equal != ops
    verdict = "NO." if fault else f"No fault was found in {len(rows)} judged windows."
    return Answer(question, verdict, lines)


def _given_up(sources: Sources) -> Answer:
    lines = ["docs/candidate.md lists the disadvantages."]
    ends = extremes(common(sources.counts, "nodes"))
    others = ratios(sources.counts, "nodes", unit="nodes/op", subject="room_augmented")
    kept = extremes(one for one in others if one.cell.is_common)
    if kept:
        lines.append(
            f"room_augmented keeps free by address alone, and visits {kept[0].value:.2f} to"
            f" {kept[1].value:.1f} times {TODAY}'s nodes in the common case."
        )
    if ends is None:
        return Answer("What are its disadvantages?", NOT_MEASURED, lines)
    return Answer(
        "What are its disadvantages?",
        "free() needs the size, which unmap has."
        f" {SUBJECT} visits {ends[0].value:.2f} to {ends[1].value:.2f} of {TODAY}'s nodes in the"
        " common case.",
        lines,
    )


def _any_mask(sources: Sources) -> Answer:
    rows = sources.counts[sources.counts["workload"] == "high_limit"]
    wide = by_variant(rows.pivot_table(index="nr_live", columns="variant", values="worst"))
    lines = [f"{size:,} live: {_each(row)}." for size, row in wide.iterrows()]
    return Answer(
        "Does it depend on the device's address mask?",
        "No: below a 40-bit limit its worst op visits at most"
        f" {number(wide[SUBJECT].max())} nodes.",
        lines,
    )


ASKED: tuple[Callable[[Sources], Answer], ...] = (
    slower,
    constants,
    small,
    dearer,
    rcache,
    _pathological,
    _elsewhere,
    _any_mask,
    _refusals,
    _memory,
    _lock,
    _lock_queue,
    _lockup,
    _correct,
    _given_up,
)
