"""The verdict on a ratio, a difference or a refusal, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass

from iova_lab.comparison import latency
from iova_lab.comparison.counting import Counts
from iova_lab.comparison.result import CellResult, Comparison
from iova_lab.measuring.cells import number
from iova_lab.measuring.statistics import SAME, Interval, Ratio, ratio
from iova_lab.rendering.tables import PERCENT_FROM

#: From here on a ratio of times is printed as a factor; +99 % is the largest change in per cent.
PERCENT_TO = 2.0

FAILED = "failed"
WITHDRAWN = "withdrawn"
OUTCOMES = ("slower", "faster", SAME, "too few samples", FAILED, WITHDRAWN)


@dataclass(frozen=True)
class Verdict:
    """The verdict on one candidate in one cell: an outcome of `OUTCOMES`, and sentences.

    ``ratio`` is None where the candidate or the base failed.  ``caveats`` are what a bare outcome
    would hide, refusals first: a variant that refuses requests looks fast.
    """

    cell: CellResult
    which: int
    outcome: str
    ratio: Ratio | None
    text: str
    caveats: tuple[str, ...] = ()

    @property
    def short(self) -> str:
        """Outcome and size without the interval: ``slower: +3.1 %``."""
        if self.ratio and self.outcome in ("slower", "faster"):
            return f"{self.outcome}: {change(self.ratio.value)}"
        return self.outcome

    @property
    def is_worse(self) -> bool:
        return self.outcome in ("slower", FAILED) or any("refuses" in c for c in self.caveats)


def verdict(result: Comparison, cell: CellResult, which: int) -> Verdict:
    """Judge candidate ``which`` (1, 2, ...) in one cell."""
    for index in (which, 0):
        if index in cell.failures:
            who = "" if index else f"{result.subjects[0].label}: "
            return Verdict(cell, which, FAILED, None, f"failed: {who}{cell.failures[index]}")
    if cell.withdrawn:
        return Verdict(cell, which, WITHDRAWN, None, f"withdrawn: {cell.withdrawn}")
    found = ratio(cell.values(0), cell.values(which), result.plan.nr_ratios)
    if not found.nr_processes:
        return Verdict(cell, which, "too few samples", None, "not measured")
    return Verdict(cell, which, found.outcome, found, say(found), caveats(result, cell, which))


def verdicts(result: Comparison) -> list[Verdict]:
    """All of them: by cell in the plan's order, then by candidate."""
    candidates = range(1, len(result.subjects))
    return [verdict(result, cell, which) for cell in result.cells for which in candidates]


def say(found: Ratio) -> str:
    """One line: the outcome, its size, and the interval."""
    if not found.known:
        return f"too few samples: {change(found.value)}, processes: {found.nr_processes}"
    as_factor = not _in_percent(found.value) or not _in_percent(found.hi)
    value, lo, hi = (change(x, as_factor) for x in (found.value, found.lo, found.hi))
    if found.outcome == SAME:
        return f"{SAME} ({lo} .. {hi}; smallest detectable: {detectable(found.visible)})"
    return f"{found.outcome}: {value} ({lo} .. {hi})"


def detectable(visible: float) -> str:
    """The smallest ratio above 1 that is found as slower: ``1.8 %``, ``x7.25``."""
    return f"{number(100 * (visible - 1))} %" if _in_percent(visible) else f"x{number(visible)}"


def _in_percent(value: float) -> bool:
    return PERCENT_FROM < value < PERCENT_TO


def change(value: float, as_factor: bool = False) -> str:
    """A ratio of times as kernel people write it: ``+3.1%``, ``-65.2%``, ``x7.25``."""
    if math.isnan(value):
        return "-"
    if as_factor or not _in_percent(value):
        return f"x{number(value, exact=False)}"
    # -0.0 would claim a direction that the digits do not show
    return f"{100 * (value - 1):+.1f}%".replace("-0.0%", "+0.0%")


def longer(found: Interval | None) -> str:
    """What a difference of means supports, in words: ``longer: +3.2 ns (+2.8 .. +3.7)``."""
    if found is None or not found.known:
        return "not known"
    word = "longer" if found.lo > 0 else "shorter" if found.hi < 0 else SAME
    return f"{word}: {found.value:+.1f} ns ({found.lo:+.1f} .. {found.hi:+.1f})"


def histogram(cell: CellResult, kind: str) -> str:
    """What stands above a histogram of one kind of op."""
    return f"{kind}, ns of single calls, of which the clock takes {cell.clock_ns} ns or more"


def caveats(result: Comparison, cell: CellResult, which: int) -> tuple[str, ...]:
    """What must stand beside the outcome: refusals, broken promises, few processes."""
    lines = []
    base, candidate = cell.counts.get(0), cell.counts.get(which)
    if base and candidate:
        lines += _refusals(base, candidate, result.subjects[0].label)
        if candidate.nr_above_limit:
            lines.append(f"{candidate.nr_above_limit:,} answers above the limit")
    if result.subjects[which].is_fake:
        lines.append("keeps no ranges: the floor of the harness, not an allocator")
    return tuple(lines)


def _refusals(base: Counts, candidate: Counts, name: str) -> list[str]:
    """Only differences: where both refuse the same, there is nothing to warn of."""
    lines = []
    if candidate.nr_failures != base.nr_failures:
        verb = "refuses" if candidate.nr_failures > base.nr_failures else "refuses only"
        lines.append(
            f"{verb} {candidate.nr_failures:,} of {candidate.kinds['alloc'].nr_ops:,} requests,"
            f" {name} {base.nr_failures:,}"
        )
    if candidate.nr_spurious and candidate.nr_spurious != base.nr_spurious:
        lines.append(
            f"{candidate.nr_spurious:,} of these are spurious, {name} {base.nr_spurious or 0:,}"
        )
    return lines


def means(result: Comparison, cell: CellResult, kind: str) -> list[str]:
    """Per variant, the mean time of its allocs or frees, and what its difference supports."""
    lines = []
    for which, subject in enumerate(result.subjects):
        found = latency.of(cell, which, kind)
        if found is None:
            continue
        mean = found.mean
        span = f" ({mean.lo:.1f} .. {mean.hi:.1f})" if mean.known else ""
        line = f"mean {kind} of {subject.label}: {mean.value:.1f} ns{span}"
        if which:
            line += f", {longer(latency.difference(cell, which, kind, result.plan.nr_ratios))}"
        lines.append(line)
    return lines
