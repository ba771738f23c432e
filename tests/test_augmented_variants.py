"""Do variants claim all that they could, and do the augmented ones visit what they should?

Mostly about the two whose nodes know the gaps of their subtree: what that costs, what it buys, and
where it fails.  That they answer as described is in test_model.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

import iova_variants
from iova_lab import workloads
from iova_variants import Claim
from iova_variants.opstream import OpFlag, OpStream
from tests.support.lab import (
    LINEAGE,
    Row,
    alloc,
    free,
    random_stream,
    reserve,
    source_with,
    stream_of,
)

AUGMENTED = ["alignable", "augmented"]
LIMIT_48BIT = 2**36 - 1

Make = Callable[[int], OpStream]


#: Seeds of streams in which a request of retry never returns (CVE-2023-52910).
NEVER_RETURNS = {("retry", 4)}


@pytest.mark.parametrize("variant", LINEAGE)
def test_what_is_not_claimed_does_not_hold(variant: str) -> None:
    """Of complete and exact, each variant claims all that the judge can't refute."""
    claims = iova_variants.load(variant).claims
    results = []
    for seed in range(8):
        with (
            pytest.raises(iova_variants.EndlessError)
            if (variant, seed) in NEVER_RETURNS
            else nullcontext()
        ):
            results.append(iova_variants.replay(variant, random_stream(seed, 1500), judge=True))
    assert results
    assert (Claim.COMPLETE not in claims) == any(result.nr_spurious for result in results)
    assert (Claim.EXACT not in claims) == any(result.nr_not_highest for result in results)


def test_augmented_refuses_what_is_larger_than_a_failure_under_another_limit() -> None:
    """A failed 24-bit request refuses later 32-bit ones; alignable records no 24-bit failure."""
    rows = [reserve(0, 1, 4095), alloc(1, 1, 4095), alloc(2, 1, 2**20 - 1)]
    refused = iova_variants.replay("augmented", stream_of(rows), judge=True)
    served = iova_variants.replay("alignable", stream_of(rows), judge=True)
    assert (refused.nr_failures, refused.nr_spurious) == (2, 1)
    assert (served.nr_failures, served.nr_spurious) == (1, 0)


def test_a_free_that_begins_below_4gib_lifts_the_failure() -> None:
    """As in mainline, it is where the freed range begins that counts."""
    d32 = 2**20
    rows = [reserve(0, 1, d32 - 2), reserve(1, d32 - 1, d32), alloc(2, 1, d32 - 1)]
    rows += [free(1), alloc(3, 1, d32 - 1)]
    result = iova_variants.replay("augmented", stream_of(rows), pfns=True)
    assert (result.nr_failures, int(result.pfns[-1])) == (1, d32 - 1)


def broken(variant: str, statement: str, folder: Path) -> str:
    """Path of a copy of the variant that runs ``statement`` on each range that went in."""
    source = source_with(variant, "range_max32.h", "range_anchored.h")
    parameters = r"\(struct iova_domain \*iovad, struct iova \*new,\s+unsigned long high\)"
    begin = rf"(remember\)?{parameters}\n\{{\n)"
    source, nr_found = re.subn(begin, rf"\1\t{statement}\n", source)
    assert nr_found == 1
    path = folder / "broken.c"
    path.write_text(source.replace(f'"{variant}"', '"broken"'))
    return str(path)


@pytest.mark.parametrize("variant", AUGMENTED)
@pytest.mark.parametrize("value", ["own", "most"])
def test_verify_sees_a_wrong_value(variant: str, value: str, tmp_path: Path) -> None:
    path = broken(variant, f"new->{value}.size[NR_GAP_SIZES - 1]++;", tmp_path)
    stream = stream_of([alloc(0, 1, 99), alloc(1, 1, 99)])
    with pytest.raises(iova_variants.VariantError, match="what a node keeps of its"):
        iova_variants.replay(path, stream, verify=True, build="counted")


def refuse(domain: iova_variants.Domain) -> None:
    """Leave the size of a failed request behind."""
    assert domain.alloc(200, 100) is None


def move_cached(domain: iova_variants.Domain) -> None:
    """Leave another cached node behind: the range is back, but no allocation put it there."""
    domain.free(98)
    domain.reserve(98, 98)


