"""Does every variant keep the promises made in iova_variant.h?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import iova_variants
from iova_variants import Claim, Domain
from tests.support.lab import REAL, alloc, reserve, stream_of

pytestmark = pytest.mark.sanitize

SIZED = [name for name in REAL if Claim.FREE_NEEDS_SIZE in iova_variants.load(name).claims]
COMPLETE = [name for name in REAL if Claim.COMPLETE in iova_variants.load(name).claims]
LIMIT_32BIT = 2**20 - 1
LIMIT_64BIT = 2**52 - 1


@pytest.fixture(params=REAL)
def variant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def domain(variant: str) -> Iterator[Domain]:
    with Domain(variant) as domain:
        yield domain
        domain.verify()


@pytest.mark.parametrize("name", iova_variants.names())
def test_ops_table_says_what_the_variant_is(name: str) -> None:
    loaded = iova_variants.load(name)
    assert loaded.name == name
    assert loaded.summary.strip() == loaded.summary != ""
    assert "\n" not in loaded.summary
    assert loaded.kernel_release
    assert loaded.domain_size % 8 == 0
    assert 0 <= loaded.claims <= sum(Claim), "a flag without a name"


@pytest.mark.parametrize("name", iova_variants.names())
def test_exact_variants_keep_their_limits(name: str) -> None:
    """What is above the limit or below the start is no fit, so it is not the highest either."""
    claims = iova_variants.load(name).claims
    assert Claim.EXACT not in claims or not claims & (Claim.ABOVE_LIMIT | Claim.BELOW_START)


def test_alloc_is_top_down_from_an_empty_domain(domain: Domain) -> None:
    assert [domain.alloc(1, 100) for _ in range(4)] == [100, 99, 98, 97]


@pytest.mark.parametrize(
    "limit_pfn",
    [1, 2, 4095, LIMIT_32BIT - 1, LIMIT_32BIT, LIMIT_32BIT + 1, 2**36 - 1, LIMIT_64BIT],
)
def test_limit_is_inclusive(domain: Domain, limit_pfn: int) -> None:
    assert domain.alloc(1, limit_pfn) == limit_pfn
    assert domain.find(limit_pfn) == (limit_pfn, limit_pfn)


def test_limit_holds_for_the_highest_pfn_of_a_range(domain: Domain) -> None:
    assert domain.alloc(10, 100) == 91
    assert domain.find(100) == (91, 100)


@pytest.mark.parametrize(
    "size", [1, 2, 3, 4, 5, 7, 8, 9, 511, 512, 513, 2**16 + 1, 2**31, 2**32 - 1]
)
def test_size_aligned_goes_to_the_next_power_of_two(domain: Domain, size: int) -> None:
    align = 1 << (size - 1).bit_length()
    pfn = domain.alloc(size, LIMIT_64BIT - 1, size_aligned=True)
    assert pfn == (LIMIT_64BIT - size) // align * align


def test_unaligned_requests_leave_no_hole(domain: Domain) -> None:
    assert domain.alloc(3, 100) == 98
    assert domain.alloc(5, 100) == 93


@pytest.mark.parametrize("granule", [4096, 65536, 2**24])
@pytest.mark.parametrize("start_pfn", [0, 1, 37])
def test_every_pfn_from_start_to_limit_is_given_once(
    variant: str, granule: int, start_pfn: int
) -> None:
    with Domain(variant, granule=granule, start_pfn=start_pfn) as domain:
        pfns = [domain.alloc(1, start_pfn + 9) for _ in range(11)]
        assert pfns == [*range(start_pfn + 9, start_pfn - 1, -1), None]


@pytest.mark.parametrize("granule", [4096, 65536, 2**31])
def test_whole_32_bit_space_is_given_out(variant: str, granule: int) -> None:
    d32 = 2**32 // granule
    with Domain(variant, granule=granule, start_pfn=0) as domain:
        assert domain.alloc(d32 // 2, d32 - 1, size_aligned=True) == d32 // 2
        assert domain.alloc(d32 // 2, d32 - 1) == 0
        assert domain.alloc(1, d32 - 1) is None
        assert domain.alloc(1, d32) == d32


@pytest.mark.parametrize("granule", [4096, 65536, 2**31])
@pytest.mark.parametrize("nr_parts", [1, 2, 4])
@pytest.mark.parametrize("name", COMPLETE)
def test_complete_variants_fill_the_32_bit_space_exactly(
    name: str, granule: int, nr_parts: int
) -> None:
    """All of it at once, or in aligned parts that leave a hole of exactly the last one's size."""
    d32 = 2**32 // granule
    size = max(d32 // nr_parts, 1)
    with Domain(name, granule=granule, start_pfn=0) as domain:
        pfns = [domain.alloc(size, d32 - 1, size_aligned=True) for _ in range(d32 // size + 1)]
    assert pfns == [*range(d32 - size, -1, -size), None]


def test_request_above_the_space_is_refused(variant: str) -> None:
    with Domain(variant, start_pfn=1) as domain:
        assert domain.alloc(101, 99) is None
        assert domain.alloc(2**32 - 1, 99) is None
        assert domain.alloc(99, 99) == 1
        assert is_refused(domain, 100, 99)


def is_refused(domain: Domain, size: int, limit_pfn: int, aligned: bool = False) -> bool:
    """Is a request refused, or given what lies below start_pfn where that is declared?"""
    pfn = domain.alloc(size, limit_pfn, aligned)
    if pfn is None or Claim.BELOW_START not in domain.variant.claims:
        return pfn is None
    return pfn < domain.start_pfn


def test_aligned_request_that_does_not_fit_aligned_is_refused(variant: str) -> None:
    with Domain(variant, start_pfn=1) as domain:
        assert is_refused(domain, 64, 100, aligned=True)


def needs_books_of_ranges(domain: Domain) -> None:
    """What follows asks for single ranges, by an address alone."""
    if Claim.FREE_NEEDS_SIZE in domain.variant.claims:
        pytest.skip("declared: free() needs the size; see the tests of SIZED")


def test_free_takes_any_pfn_of_the_range(domain: Domain) -> None:
    needs_books_of_ranges(domain)
    for pfn in (91, 95, 100):
        assert domain.alloc(10, 100) == 91
        domain.free(pfn)
        assert domain.find(91) is None


def lowest_free(domain: Domain) -> int:
    """The lowest pfn in no live range of a domain that begins at 1."""
    return 1 if Claim.LOW_RANGE in domain.variant.claims else 0


def test_what_lies_below_the_start_is_a_range_where_that_is_declared(variant: str) -> None:
    low_range = (0, 4) if Claim.LOW_RANGE in iova_variants.load(variant).claims else None
    with Domain(variant, start_pfn=5) as domain:
        assert [domain.find(0), domain.find(4), domain.find(5)] == [low_range, low_range, None]
    with Domain(variant, start_pfn=0) as domain:
        assert domain.find(0) is None


def test_free_of_nothing_does_nothing(domain: Domain) -> None:
    assert domain.alloc(10, 100) == 91
    before = domain.dump()
    for pfn in (lowest_free(domain), 90, 101, LIMIT_64BIT):
        domain.free(pfn)
    assert np.array_equal(domain.dump(), before)


def test_find_tells_the_bounds_from_every_pfn_and_no_other(domain: Domain) -> None:
    domain.alloc(10, 100)
    domain.alloc(5, 80)
    assert {domain.find(pfn) for pfn in range(91, 101)} == {(91, 100)}
    assert {domain.find(pfn) for pfn in range(76, 81)} == {(76, 80)}
    outside = (lowest_free(domain), 75, *range(81, 91), 101, LIMIT_64BIT)
    assert not any(domain.find(pfn) for pfn in outside)


def test_freed_space_is_used_again(domain: Domain) -> None:
    pfn = domain.alloc(1, LIMIT_64BIT)
    assert pfn is not None
    domain.free(pfn)
    assert domain.alloc(1, LIMIT_64BIT) == pfn


def ranges(domain: Domain, high: int) -> list[tuple[int, int]]:
    low = lowest_free(domain)
    return sorted({found for pfn in range(low, high) if (found := domain.find(pfn))})


def test_reserve_of_free_space_is_a_range(domain: Domain) -> None:
    domain.reserve(10, 19)
    assert ranges(domain, 40) == [(10, 19)]
    assert [domain.alloc(1, 19) for _ in range(9)] == [*range(9, 0, -1)]
    assert is_refused(domain, 10, 20)


def test_reserve_inside_a_range_changes_nothing(domain: Domain) -> None:
    domain.reserve(10, 19)
    domain.reserve(12, 15)
    domain.reserve(10, 19)
    assert ranges(domain, 40) == [(10, 19)]


def test_reserve_lowers_what_it_overlaps_from_below(domain: Domain) -> None:
    domain.reserve(10, 19)
    domain.reserve(5, 12)
    assert ranges(domain, 40) == [(5, 19)]


def test_reserve_goes_on_above_what_it_overlaps(domain: Domain) -> None:
    needs_books_of_ranges(domain)
    domain.reserve(10, 19)
    domain.reserve(15, 25)
    merges = Claim.MERGES in domain.variant.claims
    assert ranges(domain, 40) == ([(10, 25)] if merges else [(10, 19), (20, 25)])


def test_reserve_across_several_ranges(domain: Domain) -> None:
    needs_books_of_ranges(domain)
    domain.reserve(10, 12)
    domain.reserve(20, 30)
    domain.reserve(5, 25)
    merges = Claim.MERGES in domain.variant.claims
    assert ranges(domain, 40) == ([(5, 30)] if merges else [(5, 12), (13, 30)])
    low = lowest_free(domain)
    domain.reserve(low, 39)
    assert ranges(domain, 40) == ([(low, 39)] if merges else [(low, 12), (13, 30), (31, 39)])


def test_reserved_ranges_are_freed_like_any_other(domain: Domain) -> None:
    needs_books_of_ranges(domain)
    domain.reserve(10, 12)
    domain.free(11)
    assert ranges(domain, 40) == []


@pytest.fixture(params=SIZED)
def sized(request: pytest.FixtureRequest) -> Iterator[Domain]:
    """A domain of a variant that is told the size of what is freed."""
    with Domain(request.param) as domain:
        yield domain
        domain.verify()


def test_there_is_a_variant_that_needs_the_size() -> None:
    assert SIZED


@pytest.mark.parametrize("name", iova_variants.names())
def test_who_needs_the_size_has_no_other_free(name: str) -> None:
    loaded = iova_variants.load(name)
    needs_size = Claim.FREE_NEEDS_SIZE in loaded.claims
    assert bool(loaded.ops.free_sized) == needs_size == (not loaded.ops.free)


def free_sized(domain: Domain, pfn: int, size: int) -> None:
    domain.variant.ops.free_sized(domain._open(), pfn, size)


def test_a_sized_free_of_what_is_free_does_nothing(sized: Domain) -> None:
    """Twice the same range; one that is free in part, from either side; one that never was."""
    assert [sized.alloc(10, 100) for _ in range(3)] == [91, 81, 71]
    free_sized(sized, 81, 10)
    before = sized.dump()
    for pfn, size in ((81, 10), (85, 1), (80, 2), (90, 2), (71, 30), (101, 5), (2**52 - 1, 1)):
        free_sized(sized, pfn, size)
        assert np.array_equal(sized.dump(), before)
    assert sized.alloc(10, 100) == 81


def test_a_sized_free_beyond_the_space_does_nothing(sized: Domain) -> None:
    assert sized.alloc(1, LIMIT_64BIT) == LIMIT_64BIT
    before = sized.dump()
    for pfn, size in ((0, 1), (LIMIT_64BIT, 2), (LIMIT_64BIT + 1, 1), (2**64 - 1, 2)):
        free_sized(sized, pfn, size)
        assert np.array_equal(sized.dump(), before)


def test_what_is_reserved_stays_and_takes_from_nobody(sized: Domain) -> None:
    """A range in the middle of what is reserved is still its owner's to free."""
    assert sized.alloc(10, 100) == 91
    sized.reserve(80, 110)
    sized.free(80)
    assert ranges(sized, 120) == [(80, 110)]
    sized.free(91)
    assert ranges(sized, 120) == [(80, 90), (101, 110)]
    assert [sized.alloc(10, 110), sized.alloc(1, 110)] == [91, 79]


def test_put_domain_gives_back_live_and_reserved_ranges(variant: str) -> None:
    """The replay fails if an object is left; it drains a domain that still holds these."""
    rows = [alloc(slot, 3, LIMIT_64BIT) for slot in range(200)]
    rows += [reserve(200 + slot, 10 * slot, 10 * slot + 4) for slot in range(50)]
    assert iova_variants.replay(variant, stream_of(rows)).nr_live == 250


def test_a_closed_domain_refuses_everything(variant: str) -> None:
    domain = Domain(variant)
    domain.alloc(1, 100)
    domain.close()
    domain.close()
    for call in (
        lambda: domain.alloc(1, 100),
        lambda: domain.free(100),
        lambda: domain.find(100),
        lambda: domain.reserve(1, 2),
        domain.verify,
        domain.dump,
    ):
        with pytest.raises(ValueError, match="this domain is closed"):
            call()


@pytest.mark.parametrize("granule", [-4096, 0, 1, 3, 4095, 4097, 2**32, 2**40])
def test_granule_must_be_a_power_of_two(granule: int) -> None:
    with pytest.raises(ValueError, match=f"granule {granule} is not a power of two"):
        Domain(REAL[0], granule=granule)


@pytest.mark.parametrize("start_pfn", [-1, 2**52])
def test_start_pfn_must_be_an_address(start_pfn: int) -> None:
    with pytest.raises(ValueError, match=f"start_pfn {start_pfn} is not within 0"):
        Domain(REAL[0], start_pfn=start_pfn)


@pytest.mark.parametrize(
    ("size", "limit_pfn", "message"),
    [
        (0, 100, "size 0 is not within"),
        (-1, 100, "size -1 is not within"),
        (2**52, 100, "size 4503599627370496 is not within"),
        (1, 9, "limit_pfn 9 lies below start_pfn 10"),
        (1, -1, "pfn -1 is not within"),
        (1, 2**52, "pfn 4503599627370496 is not within"),
    ],
)
def test_alloc_refuses_what_no_kernel_asks(
    variant: str, size: int, limit_pfn: int, message: str
) -> None:
    with Domain(variant, start_pfn=10) as domain, pytest.raises(ValueError, match=message):
        domain.alloc(size, limit_pfn)


def test_other_calls_refuse_pfns_that_are_none(domain: Domain) -> None:
    for pfn in (-1, 2**52):
        with pytest.raises(ValueError, match=f"pfn {pfn} is not within"):
            domain.free(pfn)
        with pytest.raises(ValueError, match=f"pfn {pfn} is not within"):
            domain.find(pfn)
        with pytest.raises(ValueError, match=f"pfn {pfn} is not within"):
            domain.reserve(pfn, pfn)
    with pytest.raises(ValueError, match="pfn_lo 2 lies above pfn_hi 1"):
        domain.reserve(2, 1)


def test_unknown_names_are_told_with_the_known_ones() -> None:
    with pytest.raises(LookupError, match=r"no variant named 'mapel'; there are: .*null"):
        Domain("mapel")
    with pytest.raises(LookupError, match=r"no such file: nowhere/mine\.c"):
        Domain("nowhere/mine.c")


CALLS = st.lists(
    st.tuples(st.sampled_from("aafr"), st.integers(1, 60), st.integers(1, 12)), max_size=25
)


def lead(domain: Domain, calls: list[tuple[str, int, int]]) -> None:
    for call, pfn, size in calls:
        if call == "a":
            domain.alloc(size, 63 if pfn < 40 else 2**38 - 1, size_aligned=pfn % 2 == 0)
        elif call == "f":
            domain.free(pfn)
        else:
            domain.reserve(pfn, pfn + size - 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
@given(calls=CALLS, future=CALLS)
def test_equal_histories_have_equal_dumps(
    name: str, calls: list[tuple[str, int, int]], future: list[tuple[str, int, int]]
) -> None:
    with Domain(name, granule=2**26) as one, Domain(name, granule=2**26) as other:
        lead(one, calls)
        lead(other, calls)
        assert np.array_equal(one.dump(), other.dump())
        lead(one, future)
        lead(other, future)
        assert np.array_equal(one.dump(), other.dump())


def test_dump_tells_histories_apart(variant: str) -> None:
    with Domain(variant) as one, Domain(variant) as other:
        one.alloc(2, 100)
        other.alloc(1, 100)
        other.alloc(1, 100)
        assert not np.array_equal(one.dump(), other.dump())


def test_dump_tells_a_cached_node_at_pfn_0_from_none() -> None:
    """Equal ranges, and a cached node at [0, 0] in one domain only."""
    with Domain("cached32", 2**31, start_pfn=0) as one, Domain("cached32", 2**31, 0) as other:
        assert [one.alloc(1, 1), one.alloc(1, 1)] == [1, 0]
        other.reserve(1, 1)
        other.reserve(0, 0)
        assert one.find(0) == other.find(0) == (0, 0)
        assert not np.array_equal(one.dump(), other.dump())


def test_dump_writes_no_further_than_there_is_room(domain: Domain) -> None:
    for _ in range(5):
        domain.alloc(1, 100)
    words = np.full(8, 77, np.uint64)
    nr_words = domain.variant.ops.dump(domain._open(), words.ctypes.data, 4)
    assert nr_words == len(domain.dump()) > 4
    assert (words[4:] == 77).all()
    assert (words[:4] == domain.dump()[:4]).all()
