"""Do Peng Zhang's two recipes of 2022 give the figures that he published?

``python -m iova_lab.measuring.peng 1000000`` measures n/6 at one size, for instance the largest,
which takes minutes: 10^9 nodes and more.

His histograms are of alloc calls, in ns; here nodes are counted.  What can be compared is the
shape: what a refused or a walking call costs, how often it happens, and the ratio that follows.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

import numpy as np
import pandas as pd

from iova_lab.measuring.cells import NS_PER_NODE, number
from iova_lab.measuring.counts import WindowCounts, count
from iova_lab.workloads import full_32bit, random_replace, startup_32bit
from iova_variants.making import LIMIT_48BIT, filled_then_replaced, pack
from iova_variants.opstream import Op, OpStream

#: v1, full 32-bit space: calls in 16.8-33.5 ms, calls in 256-511 ns, mean before and after in ns.
V1_SLOW, V1_FAST, V1_BEFORE, V1_AFTER = 10_625, 1_026_359, 293_848, 459
#: v3, 300,000 live ranges: calls in 256-511 and 512-1023 ns, mean before and after, free likewise.
V1_NR_LIVE, V3_NR_LIVE = 2**20, 300_000
V3_FAST = {384: 524, 768: 295_065}
V3_BEFORE, V3_AFTER, V3_FREE_BEFORE, V3_FREE_AFTER = 3164, 661, 433, 469

#: From here on the recipes are replayed at his sizes: below, a quick look was asked for.
FULL_FROM = 100_000

COMPARED = ("alignable", "augmented", "maple")


class Sixth(NamedTuple):
    """`random_replace` on mainline: nodes searched per alloc over n/6, share of calls of 1 step."""

    nr_live: int
    nr_calls: int
    ratio: float
    one_step: float


def nr_calls_for(nr_live: int) -> int:
    """So many that chance moves the mean by one or two hundredths, within a budget of nodes."""
    return int(np.clip(2_000_000_000 // nr_live, 5_000, 100_000))


def sixth(nr_live: int, nr_calls: int | None = None) -> Sixth:
    """Replace random ranges ``nr_calls`` times and count what mainline searches."""
    nr_calls = nr_calls or nr_calls_for(nr_live)
    stream = _replaced(nr_live, nr_calls)
    found = count("mainline", stream)
    allocs = np.array(found.op_visits)[stream.ops["op"][stream.nr_ageing :] == Op.ALLOC]
    # One gap, and at most the height of a path on the way down to insert.
    one_step = float(np.mean(allocs <= 1 + np.log2(nr_live)))
    return Sixth(nr_live, nr_calls, found.visits["search"] / nr_calls / (nr_live / 6), one_step)


def _replaced(nr_live: int, nr_calls: int) -> OpStream:
    """`random_replace` with as many measured calls as are asked for."""
    nr_ageing = random_replace.NR_AGEING_OPS
    ops = filled_then_replaced(nr_live, nr_ageing // 2 + nr_calls, limit_pfn=LIMIT_48BIT)
    pack(ops[:nr_live])
    return OpStream(ops, nr_ageing=nr_live + nr_ageing)


def sixths(sizes: list[int]) -> pd.DataFrame:
    """`sixth` at each size, as text."""
    rows = [sixth(nr_live) for nr_live in sizes]
    return pd.DataFrame(
        {
            "live ranges": [f"{row.nr_live:,}" for row in rows],
            "alloc calls": [f"{row.nr_calls:,}" for row in rows],
            "nodes searched per call / (n/6)": [f"{row.ratio:.3f}" for row in rows],
            "calls of 1 step": [f"{row.one_step:.1%}" for row in rows],
        }
    )


def recipes(largest: int) -> tuple[pd.DataFrame, list[str]]:
    """Nodes per call on both recipes, and what they say of his figures.

    At his sizes, or at ``largest`` if that is small.  ``fill`` is what a call costs while
    the 32-bit space is filled.
    """
    full = largest >= FULL_FROM
    first = full_32bit.generate(full_32bit.MAX_NR_LIVE if full else largest)
    second = random_replace.generate(V3_NR_LIVE if full else largest)
    streams = (startup_32bit.generate(first.nr_ageing // 2), first, second)
    counts = {
        name: Recipes(*(count(name, stream) for stream in streams))
        for name in ("mainline", *COMPARED)
    }
    table = pd.DataFrame(
        [
            {
                "variant": name,
                "v1: fill": number(one.fill.served),
                "v1: replace": number(one.first.served),
                "v1: refused": number(one.first.refused.mean),
                "v3: replace": number(one.second.served),
                "v3: most": number(one.second.kinds["alloc"].worst),
                "v3: free": number(one.second.kinds["free"].mean),
            }
            for name, one in counts.items()
        ]
    )
    return table, [*_say_first(counts, first), *_say_second(counts, second)]


class Recipes(NamedTuple):
    """One variant: while filling, on v1, on v3."""

    fill: WindowCounts
    first: WindowCounts
    second: WindowCounts

    @property
    def mixed(self) -> float:
        """Mean nodes per call if filling and refusals were as frequent as in his v1."""
        slow, fast = V1_SLOW * self.first.refused.mean, V1_FAST * self.fill.served
        return (slow + fast) / (V1_SLOW + V1_FAST)


def verdict(theirs: float, ours: float) -> str:
    """Do two ratios agree within a factor of two, or in direction only?"""
    if max(theirs / ours, ours / theirs) <= 2:
        return "Agrees"
    if (theirs > 1) == (ours > 1):
        return "Same direction, but NOT the same size"
    return "Does NOT agree"


def _say_first(counts: dict[str, Recipes], stream: OpStream) -> list[str]:
    mainline, alignable = counts["mainline"], counts["alignable"]
    before, after = mainline.mixed, alignable.mixed
    theirs, ours = V1_BEFORE / V1_AFTER, before / after
    worst = _even(mainline.first) / _even(alignable.first)
    return [
        f"v1, a slow call: he has {V1_SLOW:,} calls of 16.8-33.5 ms and {V1_FAST:,} of 256-511"
        " ns, about as many as fill 2^20 pages; a walk over 2^20 nodes would take"
        f" {16.8e6 / V1_NR_LIVE:.0f} to {33.5e6 / V1_NR_LIVE:.0f} ns a node. Our refused calls"
        f" visit {mainline.first.refused.mean:,.0f} nodes at {stream.nr_ageing:,} live ranges."
        f" {verdict(stream.nr_ageing, mainline.first.refused.mean)}.",
        f"v1, ratio of the means: he has {V1_BEFORE:,} / {V1_AFTER} ns = {theirs:,.0f}. With his"
        f" mix of calls mainline visits {number(before)} nodes a call and alignable"
        f" {number(after)}: {number(ours)}. {verdict(theirs, ours)}: time has a floor that nodes"
        f" have not, a call of {number(mainline.fill.served)} nodes takes him 256-511 ns.",
        "v1, the lab's benchmark and his: in the lab's, half of the allocs fail and the others"
        f" search for one free page ({number(mainline.first.served)} nodes), so its own ratio is"
        f" {number(worst)}. {verdict(theirs, worst)}: it is the worst case, his run was"
        " mostly filling.",
    ]


def _even(one: WindowCounts) -> float:
    return (one.served + one.refused.mean) / 2


def _say_second(counts: dict[str, Recipes], stream: OpStream) -> list[str]:
    nr_live = stream.nr_ageing - random_replace.NR_AGEING_OPS
    mainline, alignable = counts["mainline"].second, counts["alignable"].second
    theirs, ours = V3_BEFORE / V3_AFTER, mainline.served / alignable.served
    freed, freed_after = mainline.kinds["free"].mean, alignable.kinds["free"].mean
    free_theirs, free_ours = V3_FREE_AFTER / V3_FREE_BEFORE, freed_after / freed
    most = mainline.kinds["alloc"].worst
    fastest, slowest = (most * ns / 1e6 for ns in NS_PER_NODE)
    low, high = _walking_share()
    return [
        f"v3, {nr_live:,} live ranges, tail: his ends in 4-8 ms; our longest call visits"
        f" {most:,} nodes, {fastest:.1f} to {slowest:.1f} ms at {NS_PER_NODE[0]:g} to"
        f" {NS_PER_NODE[1]:g} ns a node. {verdict(6, (fastest + slowest) / 2)}.",
        f"v3, ratio of the means: he has {V3_BEFORE} / {V3_AFTER} ns = {theirs:.1f}, we"
        f" {number(mainline.served)} / {number(alignable.served)} nodes = {number(ours)}."
        f" {verdict(theirs, ours)}: half of our calls walk; {sum(V3_FAST.values()):,} of his took"
        " less than 1024 ns, about as many as it takes to fill the space once, and a mean of"
        f" {V3_BEFORE} ns leaves room for {low:.2%} to {high:.2%} of calls that walk n/3 nodes.",
        f"v3, free: he has {V3_FREE_BEFORE} -> {V3_FREE_AFTER} ns, x{free_theirs:.2f}; we"
        f" {number(freed)} -> {number(freed_after)} nodes, x{free_ours:.2f}."
        f" {verdict(free_theirs, free_ours)}; of ours, those updated on the way up have just been"
        " visited on the way down.",
    ]


def _walking_share() -> tuple[float, float]:
    """Share of calls walking n/3 nodes that lifts his fast calls to his mean."""
    fast = sum(ns * count for ns, count in V3_FAST.items()) / sum(V3_FAST.values())
    low, high = ((V3_BEFORE - fast) / (V3_NR_LIVE / 3 * ns) for ns in reversed(NS_PER_NODE))
    return low, high


if __name__ == "__main__":
    print(sixths([int(size) for size in sys.argv[1:]]).to_string(index=False))
