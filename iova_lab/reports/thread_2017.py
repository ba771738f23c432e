"""Was David Woods right to withdraw his patch?  The thread of September 2017, from measurements.

"iommu/iova: Improve alloc_iova performance" (iommu list) gave the original allocator (cached32) a
second cached node for 64-bit requests (cached64).  He withdrew it when Robin Murphy's series
(anchor) solved his case.  No answer is written down here: each is chosen by what the frame
supports.
"""

from __future__ import annotations

import math

import pandas as pd

from iova_lab.measuring.cells import number
from iova_lab.measuring.growth import FLAT
from iova_lab.measuring.metrics import TIMES
from iova_lab.measuring.scaling import ratios
from iova_lab.measuring.statistics import NONE, Interval
from iova_lab.rendering.tables import change
from iova_lab.reports.thread import COSTS, Answer, Thread, by_class, growth_lines, judge

ORIGINAL, PATCH, ROBIN = "cached32", "cached64", "anchor"
CASE = "startup"
COMPARED = (CASE, "ring", "random_replace", "near_empty")

#: Not a class that anything could be concluded from.
UNKNOWN = ("missing", "undecided")


ABOUT = (
    "In 'iommu/iova: Improve alloc_iova performance' David Woods gave the allocator of the time"
    f" ({ORIGINAL}) a second cached node, for 64-bit requests ({PATCH}), and withdrew his patch"
    f" when Robin Murphy's series ({ROBIN}) solved his case."
)


def headline(answers: list[Answer]) -> str:
    """The thread's outcome: the first sentence of its third answer."""
    *_, redundant = answers[:3]
    return redundant.verdict.partition(". ")[0].removesuffix(".") + "."


def answer(frame: pd.DataFrame, exponents: pd.DataFrame) -> list[Answer]:
    """Answer the three questions of the thread, and what neither of both repairs, if anything."""
    thread = Thread(frame, exponents)
    answers = [_linear(thread), _flat(thread), _redundant(thread)]
    return answers + _unsolved(thread)


def _linear(thread: Thread) -> Answer:
    verdicts = {
        "linear": "Yes: the nodes visited grow in proportion to the live ranges.",
        "constant": "No: it is flat.",
        "logarithmic": "No: it grows, but like a logarithm.",
        "other": "No: it grows, but not linearly.",
    }
    return Answer(
        f"Is the 64-bit path linear in the original ({ORIGINAL}, {CASE})?",
        by_class(thread, ORIGINAL, CASE, verdicts),
        growth_lines(thread, ORIGINAL, CASE),
    )


def _flat(thread: Thread) -> Answer:
    verdicts = {
        "linear": "No: it is still linear.",
        "constant": "Yes: it visits the same number of nodes at every size.",
        "logarithmic": "Not quite: it grows like a logarithm.",
        "other": "No: it still grows.",
    }
    lines = growth_lines(thread, PATCH, CASE)
    time = thread.growth(PATCH, CASE, "ns_per_op")
    if thread.supported(PATCH, CASE) == "constant" and time.get("lo", math.nan) > FLAT:
        lines.append(
            "The time grows and the nodes do not: a visit costs more when the domains outgrow the"
            " processor's caches, or time is spent on work that visits no node."
        )
    return Answer(
        f"Does Woods' second cached node ({PATCH}) make it flat?",
        by_class(thread, PATCH, CASE, verdicts),
        lines,
    )


def _redundant(thread: Thread) -> Answer:
    question = (
        f"Was Woods right that the Robin-style cache ({ROBIN}) makes his patch ({PATCH}) redundant?"
    )
    patch, robin = thread.supported(PATCH, CASE), thread.supported(ROBIN, CASE)
    open_ = [name for name in (PATCH, ROBIN) if thread.supported(name, CASE) in UNKNOWN]
    if open_:
        verdict = f"Undecided: the growth of {' and '.join(open_)} on {CASE} was not measured."
    elif robin == patch == "constant":
        verdict = (
            f"Yes: on {CASE}, the case of his patch, {PATCH} and {ROBIN} visit a constant number"
            " of nodes."
        )
    elif robin == patch:
        verdict = f"Yes, by growth: on {CASE} both are {patch}."
    else:
        verdict = f"No: on {CASE} {PATCH} is {patch}, {ROBIN} is {robin}."
    lines, words = _comparison(thread)
    return Answer(question, " ".join([verdict, *words]), lines)


