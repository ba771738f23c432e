"""A value with its interval: what do samples support, and how small a difference do they show?

The process is the unit: memory layout differs between processes and not within one, so the values
of one process are not independent.  Each process gives one number, and over these Student's t gives
the interval (`scipy.stats.ttest_1samp`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt

#: Of all ratios of one comparison together: it is wrong anywhere in one of a hundred comparisons.
CONFIDENCE = 0.99

#: "Would have been seen": in four of five comparisons like this one.
POWER = 0.8

FEWEST = 3

SAME = "no difference found"


Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A value with its interval (99 % unless noted): without width if exact, NaN if there is none.

    Base of objects that hold a value with an interval and more.
    """

    value: float
    lo: float
    hi: float

    @classmethod
    def exact(cls, value: float) -> Self:
        """A count, or what was computed from counts alone."""
        return cls(value, value, value)

    @property
    def known(self) -> bool:
        """Is there an interval at all?"""
        return math.isfinite(self.lo) and math.isfinite(self.hi)

    @property
    def is_exact(self) -> bool:
        """Has it no width?"""
        return self.lo == self.value == self.hi

    def within(self, centre: float, tolerance: float) -> bool:
        """Is all of it within ``centre`` +- ``tolerance``?"""
        return centre - tolerance <= self.lo and self.hi <= centre + tolerance

    def exp(self) -> Interval:
        """The ratio of which this is the logarithm."""
        return Interval(*map(math.exp, (self.value, self.lo, self.hi)))


NONE = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Ratio(Interval):
    """Time of a candidate over time of the base.

    ``visible`` is the least ratio above 1 that is found as slower with `POWER`.
    """

    nr_processes: int = 0
    nr_rounds: int = 0
    visible: float = math.nan

    @property
    def outcome(self) -> str:
        """One of ``slower``, ``faster``, `SAME`, ``too few samples``."""
        if not self.known:
            return "too few samples"
        if self.lo > 1:
            return "slower"
        return "faster" if self.hi < 1 else SAME


def mean(samples: npt.ArrayLike, confidence: float = CONFIDENCE, fewest: int = FEWEST) -> Interval:
    """Mean of independent samples, and where the true one lies with ``confidence``.

    Fewer than ``fewest`` samples (two or more) have no interval.
    """
    from scipy import stats  # benchmarks import this module, without scipy

    values = np.asarray(samples, dtype=float)
    if len(values) < fewest:
        return Interval(float(values.mean()) if len(values) else math.nan, math.nan, math.nan)
    value = float(values.mean())
    if np.ptp(values) == 0:  # scipy has no interval for what does not vary
        return Interval(value, value, value)
    found = stats.ttest_1samp(values, 0.0).confidence_interval(confidence)
    return Interval(value, float(found.low), float(found.high))


def log_ratio(upper: Floats, lower: Floats) -> Floats:
    """log(upper / lower) with its interval; rows are (value, lo, hi) of each.

    MOVER: Zou and Donner, Statistics in Medicine 27, 2008; it needs no symmetry.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        top, bottom = np.log(np.maximum(upper, 0)), np.log(np.maximum(lower, 0))
        difference = top[0] - bottom[0]
        below = np.hypot(top[0] - top[1], bottom[2] - bottom[0])
        above = np.hypot(top[2] - top[0], bottom[0] - bottom[1])
        return np.array([difference, difference - below, difference + above])


def each(nr_ratios: int) -> float:
    """Confidence of one interval so that all ``nr_ratios`` hold together (Bonferroni)."""
    return 1 - (1 - CONFIDENCE) / max(1, nr_ratios)


def ratio(
    base: dict[int, Floats],
    candidate: dict[int, Floats],
    nr_ratios: int = 1,
) -> Ratio:
    """Ratio of time, from values paired by process and round.

    One process says the median of its rounds' log ratios; the mean of these is the logarithm of the
    result.  ``nr_ratios`` is how many are looked at together.
    """
    both = sorted(base.keys() & candidate.keys())
    logs = tuple(float(np.median(np.log(candidate[turn] / base[turn]))) for turn in both)
    nr_rounds = sum(len(base[turn]) for turn in both)
    found, visible = _judged(logs, each(nr_ratios))
    return Ratio(
        **vars(found.exp()),
        nr_processes=len(both),
        nr_rounds=nr_rounds,
        visible=math.exp(visible),
    )


@lru_cache(1 << 12)
def _judged(logs: tuple[float, ...], confidence: float) -> tuple[Interval, float]:
    """Mean and least visible shift: every output of a comparison asks for the same ones."""
    return mean(logs, confidence), _visible(logs, confidence)


def _visible(samples: tuple[float, ...], confidence: float) -> float:
    """Least shift that a t test of such samples finds with `POWER` (noncentral t)."""
    from scipy import stats  # benchmarks import this module, without scipy

    df = len(samples) - 1
    if len(samples) < FEWEST:
        return math.nan
    return _least_shift(df, confidence) * float(stats.sem(samples))


@cache
def _least_shift(df: int, confidence: float) -> float:
    """`_visible` in standard errors, which depends on the number of samples alone."""
    from scipy import optimize, stats  # benchmarks import this module, without scipy

    critical = stats.t.isf((1 - confidence) / 2, df)
    shift = optimize.brentq(lambda nc: stats.nct.sf(critical, df, nc) - POWER, 0, 10 * critical)
    return float(shift)
