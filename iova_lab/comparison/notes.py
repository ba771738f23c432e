"""What the numbers of a comparison include, and the command that measures them again."""

from __future__ import annotations

import re
import shlex
from collections import Counter

from iova_lab.comparison.process import NR_WARMUPS
from iova_lab.comparison.result import Comparison
from iova_lab.comparison.words import OUTCOMES, Verdict, verdicts
from iova_lab.measuring.paired_worker import NR_OP_REPLAYS, NR_REPLAYS
from iova_lab.measuring.statistics import CONFIDENCE, POWER

HARNESS = (
    "One thread in user space replays the same requests on each variant's own C code: "
    "fresh domains, ageing outside of the clock, warm memory, an idle lock."
)


def title(result: Comparison) -> str:
    """The candidates and the base."""
    base, *candidates = (subject.label for subject in result.subjects)
    return f"{', '.join(candidates)} against {base}"


def command(result: Comparison) -> str:
    """Return the command that measures the same again."""
    plan = result.plan
    cells = ",".join(
        cell.workload if cell.is_trace else f"{cell.workload}@{cell.nr_live}" for cell in plan.cells
    )
    words = ["iova-lab", "compare", *plan.variants, "--workloads", cells]
    words += ["--budget", f"{plan.budget_s:g}"]
    if plan.rcache != "off":
        words += ["--rcache", plan.rcache]
    return shlex.join(words)


def folded(text: str, width: int) -> list[str]:
    """Fold a command as a shell reads it, indented: a backslash ends each line but the last.

    A list of cells is broken after a comma, and a word that is longer than a line anywhere; both
    only join again where the next line begins at its margin.
    """
    lines, line = [], "   "
    for word in text.split(" "):
        for index, piece in enumerate(re.findall(rf"[^,]{{1,{width - 8}}},?|,", word) or [""]):
            joint = "" if index else " "
            if len(line + joint + piece) > width - 2 and line.strip():
                lines.append(f"{line}{joint}\\")
                line, joint = ("", "") if index else ("     ", "")
            line += joint + piece
    return [*lines, line]


def headline(result: Comparison, which: int) -> str:
    """One sentence for one candidate: the common case, then all the others."""
    found = [verdict for verdict in verdicts(result) if verdict.which == which]
    parts = [
        f"{where} {_tally(there)}"
        for where, is_common in (("in the common case", True), ("elsewhere", False))
        if (there := [verdict for verdict in found if verdict.cell.cell.is_common == is_common])
    ]
    return labelled(result, f"{result.subjects[which].label}: {'; '.join(parts)}.")


def headlines(result: Comparison) -> list[str]:
    """`headline` of every candidate that keeps ranges; a fake is no allocator."""
    return [
        headline(result, which)
        for which in range(1, len(result.subjects))
        if not result.subjects[which].is_fake or len(result.subjects) == 2
    ]


def _tally(found: list[Verdict]) -> str:
    if len(found) == 1:
        return found[0].short
    counts = Counter(verdict.outcome for verdict in found)
    said = [f"{outcome} in {counts[outcome]}" for outcome in OUTCOMES if counts[outcome]]
    return f"{', '.join(said)} of {len(found)}"


def warnings(result: Comparison) -> list[str]:
    """What a reader must know before the first number."""
    lines = []
    if result.partial:
        lines.append(f"PARTIAL: {result.partial}; only what was measured until then is shown.")
    if is_loaded(result):
        lines.append(
            f"LOADED: the load average was up to {max(result.loads):.1f} on {result.nr_cpus} CPUs."
            " Load biases a ratio of times, the same way in run after run, and the intervals do not"
            " include that (docs/compare.md). Measure on an idle machine before you quote a time."
        )
    if not any(cell.cell.workload == "near_empty" for cell in result.cells):
        lines.append("near_empty, which reviewers check first, was not measured.")
    return lines


def is_loaded(result: Comparison) -> bool:
    """Did other programs have more than the CPUs could run at once?"""
    return bool(result.loads and result.nr_cpus and max(result.loads) > result.nr_cpus)


def labelled(result: Comparison, text: str) -> str:
    """``text``, and what has to stand wherever one of these times is shown: partial, loaded."""
    found = [f"partial: {result.partial}"] if result.partial else []
    if is_loaded(result):
        found.append(f"loaded: load average up to {max(result.loads):.1f} on {result.nr_cpus} CPUs")
    return f"{text} [{'; '.join(found)}]" if found else text


def method(result: Comparison) -> list[str]:
    """How it was measured, in sentences with this comparison's numbers in them."""
    ratios = [v.ratio for v in verdicts(result) if v.ratio and v.ratio.nr_processes]
    processes = _range([ratio.nr_processes for ratio in ratios])
    rounds = _range([ratio.nr_rounds for ratio in ratios])
    clocks = _range([cell.clock_ns for cell in result.cells if cell.clock_ns])
    nr_ratios = result.plan.nr_ratios
    lines = [
        f"Ratios of time: {processes} fresh worker processes of pyperf per cell, {NR_WARMUPS} "
        f"warm-up round each; in all {rounds} rounds, in each of which every variant is measured, "
        f"in changing order. A loop is the least of {NR_REPLAYS} replays; pyperf chose the "
        "number of loops per value.",
        f"Each process gives the median log ratio of its rounds; over processes, Student's t "
        f"(scipy) gives the interval. All {nr_ratios} ratios hold together with {CONFIDENCE:.0%} "
        f"(Bonferroni), so noise alone causes a verdict in {1 - CONFIDENCE:.0%} of comparisons.",
        "Equal code in two shared objects has differed by up to 3% in single cells, by 0.4% in the "
        "median: a smaller difference between two files is within measurement error.",
        f"Smallest detectable: found as slower in {POWER:.0%} of comparisons as noisy as this one.",
        f"Single ops: the least of {NR_OP_REPLAYS} timings of each op in each process; 'worst "
        f"timed' is without that, interrupts included. Two readings of the clock, at least "
        f"{clocks} ns, are in every such time, and cancel in differences.",
        "Nodes, refusals, bytes and span are counted in another build, on the same requests: exact."
        " Ops other than alloc and free are included in the ratio only.",
    ]
    if result.plan.rcache != "off":
        lines.append(
            f"The rcache of {result.plan.rcache} is in front: ratios and single ops are those of a"
            " caller, judged refusals those of the tree."
        )
    return lines


def _range(values: list[int]) -> str:
    if not values:
        return "0"
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
