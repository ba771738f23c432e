"""What is a question of the list answered from, and in which words?

No answer is written down: each is chosen by what the frame supports, and what can't be decided says
why.  thread_2017.py and thread_2026.py ask the questions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd

from iova_lab.measuring.cells import number
from iova_lab.measuring.metrics import TIMES
from iova_lab.measuring.results import select, why_missing
from iova_lab.measuring.statistics import Interval
from iova_lab.rendering.tables import exponent

#: A difference in time below this is not claimed: asv measures one variant after the other.
MARGIN = 0.05

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

    def growth(self, variant: str, workload: str, metric: str = "nodes_per_op") -> pd.Series:
        """The row of one curve in the table of exponents; empty if it is not there."""
        table = self.exponents
        keys = {"variant": variant, "workload": workload, "metric": metric}
        rows = table[table[list(keys)].eq(pd.Series(keys)).all(axis=1)]
        return rows.iloc[0] if len(rows) else pd.Series(dtype=object)

    def supported(self, variant: str, workload: str) -> str:
        """Supported class by nodes visited: exact, so decided before time; or ``missing``."""
        return str(self.growth(variant, workload).get("supported_class", "missing"))

    def curve(self, variant: str, workload: str, metric: str) -> pd.Series:
        """Values of one curve by size."""
        rows = select(self.frame, variant=variant, workload=workload, metric=metric)
        return rows.set_index("nr_live")["value"].sort_index()


def by_class(thread: Thread, variant: str, workload: str, verdicts: dict[str, str]) -> str:
    """Choose the verdict for a variant's class; what can't be decided says why."""
    supported = thread.supported(variant, workload)
    if supported == "missing":
        sizes = thread.frame["nr_live"]
        why = why_missing(thread.frame, "nodes_per_op", variant, workload, int(sizes.max()))
        return f"Not measured: {why or 'fewer than two sizes'}."
    if supported == "undecided":
        return f"Undecided: {thread.growth(variant, workload)['reason']}."
    return verdicts[supported]


def growth_lines(thread: Thread, variant: str, workload: str) -> list[str]:
    """One line per cost: what it is at the smallest and the largest size, and how it grows."""
    lines = []
    for metric, unit in COSTS.items():
        curve = thread.curve(variant, workload, metric)
        row = thread.growth(variant, workload, metric)
        if not len(curve):
            continue
        sizes = dict.fromkeys([curve.index[0], curve.index[-1]])
        exact = metric not in TIMES
        ends = [f"{number(curve.loc[size], exact=exact)} at {size:,}" for size in sizes]
        line = f"{unit}: {', '.join(ends)} live ranges"
        if len(row):
            slope = Interval(row["exponent"], row["lo"], row["hi"])
            kind = f" ({'exact' if exact else '99 % interval'})" if slope.known else ", no interval"
            line += f"; exponent {exponent(slope)}{kind}: {row['supported_class']}"
        lines.append(line + ".")
    return lines


def judge(ratio: Interval) -> str:
    """Say in words what the interval of a ratio of times supports."""
    if not ratio.known:
        return "not comparable in time: no interval"
    if ratio.lo > 1 + MARGIN:
        return "slower"
    if ratio.hi < 1 - MARGIN:
        return "faster"
    if ratio.within(1, MARGIN):
        return f"the same within {MARGIN:.0%}"
    return f"no difference beyond {MARGIN:.0%} shown"
