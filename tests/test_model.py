"""Does every variant agree with brute force, and each of the lineage with its own description?

Two kinds of history: short ones that Hypothesis invents and shrinks, one call at a time, verified
after each; and long ones from a seed, run in one replay, in which ranges outlive many failures.
"""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

import iova_variants
from iova_lab.checking.reference_model import Range, next_power_of_two, reference_model
from iova_variants import Claim, EndlessError
from tests.support.lab import REAL, answers, as_far_as_it_returns, random_stream
from tests.support.lineage import REFERENCES, NeverReturnsError

DESCRIBED = sorted(set(REAL) & set(REFERENCES))

# Granules so large that the 32-bit space has 16 to 128 pfns: it fills, fails and is tried again.
GRANULES = [2**25, 2**26, 2**28]
SIZES = st.one_of(st.just(1), st.integers(1, 9), st.integers(1, 70))


class AgainstModel(RuleBasedStateMachine):
    """One domain, its model, and, where there is one, the reference of the variant."""

    name: str

    @initialize(granule=st.sampled_from(GRANULES), start_pfn=st.sampled_from([0, 1, 1, 7]))
    def begin(self, granule: int, start_pfn: int) -> None:
        self.domain = iova_variants.Domain(self.name, granule=granule, start_pfn=start_pfn)
        self.claims = self.domain.variant.claims
        self.model = reference_model(self.claims, granule, start_pfn)
        reference = REFERENCES.get(self.name)
        self.reference = reference(granule, start_pfn) if reference else None
        d32 = self.model.d32
        self.limits = [
            *(d32 - 1, d32 - 1, d32 - 2, d32, d32 + 1, start_pfn, start_pfn + d32 // 4, d32 // 2),
            *(2 * d32, 2**48 // granule - 1, 2**64 // granule - 1),
        ]

    @rule(size=SIZES, limit=st.integers(0, 10), aligned=st.booleans(), times=st.integers(1, 4))
    def alloc(self, size: int, limit: int, aligned: bool, times: int) -> None:
        for _ in range(times):
            self.alloc_one(size, max(self.limits[limit], self.model.start_pfn), aligned)

    def alloc_one(self, size: int, limit_pfn: int, aligned: bool) -> None:
        best = self.model.highest_fit(size, limit_pfn, aligned)
        try:
            expected = self.reference.alloc(size, limit_pfn, aligned) if self.reference else None
        except NeverReturnsError:
            assert Claim.ENDLESS in self.claims
            with pytest.raises(EndlessError):
                self.domain.alloc(size, limit_pfn, aligned)
            self.begin(2**26, 1)  # that one is lost
            return
        pfn = self.domain.alloc(size, limit_pfn, aligned)
        if self.reference:
            assert pfn == expected
        if pfn is None:
            assert best is None or Claim.COMPLETE not in self.claims
            return
        assert pfn >= self.model.start_pfn or Claim.BELOW_START in self.claims
        assert pfn + size - 1 <= limit_pfn or Claim.ABOVE_LIMIT in self.claims
        assert not aligned or pfn % next_power_of_two(size) == 0
        assert pfn == best or Claim.EXACT not in self.claims
        assert not self.model.overlaps(pfn, pfn + size - 1)
        self.model.add(pfn, pfn + size - 1)

    def pick(self, data: st.DataObject) -> Range:
        return data.draw(st.sampled_from(self.model.ranges), label="range")

    @rule(data=st.data(), times=st.integers(1, 6))
    def free_live(self, data: st.DataObject, times: int) -> None:
        for _ in range(times):
            if self.model.ranges:
                range_ = self.pick(data)
                self.free(data.draw(st.sampled_from([range_.lo, range_.hi]), label="pfn"))

    @rule(pfn=st.integers(0, 300))
    def free(self, pfn: int) -> None:
        self.domain.free(pfn)
        self.model.free(pfn)
        if self.reference:
            self.reference.free(pfn)

    @rule(lo=st.integers(0, 140), size=SIZES)
    def reserve(self, lo: int, size: int) -> None:
        self.domain.reserve(lo, lo + size - 1)
        self.model.reserve(lo, lo + size - 1)
        if self.reference:
            self.reference.reserve(lo, lo + size - 1)

    @rule(pfn=st.integers(0, 300))
    def find(self, pfn: int) -> None:
        assert self.domain.find(pfn) == self.model.find(pfn)

    @invariant()
    def holds(self) -> None:
        self.domain.verify()
        if self.reference:
            assert self.reference.live() == self.model.live()
        for range_ in self.model.ranges:
            assert self.domain.find(range_.lo) == self.model.find(range_.lo)

    def teardown(self) -> None:
        if hasattr(self, "domain"):
            self.domain.close()


@pytest.mark.slow
@pytest.mark.sanitize
@pytest.mark.parametrize("variant", REAL)
def test_every_history_agrees_with_the_books(variant: str) -> None:
    machine = type("Machine", (AgainstModel,), {"name": variant})
    run_state_machine_as_test(machine)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("variant", DESCRIBED)
def test_long_histories_agree_with_the_description(variant: str, seed: int) -> None:
    stream = random_stream(seed, 2500)
    expected = answers(REFERENCES[variant](stream.granule, stream.start_pfn), stream)
    stream = as_far_as_it_returns(variant, stream)
    result = iova_variants.replay(variant, stream, pfns=True, build="counted")
    assert result.pfns.tolist() == expected.tolist()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("variant", [name for name in DESCRIBED if REFERENCES[name].nr_steps == 0])
def test_long_histories_take_the_steps_described(variant: str, seed: int) -> None:
    stream = random_stream(seed, 2500, reserves=0, finds=0)
    reference = REFERENCES[variant](stream.granule, stream.start_pfn)
    answers(reference, stream)
    visits = iova_variants.replay(variant, stream, build="counted").visits
    assert visits["search"] == reference.nr_steps


@pytest.mark.sanitize
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("variant", REAL)
def test_long_histories_keep_the_invariants(variant: str, seed: int) -> None:
    stream = as_far_as_it_returns(variant, random_stream(seed, 1000))
    iova_variants.replay(variant, stream, judge=True, verify=True)


def test_long_histories_fail_and_retry() -> None:
    """The histories above are worth something: every way that a request can go is taken."""
    streams = [random_stream(seed, 2500) for seed in range(12)]
    results = {
        name: [iova_variants.replay(name, stream, judge=True) for stream in streams]
        for name in ("anchor", "cached32", "mainline")
    }
    assert sum(result.nr_failures for result in results["mainline"]) > 1000
    assert sum(result.nr_spurious or 0 for result in results["anchor"]) > 300
    assert sum(result.nr_spurious or 0 for result in results["mainline"]) > 100
    assert sum(result.nr_not_highest or 0 for result in results["mainline"]) > 1000
    assert sum(result.nr_above_limit or 0 for result in results["cached32"]) > 100


@pytest.mark.parametrize("variant", DESCRIBED)
def test_a_range_across_4_gib_counts_as_low(variant: str) -> None:
    """Freeing one that begins below 4 GiB and ends above it is a 32-bit free."""
    d32 = 64
    reference = REFERENCES[variant](2**26, 1)
    with iova_variants.Domain(variant, granule=2**26) as domain:
        for size, limit_pfn in ((2, d32), (d32 - 2, d32 - 2), (1, d32 - 1), (3, d32 - 1)):
            assert domain.alloc(size, limit_pfn) == reference.alloc(size, limit_pfn)
        domain.free(d32)
        reference.free(d32)
        for _ in range(2):
            assert domain.alloc(1, d32 - 1) == reference.alloc(1, d32 - 1)
        assert domain.find(d32 - 1) == reference.find(d32 - 1)
