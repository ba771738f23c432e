"""Does `alignable` answer as Peng Zhang's v3 did, down to what v3 refuses?

Its description is in lineage_gaps.py and held against it by test_model.py; here are the single
properties that make it v3, each by a stream that any other choice would answer differently.
"""

from __future__ import annotations

import iova_variants
from iova_lab.checking import against_model
from iova_lab.traces.history import History, Step
from iova_variants import Domain
from iova_variants.opstream import Op

LIMIT_24BIT, LIMIT_32BIT, LIMIT_48BIT = 2**12 - 1, 2**20 - 1, 2**36 - 1
WALK_BOUND = 32


def alignable(start_pfn: int = 1, granule: int = 4096) -> Domain:
    """A new domain."""
    return Domain("alignable", granule, start_pfn)


def test_an_unaligned_request_is_refused_though_a_gap_fits() -> None:
    """Three pfns are free, from 5 to 7; aligned, two fit there."""
    with alignable() as domain:
        assert domain.alloc(1, LIMIT_32BIT) == LIMIT_32BIT
        domain.reserve(1, 4)
        domain.reserve(8, LIMIT_32BIT - 1)
        assert domain.alloc(3, LIMIT_32BIT) is None
        domain.free(LIMIT_32BIT)  # or max32 refuses what follows
        assert domain.alloc(1, LIMIT_32BIT) == LIMIT_32BIT
        assert domain.alloc(2, LIMIT_32BIT) == 6


def test_one_gap_is_looked_at_below_the_cached_node() -> None:
    """0x3fb is two gaps below the cached node; the search begins at the limit and finds 0x3ffff."""
    with alignable(granule=16384) as domain:
        limits = (0x3FF, 0x3FFFF, 0x3FF, 0x3FF)
        assert [domain.alloc(1, limit) for limit in limits] == [0x3FF, 0x3FE, 0x3FD, 0x3FC]
        domain.free(0x3FD)
        assert [domain.alloc(1, 0x3FFFF) for _ in range(2)] == [0x3FD, 0x3FFFF]


def test_the_whole_32_bit_space_is_never_given_out() -> None:
    """max32 begins as the size of the 32-bit space, and refuses requests of its own size."""
    with alignable(start_pfn=0) as domain:
        assert domain.alloc(LIMIT_32BIT + 1, LIMIT_32BIT) is None
        assert domain.alloc(LIMIT_32BIT + 1, LIMIT_48BIT) is not None


def test_the_measure_is_exact_for_sizes_that_are_no_power_of_two() -> None:
    """16 to 28 are free: 13 fit, aligned to 16, and 14 do not."""
    with alignable() as domain:
        domain.reserve(1, 15)
        domain.reserve(29, LIMIT_32BIT)
        assert domain.alloc(14, LIMIT_32BIT, size_aligned=True) is None
    with alignable() as domain:
        domain.reserve(1, 15)
        domain.reserve(29, LIMIT_32BIT)
        assert domain.alloc(13, LIMIT_32BIT, size_aligned=True) == 16


def test_a_24_bit_failure_is_not_recorded() -> None:
    with alignable() as domain:
        domain.reserve(1, LIMIT_24BIT)
        assert domain.alloc(2, LIMIT_24BIT) is None
        assert domain.alloc(2, LIMIT_32BIT) == LIMIT_32BIT - 1


def recorded(limit_pfn: int) -> bool:
    """Is an unaligned 3 refused that fits into the gap below the cached node, the anchor?

    Before it an aligned 3 failed below the limit.  Of the 32-bit space 3 pfns are free.
    """
    with alignable(start_pfn=0xFFFFD) as domain:
        assert domain.alloc(3, limit_pfn, size_aligned=True) is None
        return domain.alloc(3, LIMIT_32BIT) is None


def test_the_record_begins_at_a_limit_of_exactly_4_gib() -> None:
    assert [recorded(limit) for limit in (LIMIT_32BIT - 1, LIMIT_32BIT, LIMIT_32BIT + 1)] == [
        False,
        True,
        True,
    ]


def from_the_top(nr_above: int) -> int | None:
    """What an unaligned 3 gets from a gap of 3 that measures 2, below ``nr_above`` single holes."""
    top = LIMIT_48BIT
    with alignable() as domain:
        for index in range(nr_above):
            domain.reserve(top - 2 * index, top - 2 * index)
        gap_end = top - 2 * nr_above - (top - 2 * nr_above) % 4  # multiple of 4, exclusive
        domain.reserve(gap_end, top - 2 * nr_above)
        domain.reserve(1, gap_end - 4)
        assert domain.alloc(1, 2**21 - 1) is None  # nothing is free below
        return domain.alloc(3, LIMIT_48BIT)


def test_as_many_gaps_from_the_top_as_stated_are_looked_at_whatever_they_measure() -> None:
    """The anchor's own gap is the first, so that what 30 ranges hide is the 32nd."""
    assert from_the_top(WALK_BOUND - 2) is not None
    assert from_the_top(WALK_BOUND - 1) is None


def test_the_record_is_lifted_by_any_free_below_4_gib_and_no_other() -> None:
    """An unaligned 3 fits throughout, and the free that helps moves no cached node."""
    with alignable(start_pfn=0xFFFFC) as domain:
        domain.reserve(0xFFFFC, 0xFFFFC)
        assert domain.alloc(3, LIMIT_32BIT, size_aligned=True) is None
        assert domain.alloc(3, LIMIT_32BIT) is None
        assert domain.alloc(1, LIMIT_48BIT) == LIMIT_48BIT
        domain.free(LIMIT_48BIT)
        assert domain.alloc(3, LIMIT_32BIT) is None
        domain.free(0xFFFFC)
        assert domain.alloc(3, LIMIT_32BIT) == 0xFFFFD


def test_what_keeps_allocations_above_start_pfn_can_be_freed() -> None:
    """The declared breach: [0, start_pfn - 1] is a range like any other."""
    with alignable(start_pfn=10) as domain:
        assert domain.find(9) == (0, 9)
        assert domain.alloc(5, 14) == 10
        assert domain.alloc(1, 14) is None
        domain.free(0)
        assert domain.alloc(1, 14) == 9


def test_reserve_goes_on_above_what_lies_below_start_pfn() -> None:
    with alignable(start_pfn=10) as domain:
        domain.reserve(4, 12)
        assert [domain.find(pfn) for pfn in (4, 9, 10, 12, 13)] == [
            *[(0, 9)] * 2,
            *[(10, 12)] * 2,
            None,
        ]


def test_try_holds_a_copy_to_what_it_declares() -> None:
    """The model of `try` begins with the range below start_pfn, where find() is called as well."""
    history = History((Step(Op.ALLOC, 0, 2, LIMIT_24BIT),), start_pfn=10)
    verdict = against_model.run(iova_variants.load("alignable", build="counted"), history)
    assert not verdict, verdict
