"""The promises that a variant can break, and the requests among which a breach is searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from iova_lab.checking.counterexamples import MOVE, Example, judged, outcome_of, outcomes
from iova_variants import REFUSED, EndlessError
from iova_variants.making import (
    DMA_32BIT_PFN,
    LIMIT_24BIT,
    LIMIT_32BIT,
    LIMIT_40BIT,
    LIMIT_48BIT,
)
from iova_variants.opstream import Op

#: Gaps that a request with a limit of its own may look at although all lie above its limit.
FEW_GAPS = 8


def _refused_after_free(example: Example) -> bool:
    """Is the last op refused the range that the op before it freed, and the one before needed?"""
    if len(example.steps) < 3 or not judged(example).nr_spurious:
        return False
    rightly, freed, last = example.steps[-3:]
    if (rightly.op, freed.op, last.op) != (Op.ALLOC, Op.FREE, Op.ALLOC):
        return False
    before, _, after = outcomes(example)[-3:]
    refused = before.pfn is None and not before.spurious
    return refused and bool(after.spurious) and after.visits == 0


def _below_start(example: Example) -> bool:
    pfns = judged(example).pfns
    allocs = np.array([step.op == Op.ALLOC for step in example.steps])
    return bool((pfns[allocs] < example.start_pfn).any())


def _endless(example: Example) -> bool:
    judged(example)
    return False  # or EndlessError; see `breaks`


def _answers_differ(example: Example) -> bool:
    here, there = (judged(one).pfns for one in (example, example.moved()))
    moved = np.where(here == REFUSED, here, here + np.uint64(MOVE))
    return not np.array_equal(moved, there)


def _costs_differ(example: Example) -> bool:
    here, there = (judged(one).op_visits for one in (example, example.moved()))
    return not np.array_equal(here, there)


def _looks_above_limit(example: Example) -> bool:
    """Does the last request look at many gaps, all of which lie above its limit?"""
    *earlier, last = example.steps
    if last.op != Op.ALLOC or any(
        step.limit_pfn - step.size + 1 <= last.limit_pfn for step in earlier
    ):
        return False
    return outcome_of(example, len(earlier)).searched > FEW_GAPS


@dataclass(frozen=True)
class Pool:
    """The requests among which a breach is looked for, the plainest of each kind first.

    ``starts`` are the start_pfns of the domain, ``aligned`` the values of size_aligned,
    ``reserves`` the highest pfns of ranges that may be reserved.  ``freed`` says which of the
    filled slots a free may empty, the oldest being 0.  ``fails_memory`` lets a request for memory
    fail.  ``fills_first``: nothing but reserved ranges, then one request.  ``most_steps`` is 12 at
    most.
    """

    limits: tuple[int, ...] = (LIMIT_32BIT,)
    sizes: tuple[int, ...] = (1, 2)
    aligned: tuple[bool, ...] = (True,)
    starts: tuple[int, ...] = (1,)
    reserves: tuple[int, ...] = ()
    freed: tuple[int, ...] = (0, -1, 1)
    fails_memory: bool = False
    fills_first: bool = False
    most_steps: int = 6


@dataclass(frozen=True)
class Question:
    """A promise, what a breach of it is, and where one is looked for: pool after pool."""

    key: str
    column: str
    promise: str
    breach: Callable[[Example], bool]
    pools: tuple[Pool, ...]


ANY = (False, True)
UNALIGNED = (False,)
TWO_MASKS = (LIMIT_32BIT, LIMIT_24BIT)
THREE_MASKS = (*TWO_MASKS, LIMIT_48BIT)
SEVERAL_MASKS = (
    Pool(limits=TWO_MASKS, aligned=UNALIGNED),
    Pool(limits=THREE_MASKS, aligned=ANY),
)
#: A domain of two pages below 4 GiB, and one of four: soon full.
TWO_PAGES, FOUR_PAGES = DMA_32BIT_PFN - 2, DMA_32BIT_PFN - 4
HALF = DMA_32BIT_PFN // 2
AROUND_4_GIB = Pool(
    limits=(LIMIT_32BIT, LIMIT_24BIT, 2 * DMA_32BIT_PFN - 1),
    sizes=(1, 2, DMA_32BIT_PFN),
    starts=(1, 0),
)
MASKS_BELOW_4_GIB = Pool(limits=TWO_MASKS, sizes=(1, LIMIT_24BIT + 1), aligned=UNALIGNED)


def _needless(example: Example) -> bool:
    return bool(judged(example).nr_spurious)


def _exact(key: str, requests: str, pools: tuple[Pool, ...]) -> Question:
    return Question(
        key,
        "exact top-down",
        f"{requests}: every answer is the highest fit",
        lambda example: bool(judged(example).nr_not_highest),
        pools,
    )


QUESTIONS = {
    question.key: question
    for question in (
        Question(
            "limit",
            "respects the limit",
            "no answer lies above its request's limit",
            lambda example: bool(judged(example).nr_above_limit),
            SEVERAL_MASKS,
        ),
        Question(
            "start",
            "respects start_pfn",
            "no answer lies below start_pfn, even if pfns further down are reserved, or freed",
            _below_start,
            (
                Pool(limits=(2,), sizes=(1, 2, 3), aligned=UNALIGNED),
                Pool(
                    limits=(14, 20),
                    sizes=(1, 2, 3, 4, 5),
                    aligned=UNALIGNED,
                    starts=(10,),
                    reserves=tuple(range(5, 12)),
                    freed=(),
                ),
                Pool(
                    limits=(14,),
                    sizes=(1, 6),
                    aligned=UNALIGNED,
                    starts=(10,),
                    reserves=(5,),
                    freed=(0,),
                ),
            ),
        ),
        Question(
            "returns",
            "every request returns",
            "no request searches forever with the lock held",
            _endless,
            (Pool(limits=(0, 3), sizes=(1, 2), aligned=UNALIGNED, starts=(0,)), Pool()),
        ),
        Question(
            "complete",
            "complete",
            "one mask, all requests aligned, as drivers' are: none is refused while a fit exists",
            _needless,
            (
                Pool(sizes=(1, HALF), starts=(0,)),
                Pool(sizes=(1,), starts=(TWO_PAGES,), freed=(0,), most_steps=8),
                Pool(starts=(FOUR_PAGES,)),
            ),
        ),
        Question(
            "complete-masks",
            "complete",
            "two masks, nothing aligned: no request is refused while a fit exists",
            _needless,
            (
                Pool(limits=TWO_MASKS, aligned=UNALIGNED, starts=(LIMIT_24BIT,)),
                Pool(sizes=(1, LIMIT_24BIT), limits=TWO_MASKS, aligned=UNALIGNED),
            ),
        ),
        Question(
            "complete-alignment",
            "complete",
            "one mask, some requests aligned: none is refused while a fit exists",
            _needless,
            (Pool(sizes=(1, 2, 3), aligned=ANY, starts=(FOUR_PAGES, FOUR_PAGES + 1)),),
        ),
        Question(
            "lost-reset",
            "complete",
            "one mask, all aligned: a refused request succeeds after a free that makes room for it",
            _refused_after_free,
            (Pool(sizes=(1,), starts=(TWO_PAGES,), freed=(0,), most_steps=8),),
        ),
        _exact("exact", "one mask, all requests aligned", (Pool(sizes=(2,)), Pool())),
        _exact("exact-masks", "three masks, some requests aligned", SEVERAL_MASKS),
        Question(
            "memory",
            "frees without memory",
            "a free returns its range even if no memory is available",
            lambda example: bool(judged(example).nr_leaked),
            (Pool(sizes=(1,), fails_memory=True),),
        ),
        Question(
            "moved",
            "no 32-bit special case",
            "the same requests get the same answers below 4 GiB and 4 GiB higher",
            _answers_differ,
            (AROUND_4_GIB, MASKS_BELOW_4_GIB),
        ),
        Question(
            "moved-cost",
            "no 32-bit special case",
            "the same requests visit as many nodes below 4 GiB and 4 GiB higher",
            _costs_differ,
            (AROUND_4_GIB,),
        ),
        Question(
            "any-mask",
            "any mask",
            f"no request visits more than {FEW_GAPS} gaps if all live ranges lie above its limit",
            _looks_above_limit,
            (
                Pool(
                    limits=(LIMIT_40BIT,),
                    sizes=(1,),
                    aligned=UNALIGNED,
                    reserves=tuple(range(LIMIT_40BIT + 2, LIMIT_40BIT + 26, 2)),
                    freed=(),
                    fills_first=True,
                    most_steps=12,
                ),
            ),
        ),
    )
}


def breaks(example: Example) -> bool:
    """Does this stream break the promise that it is an example of?

    A request that never returns ends a stream, and breaks that one promise only.
    """
    try:
        return QUESTIONS[example.question].breach(example)
    except EndlessError:
        return example.question == "returns"
