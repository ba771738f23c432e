"""When does a measurement bear out a claim?  The rules that claims share, and their thresholds.

**Growth.**  The exponent of a cost is the slope of log(cost) over log(live ranges), from each size
to the next.  Costs are nodes, so exact, and an exponent has no interval.  The words mean:

- flat: every exponent within 0 +- 0.05, less than 12 % per tenfold (`growth.FLAT`).
- logarithmic: every exponent at most log10(2) = 0.301.  a + b log n with a, b >= 0 at most doubles
  from n to 10 n, for any n from 10 on.
- linear: the exponent between the two largest sizes within 1 +- 0.1 (`growth.LINEAR`), and the one
  before within 1 +- 0.2, for a constant part flattens the curve below; or what grows is linear
  once a constant part is taken off, and dominates, as on every other page (`growth`).

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

import numpy as np

from iova_lab.measuring import statistics
from iova_lab.measuring.growth import FLAT, LINEAR, LOGARITHM, Thresholds, grow
from iova_lab.measuring.statistics import Interval

#: Of a cost that was said to be bounded, and counted.
BOUNDS = Thresholds(flat=FLAT, linear=LINEAR, bound=LOGARITHM)
#: What claims call the classes that have another name elsewhere.
WORDS = {"constant": "flat", "undecided": "unknown"}
#: Of every interval.
CONFIDENCE = statistics.CONFIDENCE
#: How much smaller or larger than the published change a change may be.
FACTOR = 2.0


def ratio_of(log_ratios: Sequence[float]) -> Interval:
    """The ratio and its 99 % interval: Student's t over one log ratio per process."""
    return statistics.mean(log_ratios, CONFIDENCE, fewest=2).exp()


def exponents(sizes: Sequence[float], costs: Sequence[float]) -> list[float]:
    """The exponent from each size to the next; NaN where a cost is not positive."""
    points = list(zip(sizes, costs, strict=True))
    found = []
    for (n, a), (m, b) in itertools.pairwise(points):
        found.append(math.log(b / a) / math.log(m / n) if a > 0 and b > 0 else math.nan)
    return found


def growth(sizes: Sequence[float], costs: Sequence[float]) -> str:
    """Flat, logarithmic, linear, other; or unknown: a cost of 0, or fewer than three sizes."""
    points = np.repeat(np.asarray(costs, dtype=float)[:, np.newaxis], 3, axis=1)
    found = grow(np.asarray(sizes, dtype=float), points, BOUNDS).supported
    return WORDS.get(found, found)


def band(published: float) -> tuple[float, float]:
    """Ratios whose change is half to twice the published one, on the same side of 1."""
    if published < 1:
        low, high = band(1 / published)
        return 1 / high, 1 / low
    return 1 + (published - 1) / FACTOR, 1 + (published - 1) * FACTOR


def compare(measured: Interval, low: float, high: float) -> str:
    """Hold an interval against a band, in a word.

    "in", "same side", "far", "absent", "other side" or "undecided".  The band lies on one side of
    1.  "absent": the interval contains 1 and doesn't reach the band.  "far": all of it is on the
    side of the band, and its change below half or above twice what the band allows.
    """
    if high < 1:
        turned = Interval(1 / measured.value, 1 / measured.hi, 1 / measured.lo)
        return compare(turned, 1 / high, 1 / low)
    if low <= measured.lo and measured.hi <= high:
        return "in"
    if measured.lo > 1:
        far = measured.hi < 1 + (low - 1) / FACTOR or measured.lo > 1 + (high - 1) * FACTOR
        return "far" if far else "same side"
    if measured.hi < 1:
        return "other side"
    return "absent" if measured.hi < low else "undecided"
