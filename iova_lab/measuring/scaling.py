"""How does a variant's cost grow with the number of live ranges, and how does it compare?

Slopes and ratios come from asv's 99 % intervals, widened by how far times of the same run drift
(`iova_lab.measuring.drift`); counts are exact, so theirs have no width.

**Exponent**: the slope of log(value) over log(nr_live) between the two largest sizes that are a
decade apart: what still grows shows at the top end, while constant parts (n/6 + 20) flatten the
curve below.  Its interval is that of a difference of two logarithms, each known with a 99 %
interval of its own (MOVER: Zou and Donner, Statistics in Medicine 27, 2008; it needs no symmetry).

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
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, stats

from iova_lab.measuring import drift
from iova_lab.measuring.drift import Floor
from iova_lab.measuring.results import ResultsError, select

#: Within this of 0 an exponent counts as flat, within that of 1 as linear.
FLAT, LINEAR = 0.05, 0.1
#: An exponent above this is no logarithm's at the sizes we measure.
STEEP = 0.5
#: Least factor between two sizes of which a slope is taken: a decade, nearly.
DECADE = 8
#: A single size has no slope, two no curvature, three no test of a logarithm.
MIN_SIZES, MIN_SIZES_LOG = 3, 4

CLASSES = ("constant", "logarithmic", "linear", "other", "undecided")
TIMES = {"ns_per_op"}

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value with its 99 % interval; exact if that has no width, NaN if there is none."""

    value: float
    lo: float
    hi: float

    def within(self, centre: float, tolerance: float) -> bool:
        """Is all of it within ``centre`` +- ``tolerance``?"""
        return centre - tolerance <= self.lo and self.hi <= centre + tolerance

    @property
    def known(self) -> bool:
        """Is there an interval at all?"""
        return math.isfinite(self.lo) and math.isfinite(self.hi)


def with_intervals(frame: pd.DataFrame, floor: Floor | None) -> pd.DataFrame:
    """Give exact counts an interval without width, and times asv's, widened by the run's drift.

    asv's interval is of one cell alone, and cells are minutes apart.  Two times that were each
    widened by a half (in squares of logarithms) of the drift have a ratio that is widened by all of
    it, so no ratio within the floor is known not to be 1.  Without a floor times have no interval.
    """
    exact = ~frame["metric"].isin(TIMES)
    half = math.log(floor.ratio) / math.sqrt(2) if floor else math.nan
    value = frame["value"].astype(float)
    lo, hi = frame["ci_lo"].astype(float).clip(lower=0), frame["ci_hi"].astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.exp(-np.hypot(np.log(value / lo), half))
        above = np.exp(np.hypot(np.log(hi / value), half))
    return frame.assign(
        ci_lo=(value * below).mask(exact, value), ci_hi=(value * above).mask(exact, value)
    )