def _comparison(thread: Thread) -> tuple[list[str], list[str]]:
    """Compare both, a line per workload, and say in a sentence what the lines amount to."""
    if PATCH not in set(thread.frame["variant"]):
        return [f"{PATCH} is not in these results."], []
    table = ratios(thread.frame, PATCH, frozenset())
    table = table[(table["variant"] == ROBIN) & table["metric"].isin(COSTS)]
    lines, said = [], {}
    for workload in COMPARED:
        rows = table[table["workload"] == workload]
        sizes = [set(part["nr_live"]) for _, part in rows.groupby("metric")]
        both = set.intersection(*sizes) if sizes else set()
        if not both:
            lines.append(f"{workload}: not measured for both.")
            continue
        rows = rows[rows["nr_live"] == max(both)].set_index("metric")
        line, said[workload] = _compare_one(thread, workload, max(both), rows)
        lines.append(line)
    lines.append(_advice(said))
    return lines, _amounts_to(said)


def _advice(said: dict[str, str]) -> str:
    doubtful = [workload for workload, words in said.items() if words in ("slower", "faster")]
    cells = ",".join(doubtful or [CASE])
    return (
        "asv measures one variant after the other, so a difference within the drift of the run is"
        f" not claimed. `iova-lab compare {PATCH} {ROBIN} --workloads {cells}` measures both"
        " in turn."
    )


def _compare_one(
    thread: Thread, workload: str, nr_live: int, rows: pd.DataFrame
) -> tuple[str, str]:
    found = {
        metric: Interval(*rows.loc[metric, ["ratio", "lo", "hi"]]) if metric in rows.index else NONE
        for metric in COSTS
    }
    values = {
        (variant, metric): number(
            thread.curve(variant, workload, metric).get(nr_live, math.nan),
            exact=metric not in TIMES,
        )
        for variant in (PATCH, ROBIN)
        for metric in found
    }
    verdict = judge(found["ns_per_op"])
    parts = [
        f"{values[PATCH, metric]} -> {values[ROBIN, metric]} {unit} {change(found[metric])}"
        for metric, unit in COSTS.items()
    ]
    return f"{workload} at {nr_live:,}: {'; '.join(parts)}: {verdict}.", verdict


def _amounts_to(said: dict[str, str]) -> list[str]:
    where: dict[str, list[str]] = {}
    for workload, verdict in said.items():
        where.setdefault(verdict, []).append(workload)
    words = [f"{verdict} on {', '.join(names)}" for verdict, names in where.items()]
    return [f"Time of {ROBIN} over {PATCH}: {'; '.join(words)}."] if words else []


def _unsolved(thread: Thread) -> list[Answer]:
    """What both still suffer from; nothing where the data shows nothing."""
    lines = []
    for workload in sorted(set(thread.exponents["workload"])):
        rows = [thread.growth(name, workload) for name in (PATCH, ROBIN)]
        if all(len(row) and row["supported_class"] == "linear" for row in rows):
            slopes = " and ".join(f"{row['exponent']:.2f}" for row in rows)
            lines.append(f"{workload}: linear in nodes for both, exponents {slopes}.")
    for workload in sorted(set(thread.frame["workload"])):
        curves = [thread.curve(name, workload, "spurious_failures") for name in (PATCH, ROBIN)]
        sizes = set(curves[0].index) & set(curves[1].index)
        counts = [int(curve[max(sizes)]) for curve in curves] if sizes else [0]
        if min(counts) > 0:
            lines.append(
                f"{workload} at {max(sizes):,}: {counts[0]} and {counts[1]} requests refused"
                " although an exhaustive search finds a fit."
            )
    if not lines:
        return []
    question = f"Which workloads stay linear, or fail, with both {PATCH} and {ROBIN}?"
    return [Answer(question, f"{len(lines)} of those measured:", lines)]
