"""How bad is a stream?  One replay gives values for several goals at once.

A *niche* is a goal and, where one op is the worst, what kind of op it is.  The search keeps the
best genome of each niche, so a find that is common does not push out one that is rare.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab.checking.worst import refusals
from iova_lab.checking.worst.genome import Genome
from iova_lab.measuring.steps import costliest, steps
from iova_variants import REFUSED, CountedReplay, EndlessError, Variant
from iova_variants.child import VariantError
from iova_variants.making import LIMIT_32BIT
from iova_variants.opstream import Op, OpFlag, OpStream

#: Goals that count nodes, of one op or in the mean; niches with the kind of op behind them.
COSTS = ("grant", "refusal", "free", "mean op")
#: Live ranges at which the search runs, and those at which a cost has to be as large a share.
NR_LIVE, CONFIRMED_AT = 100, 400
#: How the requests up to an op differ.
MIXES = ("one kind of request", "several sizes", "several limits")
#: What a cost is divided by, at least: with few ranges, any cost is a large share of them.
FEWEST_LIVE = 50
#: Nodes that one replay may visit when a cost is measured at a large size.
MOST_VISITS = 2_000_000_000
#: Seconds until a replay of a user's file counts as hung.
HUNG_S = 60.0
#: Goals that count instructions, of one op and of its longest section under the lock.
INSTRUCTIONS = ("instructions of an alloc", "instructions of a free", "lock hold")
#: Ops of each kind of which the search counts instructions: those that visit the most nodes.
STEPPED = 4
#: Goals that count what is wrong.
FAULTS = (
    "spurious refusal",
    "refused, held in caches",
    "not the highest fit",
    "above the limit",
    "below start_pfn",
    "endless",
    "broken contract",
)


@dataclass(frozen=True)
class Goal:
    """A niche: what is counted, and of which ops.

    ``mix`` tells how the requests up to the op differ: by nothing, by size, or by limit.
    """

    name: str
    limit: str = ""
    aligned: bool = False
    mix: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, [self.name, self.limit, "aligned" * self.aligned, self.mix]))

    @property
    def is_fault(self) -> bool:
        """Whether any value above 0 is a fault."""
        return self.name in FAULTS


@dataclass(frozen=True)
class Cost:
    """The worst op of a niche: nodes that it visited, and ranges that were live when it began."""

    nodes: int
    live: int

    @property
    def share(self) -> float:
        """Nodes per live range."""
        return round(self.nodes / max(self.live, FEWEST_LIVE), 6)


Scores = dict[Goal, float]


@cache
def loaded(variant: str) -> Variant:
    """The counted build, which is looked up once in a process."""
    return iova_variants.load(variant, build="counted")


@cache
def timeout_of(variant: str) -> float | None:
    """A user's file is replayed in a child: it may crash, or hang for so many seconds."""
    return None if variant in iova_variants.names() else HUNG_S


def limit_class(limit_pfn: int) -> str:
    """What the 32-bit special case and masks make of a limit."""
    if limit_pfn & (limit_pfn + 1):
        return "odd limit below 4 GiB" if limit_pfn < LIMIT_32BIT else "odd limit"
    if limit_pfn < LIMIT_32BIT:
        return "limit below 32 bits"
    return "32-bit limit" if limit_pfn == LIMIT_32BIT else "limit above 32 bits"


def replayed(
    variant: str, stream: OpStream, *, rcache: str, judge: bool = False, max_visits: int = 0
) -> CountedReplay:
    """Nodes and pfn of every op.  Raises as `iova_variants.replay`."""
    return iova_variants.replay(
        loaded(variant),
        stream,
        judge=judge,
        op_visits=True,
        pfns=True,
        timeout=timeout_of(variant),
        max_visits=max_visits,
        rcache=rcache,
    )


def score(variant: str, genome: Genome, nr_live: int, *, rcache: str = "off") -> Scores:
    """Values of all goals but `INSTRUCTIONS`; nothing for a stream that is empty."""
    stream = genome.history(nr_live).stream()
    return score_stream(variant, stream, rcache=rcache) if len(stream.ops) else {}


