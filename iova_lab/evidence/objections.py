"""What would a maintainer object, and which number answers it?

Each answer is worked out from what was measured; without a measurement it says so.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from iova_lab import comparison
from iova_lab.cells import COMMON_CASE
from iova_lab.evidence import RIVALS, SUBJECT, TODAY
from iova_lab.evidence.bars import TRAPS, counted, in_kernel, largest
from iova_lab.evidence.sources import Sources
from iova_lab.tables import number
from iova_lab.thread import Answer

NOT_MEASURED = "Not measured."


def objections(sources: Sources) -> list[Answer]:
    """All of them, the common case first."""
    return [ask(sources) for ask in ASKED]


def _verdicts(sources: Sources, rcache: str, common: bool) -> list[str]:
    result = sources.compared.get(rcache)
    if result is None or SUBJECT not in result.plan.labels:
        return []
    which = result.plan.labels.index(SUBJECT)
    names = {
        cell.cell.name for cell in result.cells if (cell.cell.workload in COMMON_CASE) == common
    }
    return [
        f"{one.cell.cell.name}: {one.text}."
        for one in comparison.verdicts(result)
        if one.which == which and one.cell.cell.name in names
    ]


def _slower(sources: Sources) -> Answer:
    question = '"The overwhelmingly typical case is now almost twice as slow" (of alignable, 2022)?'
    result, lines = sources.compared.get("off"), _verdicts(sources, "off", common=True)
    if result is None or not lines:
        return Answer(question, NOT_MEASURED)
    which = result.plan.labels.index(SUBJECT)
    ratios = [
        one.ratio.value
        for one in comparison.verdicts(result)
        if one.which == which and one.cell.cell.workload in COMMON_CASE and one.ratio
    ]
    return Answer(
        question,
        f"The typical case takes {min(ratios):.2f} to {max(ratios):.2f} of {TODAY}'s time, in"
        " pairs.",
        lines,
    )


def _constants(sources: Sources) -> Answer:
    question = '"Big O notoriously ignores constant factors"?'
    ratios = in_kernel(sources)
    common = ratios[ratios["workload"].isin(COMMON_CASE)]
    if common.empty:
        return Answer(question, NOT_MEASURED)
    lines = [
        f"{row.workload}, {row.release.split('-')[0]}, {row.nr_live:,} live: x{row.ratio:.2f}."
        for row in common.sort_values(["workload", "release"]).itertuples()
    ]
    return Answer(
        question,
        f"Counted in booted kernels, instructions per op are {common['ratio'].min():.2f} to"
        f" {common['ratio'].max():.2f} of the kernel's own in the common case.",
        lines,
    )


def _small(sources: Sources) -> Answer:
    question = "Who has a million live mappings?"
    rows = sources.counts[sources.counts["nr_live"].isin([100, 1000])]
    wide = rows.pivot_table(index=["workload", "nr_live"], columns="variant", values="nodes")
    ratio = (wide[SUBJECT] / wide[TODAY]).dropna()
    worse = ratio[ratio > 1]
    verdict = (
        f"Nobody has to: at 100 and 1,000 live ranges it visits at most {ratio.max():.2f} of"
        f" {TODAY}'s nodes, on every workload."
        if worse.empty
        else f"At 100 and 1,000 it visits more nodes than {TODAY} in {len(worse)} of {len(ratio)}"
        " windows."
    )
    lines = [f"{name} at {size:,}: x{value:.2f}." for (name, size), value in worse.items()]
    return Answer(question, verdict, lines)


def _dearer(sources: Sources) -> Answer:
    question = "Where is it dearer than today's?"
    if sources.instructions.empty:
        return Answer(question, NOT_MEASURED)
    wide = sources.instructions.pivot_table(
        index=["workload", "nr_live"], columns="variant", values="instructions"
    )
    ratio = (wide[SUBJECT] / wide[TODAY]).dropna()
    worse = ratio[ratio > 1]
    lines = [
        f"{name}{f' at {size:,}' if size else ''}: {number(wide[TODAY][name, size])} ->"
        f" {number(wide[SUBJECT][name, size])} instructions per op, x{value:.2f}."
        for (name, size), value in worse.items()
    ]
    names = ", ".join(dict.fromkeys(name for name, _ in worse.index))
    return Answer(
        question,
        f"In instructions per op, user space, in {len(worse)} of {len(ratio)} windows"
        + (f": {names}, up to x{worse.max():.2f}." if len(worse) else "."),
        lines,
    )


def _rcache(sources: Sources) -> Answer:
    question = "Does the rcache not hide all of this?"
    lines = _verdicts(sources, "6.7", common=True) + _verdicts(sources, "6.7", common=False)
    if not lines:
        return Answer(question, NOT_MEASURED)
    return Answer(question, "With the rcache of 6.7 in front of both, in pairs:", lines)


def _traps(sources: Sources) -> Answer:
    wide = largest(sources.counts, "worst").reindex(TRAPS)
    names = [name for name in (TODAY, *RIVALS, SUBJECT) if name in wide]
    lines = [
        f"{workload}: " + ", ".join(f"{name} {number(row[name])}" for name in names) + "."
        for workload, row in wide[names].iterrows()
    ]
    verdict = f"No op of its visits more than {number(wide[SUBJECT].max())} nodes in any of them."
    return Answer("Has it not a trap of its own?", verdict, lines)


def _elsewhere(sources: Sources) -> Answer:
    wide = largest(sources.counts, "worst")
    worst = wide[SUBJECT].sort_values(ascending=False)
    lines = [f"{name}: {number(value)}." for name, value in worst.head(5).items()]
    return Answer(
        "And on workloads that nobody picked for it?",
        f"Over all {len(worst)} workloads the worst op visits {number(worst.iloc[0])} nodes"
        f" ({worst.index[0]}); by proof none can visit more than 33 at 10^6 holes"
        " (docs/candidate.md).",
        lines,
    )


def _refusals(sources: Sources) -> Answer:
    rows = sources.counts[sources.counts["variant"].isin([TODAY, *RIVALS, SUBJECT])]
    wrong = rows.groupby("variant")[["spurious", "not_highest"]].sum().astype(int)
    lines = [
        f"{name}: {row['spurious']:,} needless refusals, {row['not_highest']:,} answers below the"
        " highest fit."
        for name, row in wrong.iterrows()
    ]
    ours = wrong.loc[SUBJECT]
    return Answer(
        "What does it refuse, and where does it put things?",
        f"{ours['spurious']} needless refusals and {ours['not_highest']} answers that are not the"
        f" highest fit, over all windows.",
        lines,
    )


def _memory(sources: Sources) -> Answer:
    wide = largest(sources.counts, "bytes_per_range")
    at = wide.loc["random_replace"]
    names = [name for name in (TODAY, *RIVALS, SUBJECT) if name in at.index]
    words = ", ".join(f"{name} {at[name]:.0f}" for name in names)
    return Answer(
        "What does it cost in memory?",
        f"Bytes per live range in whole slabs, random_replace at its largest: {words}.",
        ["A free needs none: the nodes for it stand ready (tests/test_fault_injection.py)."],
    )


def _lock(sources: Sources) -> Answer:
    question = "How long is the lock held, and what do other CPUs wait for?"
    rows = sources.threads
    if rows.empty or SUBJECT not in set(rows["variant"]):
        return Answer(question, NOT_MEASURED)
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
        for (workload, size, threads), row in wide.dropna().iterrows()
    ]
    ratio = (wide["measured_hold"][SUBJECT] / wide["measured_hold"][TODAY]).dropna()
    return Answer(
        question,
        f"Measured with one and two threads, the mean hold is {ratio.min():.2f} to"
        f" {ratio.max():.2f} of {TODAY}'s.",
        lines,
    )


def _convoy(sources: Sources) -> Answer:
    question = "And with a thousand CPUs in the queue?"
    rows = sources.sweep
    if rows.empty or SUBJECT not in set(rows["variant"]):
        return Answer(question, NOT_MEASURED)
    most = rows[rows["nr_cpus"] == rows["nr_cpus"].max()]
    wide = most.pivot_table(
        index=["workload", "nr_live"], columns="variant", values="max_wait_ns", aggfunc="max"
    )
    names = [name for name in (TODAY, *RIVALS, SUBJECT) if name in wide]
    lines = [
        f"{workload} at {size:,}: "
        + ", ".join(f"{name} {number(row[name] / 1e6)} ms" for name in names)
        + "."
        for (workload, size), row in wide[names].iterrows()
    ]
    return Answer(
        question,
        f"Simulated, {int(most['nr_cpus'].max()):,} CPUs: the longest wait of all is"
        f" {number(wide[SUBJECT].max() / 1e6)} ms (reports/contention has the model and how far it"
        " can be trusted).",
        lines,
    )


def _lockup(sources: Sources) -> Answer:
    question = "Does the reproducer of the soft lockup still lock up, with it in the place?"
    rows = sources.lockup
    if rows.empty or SUBJECT not in set(rows["variant"]):
        return Answer(question, NOT_MEASURED)
    ours = rows[rows["variant"] == SUBJECT].drop_duplicates("release", keep="last")
    locked = ours[ours["words"].map(bool)]
    lines = [
        f"{row.release}: worst request {int(row.instructions):,} instructions, {int(row.nodes):,}"
        " nodes."
        for row in ours.itertuples()
    ]
    verdict = (
        f"No, on {len(ours)} of {len(ours)} kernels; the stock kernels do."
        if locked.empty
        else f"Yes, on {', '.join(locked['release'])}."
    )
    return Answer(question, verdict, lines)


def _correct(sources: Sources) -> Answer:
    question = "Is it correct?"
    lines = []
    if sources.soak:
        lines.append(
            f"{sources.soak['nr_ops']:,} random ops, each judged against all gaps:"
            f" {sources.soak['nr_breaches']} breaches (`iova-lab soak {SUBJECT} --ops 1e9`)."
        )
    if len(sources.kernel):
        ours = sources.kernel[sources.kernel["variant"] == SUBJECT]
        equal, ops = int(ours["nr_equal"].sum()), int(ours["nr_ops"].sum())
        if ops:
            lines.append(f"In booted kernels {equal:,} of {ops:,} addresses are as in user space.")
    lines.append(
        "Model, judge, state machines, sanitizers, refused memory: tests/ run on it as on all."
    )
    if not sources.soak:
        return Answer(question, NOT_MEASURED, lines)
    verdict = "No breach was found." if not sources.soak["nr_breaches"] else "NO."
    return Answer(question, verdict, lines)


def _given_up(sources: Sources) -> Answer:
    ratio = counted(sources.counts, COMMON_CASE, "nodes")
    keeps = largest(sources.counts, "nodes")
    lines = ["docs/candidate.md lists what is given up, and why it can be done without."]
    if "room_augmented" in keeps:
        other = (keeps["room_augmented"] / keeps[TODAY]).reindex(COMMON_CASE).dropna()
        lines.append(
            f"room_augmented keeps free by address alone, and visits {other.min():.1f} to"
            f" {other.max():.1f} times {TODAY}'s nodes in the common case."
        )
    return Answer(
        "What does it give up?",
        "A free by address alone: it is told the size, as unmap knows it. That is what buys"
        f" {ratio.min():.2f} to {ratio.max():.2f} of {TODAY}'s nodes in the common case.",
        lines,
    )


def _any_mask(sources: Sources) -> Answer:
    rows = sources.counts[sources.counts["workload"] == "high_limit"]
    wide = rows.pivot_table(index="nr_live", columns="variant", values="worst")
    names = [name for name in (TODAY, *RIVALS, SUBJECT) if name in wide]
    lines = [
        f"{size:,} live: " + ", ".join(f"{name} {number(row[name])}" for name in names) + "."
        for size, row in wide[names].iterrows()
    ]
    return Answer(
        "What of devices with odd masks?",
        "No mask is special: under a 40-bit limit its worst op visits"
        f" {number(wide[SUBJECT].max())} nodes at most.",
        lines,
    )


ASKED: tuple[Callable[[Sources], Answer], ...] = (
    _slower,
    _constants,
    _small,
    _dearer,
    _rcache,
    _traps,
    _elsewhere,
    _any_mask,
    _refusals,
    _memory,
    _lock,
    _convoy,
    _lockup,
    _correct,
    _given_up,
)


def table(found: list[Answer]) -> pd.DataFrame:
    """Objection and verdict, a row each."""
    return pd.DataFrame(
        {"objection": [one.question for one in found], "answer": [one.verdict for one in found]}
    )