@pytest.mark.parametrize(("variant", "spoil"), [("augmented", refuse), ("alignable", move_cached)])
def test_dump_knows_what_the_tree_does_not(
    variant: str, spoil: Callable[[iova_variants.Domain], None]
) -> None:
    with iova_variants.Domain(variant) as plain, iova_variants.Domain(variant) as spoilt:
        for domain in (plain, spoilt):
            assert [domain.alloc(1, 100) for _ in range(3)] == [100, 99, 98]
        spoil(spoilt)
        words = [domain.dump().tolist() for domain in (plain, spoilt)]
    nr_tree_words = 3 * 4  # per node, the anchor among them
    assert words[0][:nr_tree_words] == words[1][:nr_tree_words]
    assert words[0] != words[1]


@pytest.mark.parametrize(("variant", "nr_bytes"), [("alignable", 64), ("augmented", 128)])
def test_bytes_per_range(variant: str, nr_bytes: int) -> None:
    """In whole slabs: 56 bytes are 64 there, 72 are 128."""
    nr_live = 20_000
    rows = [alloc(slot, 1, LIMIT_48BIT) for slot in range(nr_live)]
    result = iova_variants.replay(variant, stream_of(rows))
    slabs = result.bytes - iova_variants.load(variant).domain_size
    assert nr_bytes <= slabs / nr_live < nr_bytes * 1.01


def nodes_per_op(variant: str, stream: OpStream) -> float:
    """Nodes visited of all kinds, in the window."""
    result = iova_variants.replay(variant, stream, build="counted")
    return sum(result.visits.values()) / result.nr_ops


def random_replace(variant: str, nr_live: int) -> float:
    """Nodes per op where a random range goes and another comes."""
    return nodes_per_op(variant, workloads.generate("random_replace", nr_live))


@pytest.mark.parametrize("variant", AUGMENTED)
def test_random_replace_stays_flat(variant: str) -> None:
    """A hundred times the ranges: 1.7 times the depth of a tree."""
    assert random_replace(variant, 100_000) < 2 * random_replace(variant, 1_000)


def test_random_replace_of_mainline_does_not() -> None:
    assert random_replace("mainline", 100_000) > 50 * random_replace("mainline", 1_000)


def holes(nr_live: int, hole: int, limit_pfn: int, request: Row) -> OpStream:
    """Live pfns with holes of ``hole`` pfns between them; then ``request`` comes and goes.

    Packed from a limit at the end of a period of 4, so that a hole of 2 begins at 1 of 4.
    """
    rows = [alloc(slot, 1, limit_pfn, flags=OpFlag.PACKED) for slot in range(4 * nr_live)]
    in_hole = [slot for slot in range(4 * nr_live) if (limit_pfn - slot - 1) % 4 < hole]
    rows += [free(slot) for slot in in_hole]
    nr_ageing = len(rows)
    slot = 4 * nr_live
    rows += [request._replace(slot=slot), free(slot)] * 8
    return stream_of(rows, nr_ageing=nr_ageing)


def worst(variant: str, stream: OpStream) -> int:
    """Most nodes that one op visited: a cached node spares the next request what the first saw."""
    result = iova_variants.replay(variant, stream, op_visits=True)
    return result.worst_visits


def misaligned(nr_live: int) -> OpStream:
    """Every hole is long enough, and not one is aligned."""
    request = alloc(0, 2, LIMIT_48BIT, flags=OpFlag.SIZE_ALIGNED)
    return holes(nr_live, 2, LIMIT_48BIT, request)


def above_the_limit(nr_live: int) -> OpStream:
    """Every hole fits, and all lie above a 44-bit limit."""
    return holes(nr_live, 1, LIMIT_48BIT, alloc(0, 1, 2**32 - 1))


def too_short(nr_live: int) -> OpStream:
    """An unaligned request for 2 among holes of 1."""
    return holes(nr_live, 1, LIMIT_48BIT, alloc(0, 2, LIMIT_48BIT))


def above_4gib(nr_live: int) -> OpStream:
    """Every hole fits, and a 32-bit request may have none."""
    return holes(nr_live, 1, LIMIT_48BIT, alloc(0, 1, 2**20 - 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("variant", "make"), [("augmented", misaligned), ("augmented", above_the_limit)]
)
def test_holes_that_are_let_in_and_do_not_fit_are_all_visited(variant: str, make: Make) -> None:
    assert worst(variant, make(1000)) > 1000
    assert worst(variant, make(8000)) > 8000


@pytest.mark.parametrize(
    ("variant", "make"),
    [
        *(("alignable", misaligned), ("alignable", above_the_limit)),
        *(("alignable", above_4gib), ("alignable", too_short)),
        *(("augmented", above_4gib), ("augmented", too_short)),
    ],
)
def test_holes_that_can_not_fit_are_left_out(variant: str, make: Make) -> None:
    """Of 32,000 ranges: a way down, one to insert, one to update, and a short walk before."""
    assert worst(variant, make(8000)) < 150
