"""What is the shortest history on which a variant breaks?

Hypothesis draws histories as runs of equal requests (``alloc 200 times, free every other``), so
that one with hundreds of live ranges is a few numbers, and makes the numbers of one that breaks as
small as they get.  The search has no randomness of its own.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from hypothesis import HealthCheck, Phase, find, settings
from hypothesis import strategies as st
from hypothesis.errors import Flaky, NoSuchExample

from iova_lab.checking.standalone import Verdict
from iova_lab.traces.history import History, Step
from iova_variants.making import (
    DMA_32BIT_PFN,
    LIMIT_24BIT,
    LIMIT_32BIT,
    LIMIT_40BIT,
    LIMIT_48BIT,
    LIMIT_64BIT,
)
from iova_variants.opstream import Op

#: Most runs in a history, most requests in a run, how many histories: short ones first.
DEPTHS = ((6, 20, 60), (12, 200, 200))
#: Histories that are tried in one process.
MOST_AT_ONCE = 12

#: The plainest of each first: that is what a history shrinks to.
_STARTS = (1, 0, DMA_32BIT_PFN - 4, DMA_32BIT_PFN - 40, DMA_32BIT_PFN - 600, LIMIT_24BIT - 20)
_LIMITS = (
    *(LIMIT_32BIT, LIMIT_48BIT, LIMIT_24BIT, LIMIT_40BIT, LIMIT_64BIT),
    *(DMA_32BIT_PFN, DMA_32BIT_PFN + 3, LIMIT_32BIT - 1, 2 * DMA_32BIT_PFN - 1),
)
#: Shifts; pfns above are of 4 KiB, and move with the granule: 32 bits of address are 32 bits.
_GRANULES = (12, 14, 16, 13, 21)
_SIZES = (1, 2, 3, 4, 5, 8, 64, 513, 1 << 18, 1 << 19)
_RESERVED_SIZES = (1, 2, 5, 20)
#: Of the filled slots in the order in which they were filled: the oldest, the newest, every other.
_WHICH = ((0, 1), (-1, -1), (0, 2), (1, 2), (1, 3), (2, 7))


class _OutOfTime(BaseException):
    """Past everything that Hypothesis catches: the best so far will do."""


class Run(NamedTuple):
    """``times`` requests of one kind; ``which`` picks the slots of a free or a find."""

    op: Op
    times: int
    size: int = 0
    limit_pfn: int = 0
    aligned: bool = False
    which: tuple[int, int] = (0, 1)


def _runs(most: int) -> st.SearchStrategy[Run]:
    counts = st.integers(1, most)
    allocs = st.builds(
        Run,
        st.just(Op.ALLOC),
        counts,
        st.sampled_from(_SIZES),
        st.sampled_from(_LIMITS),
        st.booleans(),
    )
    named = st.builds(
        lambda op, count, which: Run(op, count, which=which),
        st.sampled_from([Op.FREE, Op.FREE, Op.FIND]),
        counts,
        st.sampled_from(_WHICH),
    )
    near = st.sampled_from([LIMIT_32BIT, DMA_32BIT_PFN + 10, LIMIT_24BIT, LIMIT_48BIT])
    reserves = st.builds(
        lambda size, edge, below: Run(Op.RESERVE, 1, size, edge - below),
        st.sampled_from(_RESERVED_SIZES),
        near,
        st.integers(0, 40),
    )
    return st.one_of(allocs, named, allocs, named, reserves)


def steps_of(runs: Sequence[Run], start_pfn: int, first_slot: int = 0) -> tuple[Step, ...]:
    """Number the slots; what no kernel would ask is left out."""
    steps: list[Step] = []
    filled: list[int] = []
    slots = itertools.count(first_slot)
    for run in runs:
        if run.op in (Op.FREE, Op.FIND):
            first, stride = run.which
            for slot in filled[first::stride][: run.times]:
                steps.append(Step(run.op, slot))
                if run.op == Op.FREE:
                    filled.remove(slot)
        elif run.limit_pfn >= start_pfn and not _begins_below_0(run):
            for _ in range(run.times):
                filled.append(next(slots))
                steps.append(Step(run.op, filled[-1], run.size, run.limit_pfn, run.aligned))
    return tuple(steps)


def _begins_below_0(run: Run) -> bool:
    """A range of 20 that ends at the 24-bit edge, where a granule leaves eight pfns below it."""
    return run.op == Op.RESERVE and run.size > run.limit_pfn + 1


def _scaled(pfn: int, shift: int) -> int:
    """The pfn of the same address under another granule; a distance to 4 GiB stays one."""
    for bits in (24, 32, 33, 40, 48, 64):
        edge = 1 << (bits - 12)
        if abs(pfn - edge) <= 1024 and pfn > 2048:
            return max((1 << (bits - shift)) + pfn - edge, 1)
    return pfn


@st.composite
def histories(draw: st.DrawFn, most_runs: int, most: int, *, fails_memory: bool) -> History:
    """Short histories of runs, up to a dozen at once: starting a process is what takes time.

    Each is a domain of its own; they come one after the other, or in turn.
    """
    one = st.lists(_runs(most), min_size=1, max_size=most_runs)
    parts = draw(st.lists(one, min_size=1, max_size=1 if fails_memory else MOST_AT_ONCE))
    start_pfn = draw(st.sampled_from(_STARTS))
    fail_alloc_at = draw(st.integers(1, 2 * most_runs)) if fails_memory else 0
    shift, in_turn = draw(st.sampled_from(_GRANULES)), draw(st.booleans())
    start_pfn = _scaled(start_pfn, shift)
    domains: list[list[tuple[int, Step]]] = []
    nr_slots = 0
    for runs in parts:
        moved = [run._replace(limit_pfn=_scaled(run.limit_pfn, shift)) for run in runs]
        if steps := steps_of(moved, start_pfn, nr_slots):
            domains.append([(len(domains), step) for step in steps])
            nr_slots = max(step.slot for step in steps) + 1
    placed = list(itertools.chain.from_iterable(domains))
    if in_turn:
        placed = [at for turn in itertools.zip_longest(*domains) for at in turn if at]
    doms = tuple(dom for dom, _ in placed) if len(domains) > 1 else ()
    steps = tuple(step for _, step in placed)
    return History(steps, start_pfn, 1 << shift, fail_alloc_at, doms)


@dataclass
class Searched:
    """What was tried, and the smallest history that breaks, with what it says."""

    nr_histories: int = 0
    nr_ops: int = 0
    cut_short: bool = False
    found: tuple[History, Verdict] | None = None


def search(
    judged: Callable[[History], Verdict],
    *,
    fails_memory: bool = False,
    search_s: float = 15.0,
    shrink_s: float = 15.0,
    on_progress: Callable[[], None] = lambda: None,
) -> Searched:
    """Look for a history that ``judged`` finds something wrong with, and shrink it.

    After ``search_s`` seconds nothing more is tried, after ``shrink_s`` more what is smallest so
    far is taken.  While it shrinks, only the mistake that was found first counts.
    """
    searched = Searched()
    deadline = time.monotonic() + search_s

    def breaks(history: History) -> bool:
        nonlocal deadline
        if time.monotonic() > deadline:
            searched.cut_short = True
            raise _OutOfTime
        if not history.steps:
            return False
        verdict = judged(history)
        if searched.found is None:
            searched.nr_histories += history.nr_domains
            searched.nr_ops += len(history.steps)
            on_progress()
            if verdict:
                deadline = time.monotonic() + shrink_s
        elif verdict.kind != searched.found[1].kind:
            return False
        if verdict:
            searched.found = (history, verdict)
        return bool(verdict)

    # A variant that breaks now and then is flaky to Hypothesis; here the last time it broke counts.
    with suppress(_OutOfTime, Flaky):
        for most_runs, most, nr_tried in DEPTHS:
            with suppress(NoSuchExample):
                find(
                    histories(most_runs, most, fails_memory=fails_memory),
                    breaks,
                    settings=calm(nr_tried),
                    random=Random(0),
                )
                break
    if searched.found:
        history, verdict = _alone(*searched.found, judged)
        # Nothing after the op that broke has to do with it.
        searched.found = history.until(verdict.op + 1), verdict
    return searched


def calm(nr_tried: int) -> settings:
    """Of a search without randomness of its own, and without a limit of time for one example."""
    return settings(
        max_examples=nr_tried,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


def _alone(
    history: History, verdict: Verdict, judged: Callable[[History], Verdict]
) -> tuple[History, Verdict]:
    """Only its own domain, if that is enough: a search that ran out of time did not try."""
    if history.nr_domains > 1 and verdict.op < len(history.steps):
        alone = history.only(history.doms[verdict.op])
        found = judged(alone)
        if found.kind == verdict.kind:
            return alone, found
    return history, verdict
