"""Does an op do the same in the replay, in the threads and in the kernel module?

The booted kernel's answers are held against the replay's in test_kernel.py.
"""

from __future__ import annotations

import re

import pytest

import iova_variants
from iova_variants import Claim
from iova_variants.building import HARNESS_DIR
from tests.support.lab import REAL, alloc, find, free, random_stream, reserve, stream_of

#: Besides replay_step.h: the rcache, which stands in front of the variant; the soft lockup; and
#: real I/O, which has no stream.
CALLERS = {"replay_step.h", "magazine.h", "lockup.c", "unit.c", "whole.c"}


def test_hooks_are_called_in_one_place() -> None:
    call = re.compile(r"variant(?:->|\.)(?:free|free_sized|reserve|place)\(")
    sources = sorted(HARNESS_DIR.rglob("*.[ch]"))
    callers = {path.name for path in sources if call.search(path.read_text(encoding="utf-8"))}
    assert callers == CALLERS


@pytest.mark.parametrize("variant", REAL)
@pytest.mark.parametrize("rcache", iova_variants.RCACHES)
def test_a_slot_that_was_reserved_and_freed_is_owned_again(variant: str, rcache: str) -> None:
    """What a slot holds at the end is decided by the last op on it, not by any before."""
    rows = [reserve(0, 100, 109), free(0), alloc(0, 1, 99), alloc(1, 1, 99), find(0)]
    stream = stream_of(rows, nr_ageing=2)
    together = iova_variants.replay_threads(variant, stream, threads=2, rcache=rcache)
    alone = iova_variants.replay(variant, stream, rcache=rcache)
    assert together.nr_live == alone.nr_live == 2


@pytest.mark.parametrize("variant", REAL)
def test_one_thread_answers_as_the_replay(variant: str) -> None:
    """Frees, reserved ranges and look-ups among the ops, and slots that are used again."""
    if Claim.ENDLESS in iova_variants.load(variant).claims:
        pytest.skip("only a build that counts visits ends a request that never returns")
    for seed in range(3):
        stream = random_stream(seed, 400)
        alone = iova_variants.replay(variant, stream, pfns=True)
        together = iova_variants.replay_threads(
            variant, stream, threads=1, in_turn=True, per_op=True
        )
        assert (together.pfns == alone.pfns[stream.nr_ageing :]).all()