def score_stream(variant: str, stream: OpStream, *, rcache: str = "off") -> Scores:
    """The same for a stream, in its window; a stream that breaks the contract is a fault."""
    try:
        result = replayed(variant, stream, judge=True, rcache=rcache)
    except EndlessError:
        return {Goal("endless"): 1.0}
    except VariantError:
        return {Goal("broken contract"): 1.0}
    scores = {goal: cost.share for goal, cost in _costs(stream, result).items()}
    scores[Goal("bytes per range")] = result.bytes / max(result.nr_live, FEWEST_LIVE)
    limits = stream.ops["limit_pfn"][stream.ops["op"] == Op.ALLOC]
    if result.nr_live_pfns >= FEWEST_LIVE and len(np.unique(limits)) == 1:
        scores[Goal("pfns of span per pfn")] = result.span / result.nr_live_pfns
    return scores | _faults(stream, result, cached=rcache != "off")


def _faults(stream: OpStream, result: CountedReplay, *, cached: bool) -> Scores:
    """The share of the requests of the window with each fault."""
    ops, pfns = stream.ops[stream.nr_ageing :], result.pfns[stream.nr_ageing :]
    nr_allocs = max(int((ops["op"] == Op.ALLOC).sum()), 1)
    granted = (ops["op"] == Op.ALLOC) & (pfns != REFUSED)
    below = pfns[granted] < stream.start_pfn
    above = pfns[granted] + ops["size"][granted] - 1 > ops["limit_pfn"][granted]
    counts = {
        Goal("below start_pfn"): int(below.sum()),
        Goal("above the limit"): int(above.sum()),
        Goal("not the highest fit"): result.nr_not_highest,
    }
    if result.nr_spurious:
        named = _by_kind("spurious refusal", stream, result, cached)
        counts |= named or {Goal("spurious refusal"): result.nr_spurious}
    elif cached and result.nr_failures:
        counts |= _by_kind("refused, held in caches", stream, result, cached)
    return {goal: count / nr_allocs for goal, count in counts.items() if count}


def _by_kind(name: str, stream: OpStream, result: CountedReplay, cached: bool) -> dict[Goal, int]:
    """How many of the refused requests had room, by niche."""
    rows = refusals.with_room(stream, result.pfns, cached=cached)
    mixes = _mixes(stream.ops)
    return Counter(_goal(name, stream.ops[row], int(mixes[row])) for row in rows)


def instructions(variant: str, genome: Genome, nr_live: int) -> Scores:
    """Values of `INSTRUCTIONS`, of the `STEPPED` costliest ops of each kind.

    Raises `ToolError` where they can't be counted.
    """
    stream = genome.history(nr_live).stream()
    if not len(stream.ops):
        return {}
    result = iova_variants.replay(loaded(variant), stream, op_visits=True)
    counts = steps(variant, stream, costliest(stream, result.op_visits, STEPPED))
    kinds = stream.ops["op"]
    values = [counts.instructions[kinds == op] for op in (Op.ALLOC, Op.FREE)] + [counts.holds]
    return {
        Goal(name): float(value.max(initial=0))
        for name, value in zip(INSTRUCTIONS, values, strict=True)
    }


def costs(variant: str, genome: Genome, nr_live: int, *, rcache: str = "off") -> dict[Goal, Cost]:
    """The worst op of each niche, without the judge: larger streams take no longer than they must.

    Raises `TooLongError` for a stream that visits more than `MOST_VISITS` nodes.
    """
    stream = genome.history(nr_live).stream()
    return _costs(stream, replayed(variant, stream, max_visits=MOST_VISITS, rcache=rcache))


