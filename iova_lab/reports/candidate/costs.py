"""Objections to what the candidate costs: time, nodes, instructions, behind an rcache."""

from __future__ import annotations

from iova_lab import comparison
from iova_lab.comparison import notes
from iova_lab.measuring.cells import COMMON_CASE, USER_SPACE, CellRatio, extremes, number
from iova_lab.measuring.contenders import SUBJECT, TODAY
from iova_lab.measuring.rows import short_release
from iova_lab.reports.candidate.criteria import in_kernel
from iova_lab.reports.candidate.sources import Sources, ratios
from iova_lab.reports.thread import Answer

NOT_MEASURED = "Not measured."


#: Live ranges of a machine at rest.
SMALL = (100, 1_000)


def _verdicts(sources: Sources, rcache: str) -> list[comparison.Verdict]:
    """What a comparison says of ours, the common case first."""
    result = sources.compared.get(rcache)
    if result is None or SUBJECT not in result.plan.labels:
        return []
    which = result.plan.labels.index(SUBJECT)
    found = [one for one in comparison.verdicts(result) if one.which == which]
    return sorted(found, key=lambda one: one.cell.cell.workload not in COMMON_CASE)


def _verdict_lines(sources: Sources, rcache: str, found: list[comparison.Verdict]) -> list[str]:
    """A line each, with what the comparison is labelled as."""
    lines = [(one, f"{one.cell.cell.name}: {one.text}.") for one in found]
    return [
        notes.labelled(sources.compared[rcache], line) if one.ratio else line for one, line in lines
    ]


def slower(sources: Sources) -> Answer:
    """Time in the common case."""
    question = '"The overwhelmingly typical case is now almost twice as slow" (of alignable, 2022)?'
    every = _verdicts(sources, "off")
    found = [one for one in every if one.cell.cell.workload in COMMON_CASE]
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


def constants(sources: Sources) -> Answer:
    """Instructions of the common case in booted kernels."""
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
    where = "" if one.cell.where == USER_SPACE else f", {short_release(one.cell.where)}"
    return f"{one.cell.workload} at {one.cell.nr_live:,}{where}: x{one.value:.2f}."


def small(sources: Sources) -> Answer:
    """Nodes at small sizes."""
    question = "Does it pay off with few live ranges?"
    found = ratios(sources.counts, "nodes", unit="nodes/op")
    found = [one for one in found if one.cell.nr_live in SMALL]
    ends = extremes(found)
    if ends is None:
        return Answer(question, NOT_MEASURED)
    worse = [one for one in found if one.value > 1]
    sizes = " and ".join(f"{size:,}" for size in SMALL)
    verdict = (
        f"Yes: at {sizes} live ranges {SUBJECT} visits"
        f" {number(ends[0].value)} to {number(ends[1].value)} of {TODAY}'s nodes, over all"
        " workloads."
        if not worse
        else f"At {sizes} it visits more nodes than {TODAY} in {len(worse)} of {len(found)}"
        " windows."
    )
    return Answer(question, verdict, [_line(one) for one in worse])


#: Costs in which it may be dearer: of which results, of which column, in words.
COSTS = (
    ("instructions per op, user space", False, "instructions"),
    ("instructions per op, booted kernels", True, "instructions"),
    ("instructions per alloc, booted kernels", True, "instructions_alloc"),
    ("instructions per free, booted kernels", True, "instructions_free"),
)


def dearer(sources: Sources) -> Answer:
    """In every cost, in user space, in kernels and in time; the worst cell of each workload."""
    question = f"Where is it more expensive than {TODAY}?"
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
    slower = [one for one in _verdicts(sources, "off") if one.outcome == "slower"]
    names |= {one.cell.cell.workload for one in slower}
    lines += _verdict_lines(sources, "off", slower)
    if all(line.endswith("not measured.") for line in lines):
        return Answer(question, NOT_MEASURED)
    verdict = (
        f"On {len(names)} workloads, in at least one cost: {', '.join(sorted(names))}."
        if names
        else "In 0 of the measured cells."
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


def rcache(sources: Sources) -> Answer:
    """Exact counts of the recorded load through the rcache, then the paired times."""
    question = "Does the rcache hide the difference?"
    lines = []
    if not sources.rcache.empty:
        traces = sources.rcache[sources.rcache["workload"].str.startswith("trace_")]
        ours = traces[traces["variant"] == SUBJECT].set_index("workload")
        base = traces[traces["variant"] == TODAY].set_index("workload")
        lines = [
            f"{name}: the rcache of {ours['rcache'][name]} serves {ours['hit_rate'][name]:.1%} of"
            f" the requests; nodes per op of those that reach the tree, over all ops: {TODAY}"
            f" {number(base['nodes'][name])}, {SUBJECT} {number(ours['nodes'][name])}."
            for name in ours.index.intersection(base.index)
        ]
    paired = _verdicts(sources, "6.7")
    if not lines and not paired:
        return Answer(question, NOT_MEASURED)
    known = [one for one in paired if one.ratio]
    lines += _verdict_lines(sources, "6.7", paired)
    hidden = (
        "Yes, in the recorded load of a disk: requests that it serves cost the same with both."
        if not sources.rcache.empty
        else "Not measured with a recorded load."
    )
    if paired:
        withdrawn = ", the others are withdrawn" if len(known) < len(paired) else ""
        hidden += f" Times in pairs: {len(known)} of {len(paired)} cells{withdrawn}."
        hidden = notes.labelled(sources.compared["6.7"], hidden)
    return Answer(question, hidden, lines)
