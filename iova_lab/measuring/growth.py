"""How does a cost grow with the number of live ranges?  The only classifier that the lab has.

**Exponent**: the slope of log(value) over log(nr_live) between two sizes that are a decade apart.
The one that counts is between the two largest: what still grows shows at the top end, while
constant parts (n/6 + 20) flatten the curve below.  Its interval is that of a difference of two
logarithms, each known with a 99 % interval of its own (`statistics.log_ratio`).

**Class**: never the best of several fits, which is known to misjudge flat curves.  Each class has
to be supported by the top three sizes s1 < s2 < s3, a decade apart, and by an interval:

- constant: the exponents of both decades, intervals included, lie within 0 +- 0.05 (less than 12 %
  per tenfold), and there is no logarithm as below.
- linear: the exponent lies within 1 +- 0.1 and that of the decade below within 1 +- 0.2; or the
  exponent of the growth lies within 1 +- 0.1 and the growth dominates.  The latter compares
  f(s3) - f(s2) with f(s2) - f(s1), in which a constant part cancels: it is 1 for n/6 + 20 at any
  size.  n log n is not told from n here.
- logarithmic: over all sizes (four or more) the value rises at every step and follows
  a + b log n (b > 0 with p < 0.01, at least 95 % of the variance), and the exponent is below 0.5.
- other: a steady exponent that is none of these.
- undecided: anything else, with the reason: too few sizes, no interval, an interval too wide, or a
  curve that still bends.

**Bounds.**  Who asks whether a cost is bounded, and not which curve it follows, asks of every
decade: `Thresholds.bound` is then the largest exponent that passes for a logarithm's, constant is
what is flat in every decade, and what is neither within the bound nor linear is other.  What linear
is remains the same, so no curve is linear to one reader and other to the next.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from iova_lab.measuring.statistics import NONE, Floats, Interval, log_ratio

#: Within this of 0 an exponent counts as flat, within that of 1 as linear.
FLAT, LINEAR = 0.05, 0.1
#: An exponent above this is no logarithm's at the sizes we measure.
STEEP = 0.5
#: a + b log n with a, b >= 0 at most doubles from n to 10 n, for any n from 10 on.
LOGARITHM = math.log10(2)
#: Least factor between two sizes of which a slope is taken: a decade, nearly.
DECADE = 8
#: A single size has no slope, two no curvature, three no test of a logarithm.
MIN_SIZES, MIN_SIZES_LOG = 3, 4

CLASSES = ("constant", "logarithmic", "linear", "other", "undecided")


@dataclass(frozen=True)
class Thresholds:
    """How far an exponent may be from 0, and from 1; ``bound`` asks for bounds, see above."""

    flat: float = FLAT
    linear: float = LINEAR
    bound: float | None = None


@dataclass(frozen=True)
class Growth:
    """The class, the reason if it is undecided, and the exponents of all decades, upwards.

    ``nr_from`` and ``nr_to`` are the sizes of the last of these.
    """

    supported: str
    reason: str
    exponents: tuple[Interval, ...]
    nr_from: int
    nr_to: int

    @property
    def exponent(self) -> Interval:
        """The one that counts; `NONE` without two sizes a decade apart."""
        return self.exponents[-1] if self.exponents else NONE


def grow(sizes: Floats, points: Floats, asked: Thresholds = Thresholds()) -> Growth:
    """Classify one curve.

    ``sizes`` rise; ``points`` has a row (value, lo, hi) for each, lo = hi = value for counts.
    """
    chain = decades(sizes)
    slopes = tuple(_slope(sizes, points, a, b) for a, b in itertools.pairwise(chain))
    supported, reason = _classify(sizes, points, chain, slopes, asked)
    nr_from = int(sizes[chain[-2]]) if slopes else int(sizes[-1])
    return Growth(supported, reason, slopes, nr_from, int(sizes[-1]))


def decades(sizes: Floats) -> list[int]:
    """Indices of sizes from the largest down, each a decade below the next."""
    chain = [len(sizes) - 1]
    while len(below := np.flatnonzero(sizes * DECADE <= sizes[chain[0]])):
        chain.insert(0, int(below[-1]))
    return chain


def _slope(sizes: Floats, points: Floats, a: int, b: int) -> Interval:
    if points[a, 0] <= 0 or points[b, 0] <= 0:
        return NONE
    slope = log_ratio(points[b], points[a]) / math.log(sizes[b] / sizes[a])
    return Interval(*slope.tolist())


def _dominant(sizes: Floats, points: Floats, top: list[int]) -> Interval:
    """Exponent k of a + b n^k through the top three points; its interval is the widest possible.

    The extremes over the three intervals: conservative, for the middle point enters twice.
    """
    (_, lo1, hi1), (_, lo2, hi2), (_, lo3, hi3) = points[top]
    v1, v2, v3 = points[top, 0]
    quotients = [(v3 - v2, v2 - v1), (lo3 - hi2, hi2 - lo1), (hi3 - lo2, lo2 - hi1)]
    return Interval(*(_growth_exponent(sizes[top], *steps) for steps in quotients))


def _growth_exponent(sizes: Floats, last_step: float, first_step: float) -> float:
    """Solve (s3^k - s2^k) / (s2^k - s1^k) = last_step / first_step for k; NaN if there is none."""
    if not (first_step > 0 and last_step > 0):
        return math.nan
    low, _, high = np.log(sizes / sizes[1])

    def excess(k: float) -> float:
        steps = high / -low if abs(k) < 1e-9 else math.expm1(k * high) / -math.expm1(k * low)
        return math.log(steps * first_step / last_step)

    bounds = (-4.0, 4.0)
    if excess(bounds[0]) > 0 or excess(bounds[1]) < 0:
        return math.nan
    return float(optimize.brentq(excess, *bounds))


def _rises_like_log(sizes: Floats, points: Floats) -> bool:
    values = points[:, 0]
    if len(sizes) < MIN_SIZES_LOG or (np.diff(values) <= 0).any():
        return False
    fit = stats.linregress(np.log(sizes), values)
    return bool(fit.pvalue < 0.01 and fit.rvalue**2 >= 0.95)


def _classify(
    sizes: Floats,
    points: Floats,
    chain: list[int],
    slopes: tuple[Interval, ...],
    asked: Thresholds,
) -> tuple[str, str]:
    """Return the supported class and, if undecided, the reason; see the module's docstring."""
    top = chain[-MIN_SIZES:]
    judged = chain if asked.bound is not None else top
    slopes = slopes[1 - len(judged) :]
    if len(top) < MIN_SIZES:
        return "undecided", f"fewer than {MIN_SIZES} sizes a decade apart"
    if (points[judged, 0] <= 0).any():
        return "undecided", "a value of 0"
    if not all(slope.known for slope in slopes):
        return "undecided", "no interval: too few samples"
    before, last = slopes[-2:]
    logarithm = asked.bound is None and _rises_like_log(sizes, points)
    if all(slope.within(0, asked.flat) for slope in slopes) and not logarithm:
        return "constant", ""
    straight = last.within(1, asked.linear) and before.within(1, 2 * asked.linear)
    if straight or (last.lo > STEEP and _dominant(sizes, points, top).within(1, asked.linear)):
        return "linear", ""
    if asked.bound is not None:
        return ("logarithmic" if all(one.hi <= asked.bound for one in slopes) else "other"), ""
    if logarithm and last.lo > 0 and last.hi < STEEP:
        return "logarithmic", ""
    if last.hi - last.lo > 2 * asked.linear:
        return "undecided", "the interval is too wide"
    if last.lo > asked.flat and before.within(last.value, asked.linear):
        return _steady(last, len(sizes))
    return "undecided", "the curve still bends at the largest size"


def _steady(last: Interval, nr_sizes: int) -> tuple[str, str]:
    if last.hi < STEEP and nr_sizes < MIN_SIZES_LOG:
        return "undecided", f"a logarithm shows over {MIN_SIZES_LOG} sizes or more"
    return "other", ""