def confirmed(variant: str, genome: Genome, scores: Scores, *, rcache: str = "off") -> Scores:
    """The same values, of each cost the lesser share of `NR_LIVE` and `CONFIRMED_AT` live ranges.

    60 nodes are a large share of 100 ranges, and no pathological case if they are 60 at any size.
    """
    if not any(goal.name in COSTS for goal in scores):
        return scores
    try:
        larger = costs(variant, genome, CONFIRMED_AT, rcache=rcache)
    except VariantError:
        larger = {}
    nothing = Cost(0, FEWEST_LIVE)
    return {
        goal: min(value, larger.get(goal, nothing).share) if goal.name in COSTS else value
        for goal, value in scores.items()
    }


def _costs(stream: OpStream, result: CountedReplay) -> dict[Goal, Cost]:
    """The worst op of each kind."""
    pfns = result.pfns
    live = _live(stream.ops, pfns)[stream.nr_ageing :]
    mixes = _mixes(stream.ops)[stream.nr_ageing :]
    ops, pfns = stream.ops[stream.nr_ageing :], pfns[stream.nr_ageing :]
    visits = result.op_visits
    share = visits / np.maximum(live, FEWEST_LIVE)
    found: dict[Goal, Cost] = {}
    is_alloc = ops["op"] == Op.ALLOC
    kinds = _kinds(ops, mixes)
    for name, chosen in (
        ("grant", is_alloc & (pfns != REFUSED)),
        ("refusal", is_alloc & (pfns == REFUSED)),
        ("free", ops["op"] == Op.FREE),
    ):
        rows = np.flatnonzero(chosen)
        rows = rows[np.argsort(-share[rows], kind="stable")]  # a niche's first is its worst
        firsts = rows[:1] if name == "free" else rows[np.unique(kinds[rows], return_index=True)[1]]
        for row in firsts.tolist():
            goal = Goal(name) if name == "free" else _goal(name, ops[row], mixes[row])
            found[goal] = Cost(int(visits[row]), int(live[row]))
    if len(ops):
        mean = Cost(round(float(visits.mean())), round(float(live.mean())))
        found[Goal("mean op", mix=MIXES[mixes[-1]])] = mean
    return found


def _kinds(ops: npt.NDArray[np.void], mixes: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """A number for each op, equal for ops of one niche."""
    limits, places = np.unique(ops["limit_pfn"], return_inverse=True)
    names = [limit_class(limit) for limit in limits.tolist()]
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    classes = np.array([numbers[name] for name in names], np.intp)[places]
    aligned = (ops["flags"] & OpFlag.SIZE_ALIGNED.value != 0) & (ops["size"] > 1)
    kinds: npt.NDArray[np.intp] = (classes * 2 + aligned) * len(MIXES) + mixes
    return kinds


def _goal(name: str, op: np.void, mix: int) -> Goal:
    aligned = bool(op["flags"] & OpFlag.SIZE_ALIGNED.value) and int(op["size"]) > 1
    return Goal(name, limit_class(int(op["limit_pfn"])), aligned, MIXES[mix])


def _mixes(ops: npt.NDArray[np.void]) -> npt.NDArray[np.intp]:
    """For each op, how the requests up to it differ: an index of `MIXES`."""
    allocs = np.flatnonzero(ops["op"] == Op.ALLOC)
    if not len(allocs):
        return np.zeros(len(ops), np.intp)
    differs = [
        np.arange(len(ops)) >= next(iter(allocs[values != values[0]].tolist()), len(ops))
        for values in (ops["size"][allocs], ops["limit_pfn"][allocs])
    ]
    mixes: npt.NDArray[np.intp] = np.where(differs[1], 2, np.where(differs[0], 1, 0))
    return mixes


def _live(ops: npt.NDArray[np.void], pfns: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Live ranges before each op; a free of a slot that got nothing changes none."""
    kinds = ops["op"]
    fills = ((kinds == Op.RESERVE) | ((kinds == Op.ALLOC) & (pfns != REFUSED))).astype(np.int64)
    frees = ((kinds == Op.FREE) & (pfns != REFUSED)).astype(np.int64)
    changes = fills - frees
    live: npt.NDArray[np.int64] = np.cumsum(changes) - changes
    return live