def log_ratio(upper: Floats, lower: Floats) -> Floats:
    """log(upper / lower) with its interval; rows are (value, lo, hi) of each (MOVER)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        top, bottom = np.log(np.maximum(upper, 0)), np.log(np.maximum(lower, 0))
        difference = top[0] - bottom[0]
        below = np.hypot(top[0] - top[1], bottom[2] - bottom[0])
        above = np.hypot(top[2] - top[0], bottom[0] - bottom[1])
        return np.array([difference, difference - below, difference + above])


def ratios(frame: pd.DataFrame, baseline: str, fakes: frozenset[str]) -> pd.DataFrame:
    """Each measured value as a ratio to the baseline's; fake variants are left out.

    Columns: metric, workload, nr_live, variant, ratio, lo, hi (99 %; NaN if either value has no
    interval).  No row where the baseline has no value, or 0.
    """
    known = sorted(set(frame["variant"]) - fakes)
    if baseline not in known:
        raise ResultsError(
            f"no baseline {baseline!r} in the results; there are: {', '.join(known)}"
        )
    rows = with_intervals(select(frame), drift.floor(frame))
    rows = rows[~rows["variant"].isin(fakes)]
    keys = ["metric", "workload", "nr_live"]
    base = rows[(rows["variant"] == baseline) & (rows["value"] > 0)]
    both = rows.merge(base, on=keys, suffixes=("", "_base"))
    columns = ["value", "ci_lo", "ci_hi"]
    upper = both[columns].to_numpy(float).T
    lower = both[[f"{name}_base" for name in columns]].to_numpy(float).T
    ratio, lo, hi = np.exp(log_ratio(upper, lower))
    return both[[*keys, "variant"]].assign(ratio=ratio, lo=lo, hi=hi)


def exponents(frame: pd.DataFrame, fakes: frozenset[str]) -> pd.DataFrame:
    """Exponent and supported class of every curve with two sizes or more, without the fakes.

    Columns: metric, workload, variant, nr_from and nr_to (the decade of the exponent), exponent,
    lo, hi (99 %; equal for counts), supported_class and reason (of undecided, else empty).
    """
    rows = with_intervals(select(frame), drift.floor(frame))
    rows = rows[rows["metric"].isin(["nodes_per_op", *TIMES]) & ~rows["variant"].isin(fakes)]
    keys = ["metric", "workload", "variant"]
    records = [
        dict(zip(keys, key, strict=True)) | _describe(curve.sort_values("nr_live"))
        for key, curve in rows.groupby(keys)
        if len(curve) > 1
    ]
    columns = "nr_from nr_to exponent lo hi supported_class reason".split()
    return pd.DataFrame(records, columns=[*keys, *columns])


def _describe(curve: pd.DataFrame) -> dict[str, Any]:
    sizes = curve["nr_live"].to_numpy(float)
    points = curve[["value", "ci_lo", "ci_hi"]].to_numpy(float)
    top = top_sizes(sizes)
    slopes = [_slope(sizes, points, a, b) for a, b in itertools.pairwise(top)]
    exponent = slopes[-1] if slopes else Interval(math.nan, math.nan, math.nan)
    supported, reason = _classify(sizes, points, top, slopes)
    return {
        "nr_from": int(sizes[top[-2]]) if slopes else int(sizes[-1]),
        "nr_to": int(sizes[-1]),
        "exponent": exponent.value,
        "lo": exponent.lo,
        "hi": exponent.hi,
        "supported_class": supported,
        "reason": reason,
    }


def top_sizes(sizes: Floats) -> list[int]:
    """Indices of up to three sizes from the largest down, each a decade below the next."""
    top = [len(sizes) - 1]
    while len(top) < MIN_SIZES:
        below = np.flatnonzero(sizes * DECADE <= sizes[top[0]])
        if not len(below):
            break
        top.insert(0, int(below[-1]))
    return top


def _slope(sizes: Floats, points: Floats, a: int, b: int) -> Interval:
    slope = log_ratio(points[b], points[a]) / math.log(sizes[b] / sizes[a])
    return Interval(*slope.tolist())


def _growth(sizes: Floats, points: Floats, top: list[int]) -> Interval:
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
    sizes: Floats, points: Floats, top: list[int], slopes: list[Interval]
) -> tuple[str, str]:
    """Return the supported class and, if undecided, the reason; see the module's docstring."""
    if len(top) < MIN_SIZES:
        return "undecided", f"fewer than {MIN_SIZES} sizes a decade apart"
    if (points[top, 0] <= 0).any():
        return "undecided", "a value of 0"
    if not all(slope.known for slope in slopes):
        return "undecided", "no interval: too few samples"
    last, growth = slopes[-1], _growth(sizes, points, top)
    logarithm = _rises_like_log(sizes, points)
    if all(slope.within(0, FLAT) for slope in slopes) and not logarithm:
        return "constant", ""
    straight = last.within(1, LINEAR) and slopes[0].within(1, 2 * LINEAR)
    if straight or (last.lo > STEEP and growth.within(1, LINEAR)):
        return "linear", ""
    if logarithm and last.lo > 0 and last.hi < STEEP:
        return "logarithmic", ""
    if last.hi - last.lo > 2 * LINEAR:
        return "undecided", "the interval is too wide"
    if last.lo > FLAT and slopes[0].within(last.value, LINEAR):
        return _steady(last, len(sizes))
    return "undecided", "the curve still bends at the largest size"


def _steady(last: Interval, nr_sizes: int) -> tuple[str, str]:
    if last.hi < STEEP and nr_sizes < MIN_SIZES_LOG:
        return "undecided", f"a logarithm shows over {MIN_SIZES_LOG} sizes or more"
    return "other", ""
