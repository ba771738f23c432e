"""Which bars were set, and which are met?

They were set before there was anything to measure: at most today's nodes and instructions in the
common case (0.7 of them aimed at), at most 32 fat nodes for the worst op of a trap and a thousandth
of today's, no needless refusal, and the address span of exact top-down first fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from iova_lab.cells import COMMON_CASE
from iova_lab.evidence import SUBJECT, TODAY
from iova_lab.evidence.sources import Sources
from iova_lab.tables import NOTHING, number

TRAPS = (
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
class Bar:
    """One bar: what was asked, what was measured at worst, where, and whether that is enough."""

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


def bars(sources: Sources) -> list[Bar]:
    """Every bar, in the order in which they were set."""
    found = [
        _ratio(
            "nodes per op, common case, user space", counted(sources.counts, COMMON_CASE, "nodes")
        ),
        _ratio(
            "instructions per op, user space",
            counted(sources.instructions, COMMON_CASE, "instructions"),
        ),
    ]
    kernel = in_kernel(sources)
    for release in sorted(set(kernel["release"])) if len(kernel) else []:
        rows = kernel[kernel["release"] == release].set_index("workload")["ratio"]
        common = rows[rows.index.isin(COMMON_CASE)]
        found.append(_ratio(f"instructions per op, kernel {release.split('-')[0]}", common))
    return [*found, _worst(sources), _less(sources), _refusals(sources), _span(sources)]


def _ratio(what: str, ratios: pd.Series) -> Bar:
    asked = f"{what}: at most {MOST:g} of {TODAY}'s, aim {AIM:g}"
    ratios = ratios.dropna()
    if ratios.empty:
        return Bar(asked, NOTHING, None)
    worst = ratios.idxmax()
    text = f"{ratios.min():.2f} to {ratios.max():.2f} ({worst})"
    return Bar(asked, text, bool(ratios.max() <= MOST), bool(ratios.max() <= AIM))


def largest(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """A row per workload, a column per variant, at the largest size that all of ours have."""
    rows = frame.dropna(subset=[column])
    both = rows[rows["variant"] == SUBJECT].groupby("workload")["nr_live"].max()
    rows = rows[rows["nr_live"] == rows["workload"].map(both)]
    return rows.pivot_table(index="workload", columns="variant", values=column)


def counted(frame: pd.DataFrame, names: tuple[str, ...], column: str) -> pd.Series:
    """The most, over all sizes, of this cost over today's, by workload."""
    if column not in frame:
        return pd.Series(dtype=float)
    rows = frame[frame["workload"].isin(names)]
    wide = rows.pivot_table(index=["workload", "nr_live"], columns="variant", values=column)
    if not {SUBJECT, TODAY} <= set(wide.columns):
        return pd.Series(dtype=float)
    return (wide[SUBJECT] / wide[TODAY]).groupby("workload").max()


def in_kernel(sources: Sources) -> pd.DataFrame:
    """Instructions per op over the kernel's own allocator's: release, workload, nr_live, ratio."""
    if sources.kernel.empty:
        return pd.DataFrame(columns=["release", "workload", "nr_live", "ratio"])
    rows = sources.kernel[sources.kernel["error"].isna()]
    keys = ["release", "workload", "nr_live"]
    ours = rows[rows["variant"] == SUBJECT].set_index(keys)["instructions"]
    theirs = rows[rows["variant"] == "kernel"].set_index(keys)["instructions"]
    both = (ours / theirs).dropna().rename("ratio").reset_index()
    return both.loc[both.groupby(["release", "workload"])["nr_live"].idxmax()]


def _worst(sources: Sources) -> Bar:
    asked = f"nodes of the worst op in a trap, largest size: at most {WORST_NODES} (fat ones)"
    worst = largest(sources.counts, "worst")[SUBJECT].reindex(TRAPS).dropna()
    if worst.empty:
        return Bar(asked, NOTHING, None)
    text = f"{number(worst.max())} ({worst.idxmax()})"
    return Bar(asked, text, bool(worst.max() <= WORST_NODES))


def _less(sources: Sources) -> Bar:
    asked = f"{TODAY}'s worst op in a trap, over ours: at least {LESS:,}"
    wide = largest(sources.counts, "worst").reindex(TRAPS)
    ratio = (wide[TODAY] / wide[SUBJECT]).dropna() if TODAY in wide else pd.Series(dtype=float)
    if ratio.empty:
        return Bar(asked, NOTHING, None)
    return Bar(asked, f"{number(ratio.min())} ({ratio.idxmin()})", bool(ratio.min() >= LESS))


def _refusals(sources: Sources) -> Bar:
    rows = sources.counts[sources.counts["variant"] == SUBJECT]
    wrong = int(rows[["spurious", "not_highest"]].sum().sum())
    text = f"{wrong} in {len(rows)} windows"
    return Bar("needless refusals, and answers that are not the highest fit: none", text, not wrong)


def _span(sources: Sources) -> Bar:
    asked = "address span: that of exact top-down first fit"
    rows = sources.counts.pivot_table(
        index=["workload", "nr_live"], columns="variant", values="span"
    )
    if not {SUBJECT, EXACT} <= set(rows.columns):
        return Bar(asked, NOTHING, None)
    both = rows[[SUBJECT, EXACT]].dropna()
    same = int((both[SUBJECT] == both[EXACT]).sum())
    return Bar(asked, f"the same as {EXACT}'s in {same} of {len(both)} windows", same == len(both))
