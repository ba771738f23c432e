"""How does a variant's cost grow with the number of live ranges, and how does it compare?

Slopes and ratios come from asv's 99 % intervals, widened by how far times of the same run drift
(`iova_lab.measuring.drift`); counts are exact, so theirs have no width.

Exponents and classes are those of `iova_lab.measuring.growth`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from iova_lab.measuring import drift, growth
from iova_lab.measuring.asv_runs import ResultsError
from iova_lab.measuring.drift import Floor
from iova_lab.measuring.frames import columns_of
from iova_lab.measuring.results import select
from iova_lab.measuring.statistics import log_ratio

TIMES = {"ns_per_op"}


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


class RatioRow(NamedTuple):
    """A row of `ratios`: a value over the baseline's; lo and hi are NaN without intervals."""

    metric: str
    workload: str
    nr_live: int
    variant: str
    ratio: float
    lo: float
    hi: float


class ExponentRow(NamedTuple):
    """A row of `exponents`: a curve, its decade, exponent and class, and why it is undecided."""

    metric: str
    workload: str
    variant: str
    nr_from: int
    nr_to: int
    exponent: float
    lo: float
    hi: float
    supported_class: str
    reason: str


def ratios(frame: pd.DataFrame, baseline: str, fakes: frozenset[str]) -> pd.DataFrame:
    """Each measured value as a ratio to the baseline's; fake variants are left out.

    Columns are those of `RatioRow`: lo and hi are 99 %, NaN if either value has no interval.  No
    row where the baseline has no value, or 0.
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
    return both.assign(ratio=ratio, lo=lo, hi=hi)[columns_of(RatioRow)]


def exponents(frame: pd.DataFrame, fakes: frozenset[str]) -> pd.DataFrame:
    """Exponent and supported class of every curve with two sizes or more, without the fakes.

    Columns are those of `ExponentRow`: nr_from and nr_to are the decade of the exponent, lo and hi
    99 %, equal for counts; reason is of undecided, else empty.
    """
    rows = with_intervals(select(frame), drift.floor(frame))
    rows = rows[rows["metric"].isin(["nodes_per_op", *TIMES]) & ~rows["variant"].isin(fakes)]
    keys = ["metric", "workload", "variant"]
    records = [
        dict(zip(keys, key, strict=True)) | _describe(curve.sort_values("nr_live"))
        for key, curve in rows.groupby(keys)
        if len(curve) > 1
    ]
    return pd.DataFrame(records, columns=columns_of(ExponentRow))


def _describe(curve: pd.DataFrame) -> dict[str, Any]:
    sizes = curve["nr_live"].to_numpy(float)
    found = growth.grow(sizes, curve[["value", "ci_lo", "ci_hi"]].to_numpy(float))
    return {
        "nr_from": found.nr_from,
        "nr_to": found.nr_to,
        "exponent": found.exponent.value,
        "lo": found.exponent.lo,
        "hi": found.exponent.hi,
        "supported_class": found.supported,
        "reason": found.reason,
    }
