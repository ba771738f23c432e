"""Was David Woods right to withdraw his patch?  The thread of September 2017, from measurements.

"iommu/iova: Improve alloc_iova performance" (iommu list) gave the original allocator (cached32) a
second cached node for 64-bit requests (cached64).  He withdrew it when Robin Murphy's series
(anchor) solved his case.  No answer is written down here: each is chosen by what the frame
supports.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pandas as pd

from iova_lab.results import select, why_missing
from iova_lab.scaling import FLAT, Interval, ratios
from iova_lab.tables import NONE, change, exponent, number

ORIGINAL, PATCH, ROBIN = "cached32", "cached64", "anchor"
CASE = "startup"
COMPARED = (CASE, "ring", "random_replace", "near_empty")

#: A difference in time below this is not claimed: asv measures one variant after the other.
MARGIN = 0.05

#: Not a class that anything could be concluded from.
UNKNOWN = ("missing", "undecided")
COSTS = {"nodes_per_op": "nodes/op", "ns_per_op": "ns/op"}


@dataclass(frozen=True)
class Answer:
    """One question of the thread: what the measurements support, and the measurements."""

    question: str
    verdict: str
    evidence: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Thread:
    """All that the answers are taken from."""

    frame: pd.DataFrame
    exponents: pd.DataFrame

    def growth(self, variant: str, workload: str = CASE, metric: str = "nodes_per_op") -> pd.Series:
        """The row of one curve in the table of exponents; empty if it is not there."""
        table = self.exponents
        keys = {"variant": variant, "workload": workload, "metric": metric}
        rows = table[table[list(keys)].eq(pd.Series(keys)).all(axis=1)]
        return rows.iloc[0] if len(rows) else pd.Series(dtype=object)

    def supported(self, variant: str, workload: str = CASE) -> str:
        """Supported class by nodes visited: exact, so decided before time; or ``missing``."""
        return str(self.growth(variant, workload).get("supported_class", "missing"))

    def curve(self, variant: str, workload: str, metric: str) -> pd.Series:
        """Values of one curve by size."""
        rows = select(self.frame, variant=variant, workload=workload, metric=metric)
        return rows.set_index("nr_live")["value"].sort_index()


def answer(frame: pd.DataFrame, exponents: pd.DataFrame) -> list[Answer]:
    """Answer the three questions of the thread, and what neither of both repairs, if anything."""
    thread = Thread(frame, exponents)
    answers = [_linear(thread), _flat(thread), _redundant(thread)]
    return answers + _unsolved(thread)


def _by_class(thread: Thread, variant: str, verdicts: dict[str, str]) -> str:
    """Choose the verdict for a variant's class; what can't be decided says why."""
    supported = thread.supported(variant)
    if supported == "missing":
        sizes = thread.frame["nr_live"]
        why = why_missing(thread.frame, "nodes_per_op", variant, CASE, int(sizes.max()))
        return f"Not measured: {why or 'fewer than two sizes'}."
    if supported == "undecided":
        return f"Undecided: {thread.growth(variant)['reason']}."
    return verdicts[supported]


def _linear(thread: Thread) -> Answer:
    verdicts = {
        "linear": "Yes: the nodes visited grow in proportion to the live ranges.",
        "constant": "No: it is flat.",
        "logarithmic": "No: it grows, but like a logarithm.",
        "other": "No: it grows, but not linearly.",
    }
    return Answer(
        f"Is the 64-bit path linear in the original ({ORIGINAL}, {CASE})?",
        _by_class(thread, ORIGINAL, verdicts),
        _growth_lines(thread, ORIGINAL),
    )


def _flat(thread: Thread) -> Answer:
    verdicts = {
        "linear": "No: it is still linear.",
        "constant": "Yes: it visits the same number of nodes at every size.",
        "logarithmic": "Not quite: it grows like a logarithm.",
        "other": "No: it still grows.",
    }
    lines = _growth_lines(thread, PATCH)
    time = thread.growth(PATCH, metric="ns_per_op")
    if thread.supported(PATCH) == "constant" and time.get("lo", math.nan) > FLAT:
        lines.append(
            "The time grows although the nodes don't: each costs more as the domains outgrow the"
            " processor's caches, or there is work that visits no further node."
        )
    return Answer(
        f"Does Woods' second cached node ({PATCH}) make it flat?",
        _by_class(thread, PATCH, verdicts),
        lines,
    )


def _growth_lines(thread: Thread, variant: str) -> list[str]:
    lines = []
    for metric, unit in COSTS.items():
        curve, row = thread.curve(variant, CASE, metric), thread.growth(variant, CASE, metric)
        if not len(curve):
            continue
        ends = [f"{number(curve.loc[size])} at {size:,}" for size in curve.index[[0, -1]]]
        line = f"{unit}: {', '.join(ends)} live ranges"
        if len(row):
            slope = Interval(row["exponent"], row["lo"], row["hi"])
            kind = "exact" if metric == "nodes_per_op" else "99 % interval"
            known = (
                f"{exponent(slope)} ({kind})" if slope.known else f"{exponent(slope)}, no interval"
            )
            line += f"; exponent {known}: {row['supported_class']}"
        lines.append(line + ".")
    return lines


def _redundant(thread: Thread) -> Answer:
    question = (
        f"Was Woods right that the Robin-style cache ({ROBIN}) makes his patch ({PATCH}) redundant?"
    )
    patch, robin = thread.supported(PATCH), thread.supported(ROBIN)
    if "missing" in (patch, robin) or "undecided" in (patch, robin):
        open_ = [
            name for name in (PATCH, ROBIN) if thread.supported(name) in ("missing", "undecided")
        ]
        verdict = f"Undecided: the growth of {' and '.join(open_)} on {CASE} is not known."
    elif robin == patch == "constant":
        verdict = f"Yes, for the case that his patch was made for: on {CASE} both are flat."
    elif robin == patch:
        verdict = f"It does as much as his patch: on {CASE} both are {patch}."
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
    return (
        "asv measures one variant after the other, so what slows the machine for a while can pass"
        f" for a difference. `iova-lab compare {PATCH} {ROBIN} {(doubtful or [CASE])[0]}` measures"
        " both in turn."
    )


def _compare_one(
    thread: Thread, workload: str, nr_live: int, rows: pd.DataFrame
) -> tuple[str, str]:
    found = {
        metric: Interval(*rows.loc[metric, ["ratio", "lo", "hi"]]) if metric in rows.index else NONE
        for metric in COSTS
    }
    values = {
        (variant, metric): number(thread.curve(variant, workload, metric).get(nr_live, math.nan))
        for variant in (PATCH, ROBIN)
        for metric in found
    }
    verdict = judge(found["ns_per_op"])
    parts = [
        f"{values[PATCH, metric]} -> {values[ROBIN, metric]} {unit} {change(found[metric])}"
        for metric, unit in COSTS.items()
    ]
    return f"{workload} at {nr_live:,}: {'; '.join(parts)}: {ROBIN} {verdict}.", verdict


def judge(ratio: Interval) -> str:
    """Say in words what the interval of a ratio of times supports."""
    if not ratio.known:
        return "not comparable in time, no interval"
    if ratio.lo > 1 + MARGIN:
        return "slower"
    if ratio.hi < 1 - MARGIN:
        return "faster"
    if ratio.within(1, MARGIN):
        return f"the same within {MARGIN:.0%}"
    return f"no difference beyond {MARGIN:.0%} shown"


def _amounts_to(said: dict[str, str]) -> list[str]:
    sentences = []
    for verdict in dict.fromkeys(said.values()):
        where = ", ".join(workload for workload, word in said.items() if word == verdict)
        sentences.append(f"{verdict} on {where}")
    return [f"Time of {ROBIN} against {PATCH}: {'; '.join(sentences)}."] if sentences else []


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
    question = f"What does neither {PATCH} nor {ROBIN} repair?"
    return [Answer(question, "Of what was measured, these:", lines)]
