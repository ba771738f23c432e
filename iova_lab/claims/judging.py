"""How does a rule become a verdict with an answer?  The judges that claims share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from iova_lab.claims.claim import Finding, Quantity, Verdict
from iova_lab.claims.measurement import Measured
from iova_lab.claims.rules import compare, exponents, growth, ratio_of
from iova_lab.measuring.cells import number
from iova_lab.measuring.statistics import Interval


def judge_growth(
    expected: str, variant: str, what: str, *, less: Verdict
) -> Callable[[Measured], Finding]:
    """A judge of one curve.

    ``expected`` is a word of `rules.growth`.  Who was to be flat and is logarithmic, and who was
    to be linear and grows in another way, gets ``less``; whoever was to be logarithmic may be flat.
    """

    def judge(measured: Measured) -> Finding:
        sizes, costs = measured["sizes"], measured["costs"][variant]
        found = growth(sizes, costs)
        slope = exponents(sizes, costs)[-1]
        word = "neither flat, logarithmic nor linear" if found == "other" else found
        answer = (
            f"{variant}: {number(costs[0])} {what} at {sizes[0]:,} live ranges, "
            f"{number(costs[-1])} at {sizes[-1]:,}: n^{slope:.2f}, {word}"
        )
        return Finding(_growth_verdict(expected, found, less), answer, _exponent(slope))

    return judge


def _exponent(slope: float) -> Quantity:
    return Quantity("exponent", round(slope, 4), round(slope, 4))


def _growth_verdict(expected: str, found: str, less: Verdict) -> Verdict:
    if found == "unknown":
        return Verdict.UNDECIDED
    if found == expected or (expected == "logarithmic" and found == "flat"):
        return Verdict.REPRODUCED
    if (expected, found) in (("flat", "logarithmic"), ("linear", "other")):
        return less
    return Verdict.NOT


def median(measured: Measured, kind: str, variant: str) -> float:
    """Median over processes of the ns of one kind."""
    return float(np.median(measured["ns"][kind][variant]))


def judge_band(ratio: Interval, low: float, high: float, what: str) -> Finding:
    """The verdict on a ratio that was to lie within a band; see `rules.compare`."""
    verdicts = {
        "in": Verdict.REPRODUCED,
        "same side": Verdict.PARTLY,
        "undecided": Verdict.UNDECIDED,
    }
    verdict = verdicts.get(compare(ratio, low, high), Verdict.NOT)
    answer = f"{what}: x{number(ratio.value)} [{number(ratio.lo)}..{number(ratio.hi)}]"
    if ratio.is_exact:
        answer = f"{what}: x{number(ratio.value)}"
    return Finding(verdict, answer, Quantity("ratio", ratio.lo, ratio.hi))


def judge_kind(measured: Measured, kind: str, low: float, high: float) -> Finding:
    """As `judge_band`, of the ratio of one kind of op, with both times in front of it."""
    first, second = measured["pair"]
    before, after = (number(median(measured, kind, name)) for name in (first, second))
    what = f"{kind} {first} {before} ns, {second} {after} ns"
    return judge_band(ratio_of(measured["log_ratios"][kind]), low, high, what)
