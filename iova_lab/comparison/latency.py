"""How long do single allocs and frees take: histogram, mean, and the tail?

Every op of the window is timed `NR_OP_REPLAYS` times in each process, and its least time
counts: an interrupt or another program hits one replay, what the op itself costs is in all.  The
worst that was seen without this is reported beside it.  All times hold two readings of the clock;
in the difference between two variants that cancels.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from iova_lab.comparison.counting import KINDS
from iova_lab.comparison.result import CellResult
from iova_lab.measuring.statistics import Interval, each, mean

QUANTILES = {"median": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


@dataclass(frozen=True)
class Latency:
    """Time of one kind of op of one variant in one cell, in ns, the clock's own cost included.

    ``samples`` has every op of every process, its least of several; ``quantiles`` are of these.
    ``timed_max`` is the longest of all times as they were taken.
    """

    samples: npt.NDArray[np.uint32]
    mean: Interval
    quantiles: dict[str, float]
    timed_max: int


def of(cell: CellResult, which: int, kind: str) -> Latency | None:
    """All single times of one variant; None where it has none, or the window no such op."""
    taken = cell.op_times.get((which, kind), [])
    if not taken or not len(taken[0].least):
        return None
    samples = np.concatenate([times.least for times in taken])
    return Latency(
        samples=samples,
        mean=mean([times.least.mean() for times in taken]),
        quantiles={name: float(np.quantile(samples, q)) for name, q in QUANTILES.items()},
        timed_max=max(times.longest for times in taken),
    )


def difference(cell: CellResult, which: int, kind: str, nr_ratios: int) -> Interval | None:
    """Mean time of a candidate's ops minus the base's, paired by process; None without a pair."""
    base, candidate = (cell.op_times.get((index, kind), []) for index in (0, which))
    if not base or not candidate or not len(base[0].least):
        return None
    # A variant that drops out does so for good, so the first processes are common to both.
    pairs = zip(base, candidate, strict=False)
    return mean([float(c.least.mean() - b.least.mean()) for b, c in pairs], each(2 * nr_ratios))


@dataclass(frozen=True)
class Bucket:
    """Times from ``lo`` to ``hi`` ns, both inclusive, and how many of each variant there are."""

    lo: int
    hi: int
    counts: tuple[int, ...]


def histogram(variants: Sequence[Latency | None]) -> list[Bucket]:
    """Count times by powers of two, over the range that any of the variants reaches."""
    known = [latency.samples for latency in variants if latency is not None]
    if not known:
        return []
    low = min(int(samples.min()) for samples in known)
    high = max(int(samples.max()) for samples in known)
    # The first bucket takes 0 and 1, as where a clock is too coarse for the op.
    first, last = max(low, 1).bit_length() - 1, max(high, 1).bit_length() - 1
    edges = [0 if k == 0 else 1 << k for k in range(first, last + 2)]
    bins = [*edges[:-1], edges[-1] - 0.5]
    columns = [np.histogram(one.samples if one else [], bins)[0] for one in variants]
    return [
        Bucket(lo, hi - 1, tuple(int(column[i]) for column in columns))
        for i, (lo, hi) in enumerate(itertools.pairwise(edges))
    ]


def histograms(cell: CellResult, nr_variants: int) -> dict[str, list[Bucket]]:
    """`histogram` of the first variants, by each kind of op that one of them has times of."""
    found = {kind: histogram([of(cell, i, kind) for i in range(nr_variants)]) for kind in KINDS}
    return {kind: buckets for kind, buckets in found.items() if buckets}
