"""Does a deep maple answer as described, is its B-tree one, and are its known effects there?

The histories of test_model.py never get beyond a few leaves: here, hundreds of live ranges split
and join nodes on several levels.
"""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

import iova_variants
from iova_lab import workloads
from iova_variants import Claim, Domain, VariantError
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops
from tests.support.lab import Row, alloc, answers, free, reserve, stream_of
from tests.support.lineage import REFERENCES

LIMIT_24BIT = 2**12 - 1
LIMIT_32BIT = 2**20 - 1
LIMIT_48BIT = 2**36 - 1

#: Items in a node, and the words before them in a dump: the node's count, and two per item.
FANOUT = 16


def agrees(variant: str, stream: OpStream) -> None:
    """Hold every answer against the judge, the invariants, and the description."""
    result = iova_variants.replay(variant, stream, pfns=True, judge=True, verify=True)
    assert (
        result.pfns.tolist()
        == answers(REFERENCES["maple"](stream.granule, stream.start_pfn), stream).tolist()
    )


def tides(seed: int, nr_live: int, *, nr_tides: int = 4) -> OpStream:
    """Fill and empty a domain over and over, all sizes, at random places."""
    rng = random.Random(seed)
    rows: list[Row] = []
    filled: list[int] = []
    for tide in range(2 * nr_tides):
        for _ in range(nr_live):
            slot = len(rows)
            if filled and rng.random() < (0.15, 0.85)[tide % 2]:
                rows.append(free(filled.pop(rng.randrange(len(filled)))))
                continue
            filled.append(slot)
            if rng.random() < 0.2:
                lo = rng.randrange(1, 20000)
                rows.append(reserve(slot, lo, lo + rng.choice([0, 3, 60])))
            else:
                limit = rng.choice([LIMIT_24BIT, 16000, LIMIT_32BIT, LIMIT_48BIT])
                flags = rng.choice([0, OpFlag.SIZE_ALIGNED])
                rows.append(alloc(slot, rng.choice([1, 1, 2, 3, 8, 9, 64]), limit, flags=flags))
    return stream_of(rows)


@pytest.mark.sanitize
@pytest.mark.parametrize("seed", range(3))
def test_deep_trees_agree_with_the_description(seed: int) -> None:
    agrees("maple", tides(seed, 400))


def kernel_geometry(folder: Path) -> str:
    """Path of a maple with branches of 10 children, which have 256 bytes with what they keep."""
    source = (Path(iova_variants.__file__).parent / "maple.c").read_text(encoding="utf-8")
    path = folder / "maple.c"
    path.write_text("#define GAP_BTREE_CHILDREN 10U\n" + source, encoding="utf-8")
    return str(path)


@pytest.mark.slow
def test_branches_of_ten_children_answer_the_same(tmp_path: Path) -> None:
    agrees(kernel_geometry(tmp_path), tides(0, 400))


def levels(domain: Domain) -> list[list[int]]:
    """Per level, leaves first, how many items each node has; from the domain's dump."""
    _max32, top, *words = domain.dump().tolist()
    found: list[list[int]] = [[] for _ in range(top + 1)]

    def node(level: int) -> None:
        count = words.pop(0)
        found[level].append(count)
        for _ in range(count):
            del words[:2]
            if level:
                node(level - 1)

    node(top)
    assert not words
    return found


