"""Can verify() fail?  Every kind of damage that it looks for, done to a live domain."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator

import pytest

from iova_variants import Domain, VariantError
from tests.support.lab import ON_RANGE_TREE, own_members, sizeof_range_domain

LIMIT_32BIT = 2**20 - 1
LIMIT_64BIT = 2**52 - 1

ROOT, PARENT_COLOR, LEFT, PFN_HI, PFN_LO = 8, 0, 16, 24, 32


def word(address: int) -> ctypes.c_uint64:
    return ctypes.c_uint64.from_address(address)


@pytest.fixture(params=ON_RANGE_TREE)
def busy(request: pytest.FixtureRequest) -> Iterator[Domain]:
    """A domain whose tree is three levels deep, with every cached node set."""
    with Domain(request.param) as domain:
        for limit_pfn in (LIMIT_64BIT, LIMIT_32BIT):
            for _ in range(10):
                domain.alloc(2, limit_pfn)
        domain.verify()
        yield domain
        domain.verify()


def spoil(domain: Domain, address: int, value: int) -> str:
    """Return what verify() says while one word of the domain is wrong."""
    was = word(address).value
    word(address).value = value
    try:
        with pytest.raises(VariantError) as caught:
            domain.verify()
    finally:
        word(address).value = was
    return str(caught.value)


def test_verify_sees_ranges_that_overlap(busy: Domain) -> None:
    root = word(busy._open() + ROOT).value
    message = spoil(busy, root + PFN_HI, word(root + PFN_HI).value + 2)
    assert "overlap" in message


def test_verify_sees_a_range_upside_down(busy: Domain) -> None:
    root = word(busy._open() + ROOT).value
    assert "ends before it starts" in spoil(busy, root + PFN_HI, word(root + PFN_LO).value - 1)


def test_verify_sees_wrong_colours(busy: Domain) -> None:
    left = word(word(busy._open() + ROOT).value + LEFT).value
    assert "rbtree" in spoil(busy, left, word(left + PARENT_COLOR).value ^ 1)


def test_verify_sees_a_wrong_parent(busy: Domain) -> None:
    root = word(busy._open() + ROOT).value
    left = word(root + LEFT).value
    leaf = word(left + LEFT).value
    message = spoil(busy, leaf, root | word(leaf + PARENT_COLOR).value & 1)
    assert "parent" in message


def test_verify_sees_a_cached_node_of_another_tree(busy: Domain) -> None:
    """Every word of the variant's own that points to a node; some have none."""
    own = busy._open() + sizeof_range_domain(busy.variant.name)  # members of eight bytes each
    members = enumerate(own_members(busy.variant.name))
    cached = [own + 8 * place for place, member in members if "rb_node *" in member]
    with Domain(busy.variant.name) as other:
        other.alloc(2, LIMIT_32BIT)
        foreign = word(other._open() + ROOT).value
        messages = [spoil(busy, address, foreign) for address in cached]
    assert all("is not in the tree" in message for message in messages)
