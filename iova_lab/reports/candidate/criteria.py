"""Which acceptance criteria were set, and which are met?

They were set before there was anything to measure: at most today's nodes and instructions in the
common case (0.7 of them aimed at), at most 32 fat nodes for the worst op of a pathological
workload and a thousandth of today's, no needless refusal, and the address span of exact top-down
first fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from iova_lab.measuring.cells import CellRatio, extremes, number
from iova_lab.measuring.contenders import RIVALS, SUBJECT, TODAY
from iova_lab.measuring.rows import short_release
from iova_lab.rendering.tables import NOTHING
from iova_lab.reports.candidate.sources import Sources, ratios

PATHOLOGICAL = (
    "random_replace",
    "full_32bit",
    "checkerboard",
    "high_limit",
    "misaligned_gaps",
    "ring_two_sizes",
)
MOST, AIM = 1.0, 0.7
WORST_NODES, LESS = 32, 1000
#: Exact by its claim and by every judged request: its span is the exact top-down one.
EXACT = "no_cache"


@dataclass(frozen=True)
class Criterion:
    """What was asked, what was measured at worst, where, and whether that is enough."""

    asked: str
    measured: str
    met: bool | None
    aim: bool | None = None

    @property
    def word(self) -> str:
        """In a table."""
        if self.met is None:
            return "not measured"
        return ("met, and the aim" if self.aim else "met") if self.met else "NOT met"


def criteria(sources: Sources) -> list[Criterion]:
    """Every criterion, in the order in which they were set."""
    kernels = in_kernel(sources)
    places = sorted({one.cell.where for one in kernels})
    found = [
        _ratio("nodes per op, common case, user space", common(sources.counts, "nodes")),
        _ratio("instructions per op, user space", common(sources.instructions, "instructions")),
        *(
            _ratio(
                f"instructions per op, kernel {short_release(where)}",
                [one for one in kernels if one.cell.where == where and one.cell.is_common],
            )
            for where in places
        ),
    ]
    return [*found, _worst(sources), _less(sources), _refusals(sources), _span(sources)]


def _ratio(what: str, found: list[CellRatio]) -> Criterion:
    asked = f"{what}: at most x{MOST:g} of {TODAY}'s, aim x{AIM:g}"
    ends = extremes(found)
    if ends is None:
        return Criterion(asked, NOTHING, None)
    low, high = ends
    text = f"{low.value:.2f} to {high.value:.2f} ({high.cell.workload})"
    return Criterion(asked, text, high.value <= MOST, high.value <= AIM)


def largest(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row per workload, a column per variant, at the largest size that all of ours have."""
    rows = frame.dropna(subset=[column])
    both = rows[rows["variant"] == SUBJECT].groupby("workload")["nr_live"].max()
    rows = rows[rows["nr_live"] == rows["workload"].map(both)]
    return rows.pivot_table(index="workload", columns="variant", values=column)


def by_variant(wide: pd.DataFrame) -> pd.DataFrame:
    """Today's, its rivals and ours, in this order; other columns are left out."""
    return wide[[name for name in (TODAY, *RIVALS, SUBJECT) if name in wide]]


def common(frame: pd.DataFrame, column: str) -> list[CellRatio]:
    """Ours over today's in the common case: every size of it that was measured."""
    return [one for one in ratios(frame, column, unit=f"{column}/op") if one.cell.is_common]


def in_kernel(sources: Sources, column: str = "instructions") -> list[CellRatio]:
    """Instructions per op over those of the kernel's own allocator, in every cell and kernel."""
    if sources.kernel.empty:
        return []
    rows = sources.kernel[sources.kernel["error"].isna()]
    return ratios(rows, column, unit="instructions/op", base="kernel")


def _worst(sources: Sources) -> Criterion:
    asked = (
        "nodes of the worst op in a pathological workload, largest size: at most"
        f" {WORST_NODES} (of up to 31 holes each)"
    )
    worst = largest(sources.counts, "worst")[SUBJECT].reindex(PATHOLOGICAL).dropna()
    if worst.empty:
        return Criterion(asked, NOTHING, None)
    text = f"{number(worst.max())} ({worst.idxmax()})"
    return Criterion(asked, text, bool(worst.max() <= WORST_NODES))


def _less(sources: Sources) -> Criterion:
    asked = (
        f"nodes of {TODAY}'s worst op in a pathological workload, over {SUBJECT}'s: at least"
        f" {LESS:,}"
    )
    wide = largest(sources.counts, "worst").reindex(PATHOLOGICAL)
    ratio = (wide[TODAY] / wide[SUBJECT]).dropna() if TODAY in wide else pd.Series(dtype=float)
    if ratio.empty:
        return Criterion(asked, NOTHING, None)
    return Criterion(asked, f"{number(ratio.min())} ({ratio.idxmin()})", bool(ratio.min() >= LESS))


def _refusals(sources: Sources) -> Criterion:
    rows = sources.counts[sources.counts["variant"] == SUBJECT]
    wrong = int(rows[["spurious", "not_highest"]].sum().sum())
    text = f"{wrong} in {len(rows)} windows"
    return Criterion(
        "spurious failures, and answers that are not the highest fit: none", text, not wrong
    )


def _span(sources: Sources) -> Criterion:
    asked = "address span: that of exact top-down first fit"
    rows = sources.counts.pivot_table(
        index=["workload", "nr_live"], columns="variant", values="span"
    )
    if not {SUBJECT, EXACT} <= set(rows.columns):
        return Criterion(asked, NOTHING, None)
    both = rows[[SUBJECT, EXACT]].dropna()
    same = int((both[SUBJECT] == both[EXACT]).sum())
    return Criterion(
        asked, f"the same as {EXACT}'s in {same} of {len(both)} windows", same == len(both)
    )