def test_the_tree_is_a_btree_of_sixteen() -> None:
    """It grows by splits and shrinks by merges, one level at a time, and is always half full."""
    rng = random.Random(1)
    with Domain("maple") as domain:
        pfns = [domain.alloc(1, LIMIT_32BIT) for _ in range(2600)]
        heights = set()
        fullest = max(count for level in levels(domain) for count in level)
        assert len(levels(domain)) == 4
        rng.shuffle(pfns)
        for index, pfn in enumerate(pfns):
            domain.free(pfn or 0)
            domain.verify()
            if index % 10 == 0:
                counts = levels(domain)
                heights.add(len(counts))
                assert [len(level) for level in counts[:-1]] == [sum(up) for up in counts[1:]]
                assert sum(counts[0]) == 2600 - index  # the sentinel among them
                assert all(count >= FANOUT // 2 for level in counts[:-1] for count in level)
                fullest = max(fullest, *(count for level in counts for count in level))
        assert levels(domain) == [[1]]
        assert heights == {1, 2, 3, 4}
        assert fullest == FANOUT


def broken(folder: Path, right: str, wrong: str) -> str:
    """Path of a maple in which one line of variant or tree is wrong."""
    home = Path(iova_variants.__file__).parent
    source = (home / "maple.c").read_text(encoding="utf-8")
    edit = (home / "gap_btree_edit.h").read_text(encoding="utf-8")
    source = source.replace('#include "gap_btree_edit.h"', edit)
    assert source.count(right) == 1
    path = folder / "maple.c"
    path.write_text(source.replace(right, wrong), encoding="utf-8")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("*child = now;", "child->pfn_hi = now.pfn_hi;", "errs about the largest gap below"),
        ("*child = now;", "*child = now; child->pfn_hi |= 1;", "errs about the last pfn below"),
        ("nr < gap_fanout(level) / 2;", "nr < 3;", "less than half full"),
        ("tree->nr_ranges++;", "", "number of ranges is wrong"),
        ("pfn_lo + size - 1, &stock", "pfn_lo + size, &stock", "overlap"),
        ("pfn_lo + size - 1, &stock", "pfn_lo - 1, &stock", "ends before it starts"),
    ],
)
def test_verify_sees_a_broken_tree(right: str, wrong: str, message: str, tmp_path: Path) -> None:
    slots = list(range(400))
    rows = [alloc(slot, 1, LIMIT_32BIT) for slot in slots]
    random.Random(0).shuffle(slots)
    stream = stream_of(rows + [free(slot) for slot in slots])
    iova_variants.replay("maple", stream, verify=True, build="counted")
    path = broken(tmp_path, right, wrong)
    with pytest.raises(VariantError, match=message):
        iova_variants.replay(path, stream, verify=True, build="counted", timeout=60)


def reused(variant: str, nr_holes: int, size: int, first: int) -> int:
    """How many freed aligned holes of exactly the size are used again by as many requests."""
    with Domain(variant) as domain:
        blocks = [domain.alloc(size, LIMIT_48BIT, True) for _ in range(2 * nr_holes)]
        holes = {block for block in blocks[first::2] if block is not None}
        for hole in holes:
            domain.free(hole)
        again = [domain.alloc(size, LIMIT_48BIT, True) for _ in range(nr_holes)]
        return len(holes & set(again))


@pytest.mark.parametrize("size", [2, 3, 16])
def test_aligned_holes_of_the_size_are_not_used_again(size: int) -> None:
    """With the lowest block freed too, its hole is one with the free space below all."""
    assert reused("maple", 1024, size, first=0) == 0
    assert reused("maple", 1024, size, first=1) == 1
    assert reused("mainline", 1024, size, first=0) == 1024


def test_holes_of_one_pfn_are_used_again() -> None:
    assert reused("maple", 1024, 1, first=0) == 1024


def churn(nr_live: int, size: int) -> OpStream:
    """Equal aligned blocks, a random one replaced, long enough to be steady."""
    nr_pairs = 20 * nr_live
    ops = new_ops(nr_live + 2 * nr_pairs, limit_pfn=LIMIT_48BIT, size=size)
    ops["flags"] = OpFlag.SIZE_ALIGNED
    ops["slot"][:nr_live] = np.arange(nr_live)
    victims = np.random.default_rng(1).integers(nr_live, size=nr_pairs)
    ops["op"][nr_live::2] = Op.FREE
    ops["slot"][nr_live::2] = ops["slot"][nr_live + 1 :: 2] = victims
    return OpStream(ops, nr_ageing=nr_live)


@pytest.mark.parametrize("size", [2, 16, 512])
def test_churn_of_equal_aligned_blocks_takes_half_as_much_again(size: int) -> None:
    spans = {}
    for variant in ("maple", "mainline"):
        result = iova_variants.replay(variant, churn(1000, size))
        spans[variant] = result.span / result.nr_live_pfns
    assert spans["maple"] == pytest.approx(1.5, abs=0.1)
    assert spans["mainline"] == pytest.approx(1, abs=0.01)


