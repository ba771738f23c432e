"""What would a maintainer object, and which number answers it?

Each answer is worked out from what was measured; without a measurement it says so.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from iova_lab import comparison
from iova_lab.comparison import notes
from iova_lab.measuring.cells import COMMON_CASE, USER_SPACE, CellRatio, extremes, number
from iova_lab.measuring.contenders import RIVALS, SUBJECT, TODAY
from iova_lab.reports.candidate.bars import TRAPS, common, in_kernel, largest, short
from iova_lab.reports.candidate.sources import Sources, ratios
from iova_lab.reports.thread import Answer

NOT_MEASURED = "Not measured."

#: Live ranges of a machine at rest.
SMALL = (100, 1_000)


def objections(sources: Sources) -> list[Answer]:
    """All of them, the common case first."""
    return [ask(sources) for ask in ASKED]


def _verdicts(sources: Sources, rcache: str, common: bool) -> list[comparison.Verdict]:
    result = sources.compared.get(rcache)
    if result is None or SUBJECT not in result.plan.labels:
        return []
    which = result.plan.labels.index(SUBJECT)
    found = [one for one in comparison.verdicts(result) if one.which == which]
    return [one for one in found if (one.cell.cell.workload in COMMON_CASE) == common]


def _verdict_lines(sources: Sources, rcache: str, found: list[comparison.Verdict]) -> list[str]:
    """A line each, with what the comparison is labelled as."""
    result = sources.compared[rcache]
    lines = [(one, f"{one.cell.cell.name}: {one.text}.") for one in found]
    return [notes.labelled(result, line) if one.ratio else line for one, line in lines]


def _slower(sources: Sources) -> Answer:
    question = '"The overwhelmingly typical case is now almost twice as slow" (of alignable, 2022)?'
    found = _verdicts(sources, "off", common=True)
    ratios = [one.ratio.value for one in found if one.ratio]
    if not ratios:
        return Answer(question, NOT_MEASURED)
    return Answer(
        question,
        notes.labelled(
            sources.compared["off"],
            f"In {len(ratios)} of {len(found)} cells of the common case that were measured in"
            f" pairs, {SUBJECT} takes {min(ratios):.2f} to {max(ratios):.2f} of {TODAY}'s time.",
        ),
        _verdict_lines(sources, "off", found),
    )


def _constants(sources: Sources) -> Answer:
    question = '"Big O notoriously ignores constant factors"?'
    found = [one for one in in_kernel(sources) if one.cell.is_common]
    ends = extremes(found)
    if ends is None:
        return Answer(question, NOT_MEASURED)
    return Answer(
        question,
        f"Counted in booted kernels, instructions per op are {ends[0].value:.2f} to"
        f" {ends[1].value:.2f} of the kernel's own in the common case.",
        [_line(one) for one in sorted(found, key=lambda one: one.cell)],
    )


def _line(one: CellRatio) -> str:
    where = "" if one.cell.where == USER_SPACE else f", {short(one.cell.where)}"
    return f"{one.cell.workload} at {one.cell.nr_live:,}{where}: x{one.value:.2f}."


def _small(sources: Sources) -> Answer:
    question = "Who has a million live mappings?"
    found = ratios(sources.counts, "nodes", unit="nodes/op")
    found = [one for one in found if one.cell.nr_live in SMALL]
    ends = extremes(found)
    if ends is None:
        return Answer(question, NOT_MEASURED)
    worse = [one for one in found if one.value > 1]
    verdict = (
        f"Few live ranges are enough: at {_sizes(SMALL)} live ranges {SUBJECT} visits"
        f" {number(ends[0].value)} to {number(ends[1].value)} of {TODAY}'s nodes, over all"
        " workloads."
        if not worse
        else f"At {_sizes(SMALL)} it visits more nodes than {TODAY} in {len(worse)} of {len(found)}"
        " windows."
    )
    return Answer(question, verdict, [_line(one) for one in worse])


def _sizes(sizes: tuple[int, ...]) -> str:
    return " and ".join(f"{size:,}" for size in sizes)


#: Costs in which it may be dearer: of which results, of which column, in words.
COSTS = (
    ("instructions per op, user space", False, "instructions"),
    ("instructions per op, booted kernels", True, "instructions"),
    ("instructions per alloc, booted kernels", True, "instructions_alloc"),
    ("instructions per free, booted kernels", True, "instructions_free"),
)


def _dearer(sources: Sources) -> Answer:
    """In every cost, in user space, in kernels and in time; the worst cell of each workload."""
    question = f"Where is it dearer than {TODAY}?"
    lines, names = [], set()
    for what, in_kernels, column in COSTS:
        found = (
            in_kernel(sources, column)
            if in_kernels
            else ratios(sources.instructions, column, unit="instructions/op")
        )
        if not found:
            lines.append(f"{what}: not measured.")
            continue
        worse = [one for one in found if one.value > 1]
        names |= {one.cell.workload for one in worse}
        lines.append(f"{what}: in {len(worse)} of {len(found)} cells{_worst_each(worse)}.")
    slower = [
        one
        for common in (True, False)
        for one in _verdicts(sources, "off", common)
        if one.outcome == "slower"
    ]
    names |= {one.cell.cell.workload for one in slower}
    lines += _verdict_lines(sources, "off", slower) if slower else []
    if all(line.endswith("not measured.") for line in lines):
        return Answer(question, NOT_MEASURED)
    verdict = (
        f"On {len(names)} workloads, in at least one cost: {', '.join(sorted(names))}."
        if names
        else "In 0 cells of what was measured."
    )
    return Answer(question, verdict, lines)


def _worst_each(worse: list[CellRatio]) -> str:
    by_name: dict[str, float] = {}
    for one in worse:
        by_name[one.cell.workload] = max(one.value, by_name.get(one.cell.workload, 0))
    text = ", ".join(
        f"{name} x{value:.2f}" for name, value in sorted(by_name.items(), key=lambda i: -i[1])
    )
    return f" (at most {text})" if text else ""


def _rcache(sources: Sources) -> Answer:
    """Exact counts of the recorded load through the rcache, then the paired times."""
    question = "Does the rcache not hide all of this?"
    lines = []
    if not sources.rcache.empty:
        traces = sources.rcache[sources.rcache["workload"].str.startswith("trace_")]
        ours = traces[traces["variant"] == SUBJECT].set_index("workload")
        base = traces[traces["variant"] == TODAY].set_index("workload")
        lines = [
            f"{name}: the rcache of {ours['rcache'][name]} answers {ours['hit_rate'][name]:.1%} of"
            f" the requests; nodes per op of what it misses, over all ops: {TODAY}"
            f" {number(base['nodes'][name])}, {SUBJECT} {number(ours['nodes'][name])}."
            for name in ours.index.intersection(base.index)
        ]
    paired = [one for common in (True, False) for one in _verdicts(sources, "6.7", common)]
    if not lines and not paired:
        return Answer(question, NOT_MEASURED)
    known = [one for one in paired if one.ratio]
    if paired:
        lines += _verdict_lines(sources, "6.7", paired)
    hidden = (
        "In the recorded load of a disk it does: what it answers costs both the same."
        if not sources.rcache.empty
        else "Not measured with a recorded load."
    )
    if paired:
        hidden += f" Times in pairs: {len(known)} of {len(paired)} cells, the others are withdrawn."
        hidden = notes.labelled(sources.compared["6.7"], hidden)
    return Answer(question, hidden, lines)


def _traps(sources: Sources) -> Answer:
    wide = largest(sources.counts, "worst").reindex(TRAPS)
    names = [name for name in (TODAY, *RIVALS, SUBJECT) if name in wide]
    lines = [
        f"{workload}: " + ", ".join(f"{name} {number(row[name])}" for name in names) + "."
        for workload, row in wide[names].iterrows()
    ]
    verdict = (
        f"None of its ops visits more than {number(wide[SUBJECT].max())} nodes in any of them."
    )
    return Answer("Has it a pathological workload of its own?", verdict, lines)


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
        f"{name}: {row['spurious']:,} spurious failures, {row['not_highest']:,} answers below the"
        " highest fit."
        for name, row in wrong.iterrows()
    ]
    ours = wrong.loc[SUBJECT]
    return Answer(
        "What does it refuse, and where does it put things?",
        f"{ours['spurious']} spurious failures and {ours['not_highest']} answers that are not the"
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
        f"Measured with one and two threads, the mean hold is {number(ratio.min())} to"
        f" {number(ratio.max())} of {TODAY}'s.",
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
            f"{sources.soak['nr_ops']:,} random ops, {sources.soak['nr_judged']:,} requests judged"
            f" against all gaps: {sources.soak['breach'] or 'no breach'}."
        )
    else:
        lines.append("Soak of random ops: not yet measured by a stored run.")
    equal = ops = 0
    if len(sources.kernel):
        ours = sources.kernel[sources.kernel["variant"] == SUBJECT]
        equal, ops = int(ours["nr_equal"].sum()), int(ours["nr_ops"].sum())
    if ops:
        lines.append(f"In booted kernels {equal:,} of {ops:,} addresses are as in user space.")
    lines.append(
        "Model, judge, state machines, sanitizers, refused memory: tests/ run on it as on all."
    )
    rows = sources.counts[sources.counts["variant"] == SUBJECT]
    wrong = int(rows[["spurious", "not_highest"]].sum().sum())
    fault = bool(sources.soak.get("breach")) or wrong or equal != ops
    verdict = "NO." if fault else f"No fault was found in {len(rows)} judged windows."
    return Answer(question, verdict, lines)


def _given_up(sources: Sources) -> Answer:
    lines = ["docs/candidate.md lists what is given up, and why it can be done without."]
    ends = extremes(common(sources.counts, "nodes"))
    others = ratios(sources.counts, "nodes", unit="nodes/op", subject="room_augmented")
    kept = extremes(one for one in others if one.cell.is_common)
    if kept:
        lines.append(
            f"room_augmented keeps free by address alone, and visits {kept[0].value:.2f} to"
            f" {kept[1].value:.1f} times {TODAY}'s nodes in the common case."
        )
    if ends is None:
        return Answer("What does it give up?", NOT_MEASURED, lines)
    return Answer(
        "What does it give up?",
        "A free by address alone: free() is given the size, which unmap has."
        f" {SUBJECT} visits {ends[0].value:.2f} to {ends[1].value:.2f} of {TODAY}'s nodes in the"
        " common case.",
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
