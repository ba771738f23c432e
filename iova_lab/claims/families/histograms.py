"""Do Peng Zhang's two histograms of 2022, before and after, have the shape that they have here?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypedDict

import numpy as np

from iova_lab.claims.claim import Claim, Finding, Quantity
from iova_lab.claims.judging import judge_band, judge_kind, median
from iova_lab.claims.measurement import Measured, Run
from iova_lab.claims.rules import band, ratio_of
from iova_lab.claims.timing import paired
from iova_lab.measuring import peng
from iova_lab.measuring.cells import number
from iova_variants.making import LIMIT_32BIT, LIMIT_48BIT, filled_then_replaced, random_below
from iova_variants.opstream import Op, OpStream, new_ops

#: When the first of these was said; claims are listed by it.
YEAR = 2022

V1 = "Peng Zhang (ByteDance), iommu list, August 2022, v1, with a full 32-bit space"
V3 = "Peng Zhang (ByteDance), iommu list, September 2022, v3, with 300,000 live ranges"
BEFORE, AFTER = PAIR = ("mainline", "alignable")
NR_VAIN, NR_REPLACED = 12, 600

#: His buckets, in ns: the slow and the fast calls of v1, the tail and the bulk of v3.
V1_BUCKETS = (16.8e6, 33.5e6), (256, 511)
V3_BUCKETS = (4e6, 8e6), (512, 1023)


def full_space(nr_live: int) -> tuple[OpStream, int]:
    """His v1, all of it timed: fill every page below 4 GiB; then free, alloc, alloc in vain."""
    ops = new_ops(nr_live + 3 * NR_VAIN, limit_pfn=LIMIT_32BIT)
    ops["slot"][:nr_live] = np.arange(nr_live)
    cycles = ops[nr_live:].reshape(-1, 3)
    cycles["op"][:, 0] = Op.FREE
    cycles["slot"][:, :2] = random_below(nr_live, NR_VAIN, 0)[:, np.newaxis]
    cycles["slot"][:, 2] = nr_live + np.arange(NR_VAIN)
    return OpStream(ops, start_pfn=LIMIT_32BIT + 1 - nr_live), nr_live


def replaced(nr_live: int) -> tuple[OpStream, int]:
    """His v3, all of it timed: fill under a 48-bit mask, then a random range goes, one comes."""
    return OpStream(filled_then_replaced(nr_live, NR_REPLACED, limit_pfn=LIMIT_48BIT)), nr_live


def _first(run: Run) -> Measured:
    make = partial(full_space, run.least(peng.V1_NR_LIVE - 1, 10_000))
    return run.once("v1", lambda: paired(run, PAIR, make, short=False))


def _second(run: Run) -> Measured:
    make = partial(replaced, run.least(peng.V3_NR_LIVE, 10_000))
    return run.once("v3", lambda: paired(run, PAIR, make, short=False))


def _over(measured: Measured, variant: str, slow: str, fast: str) -> list[float]:
    """Per process, the log of how much longer one kind of call takes than another."""
    ns = measured["ns"]
    pairs = zip(ns[slow][variant], ns[fast][variant], strict=True)
    return [float(np.log(a / b)) for a, b in pairs]


def buckets(slow: tuple[float, float], fast: tuple[float, float]) -> tuple[float, float]:
    """The least and the most that a call in one bucket can be of a call in the other."""
    return slow[0] / fast[1], slow[1] / fast[0]


def _judge_calls(
    slow: str, buckets_of: tuple[tuple[float, float], tuple[float, float]], what: str
) -> Callable[[Measured], Finding]:
    def judge(measured: Measured) -> Finding:
        ratio = ratio_of(_over(measured, BEFORE, slow, "fill"))
        ns = (number(median(measured, kind, BEFORE)) for kind in (slow, "fill"))
        said = "{} {} ns, a call while filling {} ns".format(what, *ns)
        return judge_band(ratio, *buckets(*buckets_of), said)

    return judge


class _OfCalls(TypedDict):
    """Two fields of a claim."""

    judge: Callable[[Measured], Finding]
    published: Quantity


def _of_calls(
    slow: str, buckets_of: tuple[tuple[float, float], tuple[float, float]], what: str
) -> _OfCalls:
    """A kind of call takes as much longer than filling as its bucket is above the other."""
    published = Quantity("ratio", *buckets(*buckets_of))
    return {"judge": _judge_calls(slow, buckets_of, what), "published": published}


def _mixed(measured: Measured, variant: str) -> Sequence[float]:
    """Mean ns per call in his mix of calls, per process."""
    ns = measured["ns"]
    fill, refused = (np.array(ns[kind][variant]) for kind in ("fill", "refused"))
    total = peng.V1_FAST * fill + peng.V1_SLOW * refused
    mean: list[float] = (total / (peng.V1_FAST + peng.V1_SLOW)).tolist()
    return mean


def _judge_v1_mean(measured: Measured) -> Finding:
    before, after = (_mixed(measured, name) for name in PAIR)
    ratio = ratio_of([float(np.log(a / b)) for a, b in zip(before, after, strict=True)])
    said = (
        f"{BEFORE} {number(float(np.median(before)))} ns, {AFTER} "
        f"{number(float(np.median(after)))} ns, {BEFORE} over {AFTER}"
    )
    return judge_band(ratio, *band(peng.V1_BEFORE / peng.V1_AFTER), said)


def _judge_v3_mean(measured: Measured) -> Finding:
    ratio = ratio_of([-log for log in measured["log_ratios"]["alloc"]])
    ns = (number(median(measured, "alloc", name)) for name in PAIR)
    said = "{2} {0} ns, {3} {1} ns, {2} over {3}".format(*ns, *PAIR)
    return judge_band(ratio, *band(peng.V3_BEFORE / peng.V3_AFTER), said)


def _judge_v3_free(measured: Measured) -> Finding:
    return judge_kind(measured, "free", *band(peng.V3_FREE_AFTER / peng.V3_FREE_BEFORE))


def _exactly(ratio: float) -> Quantity:
    return Quantity("ratio", ratio, ratio)


HARDWARE = "His nanoseconds are of other hardware: ratios compare. One thread, an idle lock."
CHANGE = "The rule of change above, as for every published ratio."
_of_v1 = partial(Claim, source=V1, measure=_first, seconds=60)
_of_v3 = partial(Claim, source=V3, measure=_second, seconds=60)

V1_CALLS = _of_v1(
    id="peng-v1-slow-calls",
    claim="Before: 10,625 calls of 16.8 to 33.5 ms beside 1,026,359 of 256 to 511 ns: one in a "
    "hundred takes some 65,000 times as long.",
    confidence="H",
    rule="Mean of refused calls over mean of calls while filling, mainline, all 2^20 - 1 pages "
    "below 4 GiB: reproduced if the interval lies within 16.8 ms / 511 ns to 33.5 ms / 256 ns "
    "(x32,900 to x130,900), partly if above 1, not otherwise.",
    why="The range that his buckets allow.",
    not_in=HARDWARE + " How many calls are slow depends on his benchmark, not described.",
    **_of_calls("refused", V1_BUCKETS, "mainline: a refused call"),
)

V1_MEAN = _of_v1(
    id="peng-v1-mean",
    claim="The mean of all calls falls from 293,848 to 459 ns: x640.",
    confidence="H",
    rule="Refused calls and calls while filling, weighted as often as in his histogram, mainline "
    "over alignable: the rule of change for x640 (x321 to x1,279).",
    why=CHANGE + " The calls are weighted as in his histogram.",
    not_in=HARDWARE + " alignable is his v3; the v1 that he measured differs from it.",
    judge=_judge_v1_mean,
    published=_exactly(peng.V1_BEFORE / peng.V1_AFTER),
)

V3_MEAN = _of_v3(
    id="peng-v3-mean",
    claim="300,000 live ranges, random replacement: the mean of alloc falls from 3164 to "
    "661 ns: x4.8.",
    confidence="H",
    rule="Mean of allocs that replace a range, mainline over alignable, 300,000 live: the rule of "
    "change for x4.8 (x2.9 to x8.6).",
    why=CHANGE + " Only calls that replace a range count, as in his description; filling does not.",
    not_in=HARDWARE + " His 295,589 calls below 1024 ns are about as many as fill the space once: "
    "if they did, his mean is mostly of filling; this one is not.",
    judge=_judge_v3_mean,
    published=_exactly(peng.V3_BEFORE / peng.V3_AFTER),
)

V3_LONGEST = _of_v3(
    id="peng-v3-tail",
    claim="Before: 295,065 calls of 512 to 1023 ns, and a tail to 4 to 8 ms.",
    confidence="-",
    rule="The longest alloc that replaces a range over the mean of filling, mainline, 300,000 "
    "live: reproduced if the interval lies within 4 ms / 1023 ns to 8 ms / 512 ns (x3,910 to "
    "x15,600), partly if above 1, not otherwise.",
    why="The range that his buckets allow; each call's time is the least of a few replays, so that "
    "the longest is a search and not an interrupt.",
    not_in=HARDWARE + " The longest of 600 calls: more calls have a longer longest.",
    **_of_calls("longest", V3_BUCKETS, "mainline: the longest call"),
)

V3_FREED = _of_v3(
    id="peng-v3-free",
    claim="The price is a slower free: 433 to 469 ns, +8 %.",
    confidence="H",
    rule="Mean of frees, alignable over mainline, 300,000 live: the rule of change for +8.3 % "
    "(+4.2 % to +16.6 %).",
    why=CHANGE,
    not_in=HARDWARE,
    judge=_judge_v3_free,
    published=_exactly(peng.V3_FREE_AFTER / peng.V3_FREE_BEFORE),
)
