"""Are ranges of 2^32 pfns and more aligned?  Not where pads have 32 bits, as is declared."""

from __future__ import annotations

import pytest

import iova_variants
from iova_lab.checking.reference_model import next_power_of_two
from iova_variants import Claim, Domain
from tests.support.lineage import REFERENCES

LIMIT = 2**52 - 8


@pytest.mark.parametrize("size", [2**31 + 1, 2**32 - 1, 2**32, 2**32 + 1, 2**33 + 5])
@pytest.mark.parametrize("variant", sorted(REFERENCES))
def test_a_huge_range_is_aligned_or_the_breach_is_declared(variant: str, size: int) -> None:
    if variant not in iova_variants.names():
        pytest.skip("not in this build")
    declared = Claim.UNALIGNED in iova_variants.load(variant).claims
    assert declared == (variant in ("cached32", "cached64"))
    with Domain(variant) as domain:
        reference = REFERENCES[variant]()
        for _ in range(2):
            pfn = domain.alloc(size, LIMIT, size_aligned=True)
            assert pfn is not None
            assert pfn == reference.alloc(size, LIMIT, True)
            misaligned = pfn % next_power_of_two(size) != 0
            assert misaligned == (declared and size >= 2**32)
