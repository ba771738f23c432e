"""When does a measurement bear out a claim?  The rules that claims share, and their thresholds.

**Growth.**  The exponent of a cost is the slope of log(cost) over log(live ranges), from each size
to the next.  Costs are nodes, so exact, and an exponent has no interval.  The words mean:

- flat: every exponent within 0 +- 0.05, less than 12 % per tenfold (`scaling.FLAT`).
- logarithmic: every exponent at most log10(2) = 0.301.  a + b log n with a, b >= 0 at most doubles
  from n to 10 n, for any n from 10 on.
- linear: the exponent between the two largest sizes within 1 +- 0.1 (`scaling.LINEAR`), and the one
  before within 1 +- 0.2, for a constant part flattens the curve below.

**Change.**  A published change from A to B is a ratio; hardware of another decade can't give the
same nanoseconds, and rarely the same ratio.  Its size counts as reproduced if what is measured
differs from "no change" by half as much to twice as much: +44 % by +22 % to +88 %; x4.8 by x2.9
to x8.6.  A factor of two either way is one bucket of the log2 histograms in which such figures are
published.  The verdict is the strongest that the 99 % interval supports: all of it in that band,
reproduced; all of it on the published side of 1, partly (the direction holds, the size doesn't),
unless all of it is below a quarter or above four times the change: x670 for x4.8 is another effect,
so not; all of it on the other side, or too small to be half the change, not; anything else is
undecided.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from iova_lab.measuring.scaling import FLAT, LINEAR

#: Of the exponent of a logarithm.
LOGARITHM = math.log10(2)
#: Of every interval.
CONFIDENCE = 0.99
#: How much smaller or larger than the published change a change may be.
FACTOR = 2.0


@dataclass(frozen=True)
class Ratio:
    """B / A with its interval; without width if it was counted."""

    value: float
    lo: float
    hi: float


def ratio_of(log_ratios: Sequence[float]) -> Ratio:
    """The ratio and its 99 % interval: Student's t over one log ratio per process.

    The process is the unit: memory layout differs between processes and not within one.
    """
    test = stats.ttest_1samp(list(log_ratios), 0.0)
    interval = test.confidence_interval(CONFIDENCE)
    mean = sum(log_ratios) / len(log_ratios)
    return Ratio(math.exp(mean), math.exp(interval.low), math.exp(interval.high))


def exact(value: float) -> Ratio:
    """A ratio of counts."""
    return Ratio(value, value, value)


def exponents(sizes: Sequence[float], costs: Sequence[float]) -> list[float]:
    """The exponent from each size to the next; NaN where a cost is not positive."""
    points = list(zip(sizes, costs, strict=True))
    found = []
    for (n, a), (m, b) in itertools.pairwise(points):
        found.append(math.log(b / a) / math.log(m / n) if a > 0 and b > 0 else math.nan)
    return found


def growth(sizes: Sequence[float], costs: Sequence[float]) -> str:
    """Flat, logarithmic, linear, other; or unknown: a cost of 0, or fewer than three sizes."""
    slopes = exponents(sizes, costs)
    if len(slopes) < 2 or any(math.isnan(slope) for slope in slopes):
        return "unknown"
    if all(abs(slope) <= FLAT for slope in slopes):
        return "flat"
    if all(slope <= LOGARITHM for slope in slopes):
        return "logarithmic"
    if abs(slopes[-1] - 1) <= LINEAR and abs(slopes[-2] - 1) <= 2 * LINEAR:
        return "linear"
    return "other"


def band(published: float) -> tuple[float, float]:
    """Ratios whose change is half to twice the published one, on the same side of 1."""
    if published < 1:
        low, high = band(1 / published)
        return 1 / high, 1 / low
    return 1 + (published - 1) / FACTOR, 1 + (published - 1) * FACTOR


def compare(measured: Ratio, low: float, high: float) -> str:
    """Hold an interval against a band, in a word.

    "in", "same side", "far", "absent", "other side" or "undecided".  The band lies on one side of
    1.  "absent": the interval contains 1 and doesn't reach the band.  "far": all of it is on the
    side of the band, and its change below half or above twice what the band allows.
    """
    if high < 1:
        turned = Ratio(1 / measured.value, 1 / measured.hi, 1 / measured.lo)
        return compare(turned, 1 / high, 1 / low)
    if low <= measured.lo and measured.hi <= high:
        return "in"
    if measured.lo > 1:
        far = measured.hi < 1 + (low - 1) / FACTOR or measured.lo > 1 + (high - 1) * FACTOR
        return "far" if far else "same side"
    if measured.hi < 1:
        return "other side"
    return "absent" if measured.hi < low else "undecided"