def test_a_failed_24_bit_request_refuses_32_bit_ones() -> None:
    with Domain("maple") as domain:
        domain.reserve(1, LIMIT_24BIT)
        assert domain.alloc(8, LIMIT_24BIT) is None
        assert domain.alloc(8, LIMIT_32BIT) is None
        assert domain.alloc(7, LIMIT_32BIT) is not None
        assert domain.alloc(8, LIMIT_32BIT + 1) is not None


def test_any_32_bit_free_lifts_the_refusal_and_no_other() -> None:
    with Domain("maple") as domain:
        low, high = domain.alloc(1, LIMIT_24BIT), domain.alloc(1, LIMIT_48BIT)
        assert (low, high) == (LIMIT_24BIT, LIMIT_48BIT)
        assert domain.alloc(2**13, LIMIT_24BIT) is None
        domain.free(LIMIT_48BIT)
        assert domain.alloc(2**13, LIMIT_32BIT) is None
        domain.free(LIMIT_24BIT)
        assert domain.alloc(2**13, LIMIT_32BIT) is not None


def nodes_per_op(variant: str, workload: str, nr_live: int) -> float:
    stream = workloads.generate(workload, nr_live)
    result = iova_variants.replay(variant, stream, build="counted")
    return sum(result.visits.values()) / result.nr_ops


@pytest.mark.parametrize("workload", ["random_replace", "full_32bit", "high_limit"])
def test_nodes_per_op_stay_flat(workload: str) -> None:
    """A hundred times the ranges: 1.7 times the depth of a tree; refusals and limits included."""
    assert nodes_per_op("maple", workload, 100_000) < 2 * nodes_per_op("maple", workload, 1000)


def test_no_op_visits_more_than_the_tree_is_high() -> None:
    """Down, up and down for a search, down twice and up twice for a free."""
    stream = workloads.generate("random_replace", 10_000)
    result = iova_variants.replay("maple", stream, op_visits=True)
    height = 4  # 10,000 ranges in nodes with 8 to 16 items
    assert 3 * height <= result.worst_visits <= 4 * height


def test_leaves_have_the_size_of_the_kernels_node() -> None:
    """Filled from the top down, a leaf is left with 9 of 16 ranges; 384 bytes for 9 leaves."""
    stream = workloads.generate("random_replace", 100_000)
    aged = OpStream(stream.ops[:100_000], nr_ageing=100_000)
    held = iova_variants.replay("maple", aged).bytes / 100_000
    assert held == pytest.approx(256 / 9 + 384 / 9 / 9 + 384 / 9**3, rel=0.03)


def test_maple_declares_that_a_free_needs_memory_and_that_a_reserve_merges() -> None:
    assert iova_variants.load("maple").claims == Claim.FREE_NEEDS_MEM | Claim.MERGES


def test_reserve_merges_what_it_overlaps_and_one_free_removes_it() -> None:
    """In the rbtrees each of the two stays a range of its own."""
    with Domain("maple") as domain:
        assert [domain.alloc(1, LIMIT_32BIT) for _ in range(2)] == [LIMIT_32BIT, LIMIT_32BIT - 1]
        domain.reserve(LIMIT_32BIT - 1, LIMIT_32BIT)
        assert domain.find(LIMIT_32BIT - 1) == (LIMIT_32BIT - 1, LIMIT_32BIT)
        domain.free(LIMIT_32BIT)
        assert domain.find(LIMIT_32BIT - 1) is None


@pytest.mark.sanitize
@pytest.mark.parametrize("nr_merged", [1, 2, 15, 16, 17, 40, 300, 1000])
def test_any_number_of_ranges_is_merged(nr_merged: int) -> None:
    """Every second pfn is a range; those below a request that ends in the middle stay."""
    nr_below = 200
    with Domain("maple") as domain:
        for index in range(nr_below + nr_merged + 200):
            domain.reserve(2 * index + 2, 2 * index + 2)
        domain.verify()
        low, high = 2 * nr_below + 1, 2 * (nr_below + nr_merged) + 1
        domain.reserve(low, high)
        domain.verify()
        assert domain.find(high) == (low, high)
        assert [domain.find(pfn) for pfn in (low - 1, high + 1)] == [
            (low - 1, low - 1),
            (high + 1, high + 1),
        ]
        assert domain.alloc(1, high) == low - 2
        domain.free(low)
        assert domain.alloc(high - low + 1, high) == low
        domain.verify()
