"""Can Hypothesis find a stream that breaks a promise, and how small does it get?

``python -m iova_lab.checking.example_search`` looks for one of every variant and question and
writes examples.json anew; it needs the packages of the ``test`` extra.  The search has no
randomness of its own, so with the same version of Hypothesis the same examples come out.
"""

from __future__ import annotations

import itertools
from argparse import ArgumentParser, RawTextHelpFormatter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random

from hypothesis import find
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import iova_variants
from iova_lab import workloads
from iova_lab.checking.counterexamples import Example, store
from iova_lab.checking.questions import QUESTIONS, Pool, breaks
from iova_lab.checking.search import calm
from iova_lab.traces.history import Step
from iova_variants.opstream import Op

#: Most requests of a stream, and how many streams are tried for one pool: short ones first.
DEPTHS = {3: 150, 6: 300, 8: 400, 12: 100}


def _requests(pool: Pool) -> list[Step]:
    """All requests of a pool, the plainest first; for a free, ``slot`` says which."""
    asked = itertools.product(pool.aligned, pool.limits, pool.sizes)
    allocs = [Step(Op.ALLOC, 0, size, limit, aligned) for aligned, limit, size in asked]
    placed = itertools.product(pool.reserves, pool.sizes)
    reserves = [Step(Op.RESERVE, 0, size, pfn) for pfn, size in placed]
    return [*allocs, *reserves, *(Step(Op.FREE, which) for which in pool.freed)]


def _number(drawn: list[Step]) -> tuple[Step, ...]:
    """Give slots to the ranges, and to each free one that is filled; a free without one goes."""
    steps: list[Step] = []
    filled: list[int] = []
    slots = itertools.count()
    for step in drawn:
        if step.op != Op.FREE:
            filled.append(next(slots))
            steps.append(step._replace(slot=filled[-1]))
        elif -len(filled) <= step.slot < len(filled):
            steps.append(step._replace(slot=filled.pop(step.slot)))
    return tuple(steps)


@st.composite
def streams(draw: st.DrawFn, variant: str, question: str, pool: Pool, max_steps: int) -> Example:
    """A short stream of the requests in ``pool``."""
    start_pfn = draw(st.sampled_from(pool.starts))
    if pool.fills_first:
        at = draw(st.lists(st.sampled_from(pool.reserves), unique=True, max_size=max_steps - 1))
        drawn = [Step(Op.RESERVE, 0, 1, pfn) for pfn in at] + _requests(pool)[:1]
    else:
        drawn = draw(st.lists(st.sampled_from(_requests(pool)), min_size=1, max_size=max_steps))
    fail_alloc_at = draw(st.integers(1, 2 * max_steps)) if pool.fails_memory else 0
    return Example(variant, question, start_pfn, _number(drawn), fail_alloc_at)


def _is_breach(example: Example) -> bool:
    return bool(example.steps) and breaks(example)


def search(variant: str, question: str, depths: dict[int, int] = DEPTHS) -> Example | None:
    """Return the smallest breach that Hypothesis finds, or None if it finds none."""
    for max_steps, nr_tried in depths.items():
        for pool in QUESTIONS[question].pools:
            if max_steps > pool.most_steps:
                continue
            among = streams(variant, question, pool, max_steps)
            with suppress(NoSuchExample):
                return find(among, _is_breach, settings=calm(nr_tried), random=Random(0))
    return None


def grows(variant: str) -> bool:
    """Does a request under a mask of 40 bits cost more the more lies above its limit?"""
    few, many = (
        iova_variants.replay(variant, workloads.generate("high_limit", nr), build="counted").nodes
        for nr in (1_000, 10_000)
    )
    return many > 2 * few


def is_pointless(variant: str, question: str, found: list[Example]) -> bool:
    """Is the answer known: flat in the large, or already different in more than cost?"""
    if question == "any-mask":
        return not grows(variant)
    return question == "moved-cost" and f"{variant}-moved" in {one.name for one in found}


def search_all(on_progress: Callable[[str], object]) -> list[Example]:
    """Look for a breach of every promise by every variant but the fakes."""
    found: list[Example] = []
    for variant in iova_variants.names(fake=False):
        for question in QUESTIONS:
            if is_pointless(variant, question, found):
                continue
            if example := search(variant, question):
                found.append(example)
                on_progress(f"{example.name}: {len(example.steps)} ops")
    return found


if __name__ == "__main__":
    ArgumentParser(description=__doc__, formatter_class=RawTextHelpFormatter).parse_args()
    store(search_all(partial(print, flush=True)))
