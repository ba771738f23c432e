"""Do the rules of claims decide as they say, on both sides of every threshold?"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import workloads
from iova_lab.claims import Claim, Quantity, Run, Verdict, all_claims, find, ledger, run_claim
from iova_lab.claims import run as running
from iova_lab.claims.claim import CONFIDENCE
from iova_lab.claims.ledger import rule_digest
from iova_lab.claims.rules import band, compare, exponents, growth, ratio_of
from iova_lab.claims.timing import kinds
from iova_lab.commands.cli import main
from iova_lab.measuring.statistics import Interval
from iova_variants.opstream import Op
from tests.support.lab import REAL

ROOT = Path(__file__).resolve().parent.parent
SIZES = [1_000, 10_000, 100_000]

R, P, N, U, C = (
    Verdict.REPRODUCED,
    Verdict.PARTLY,
    Verdict.NOT,
    Verdict.UNDECIDED,
    Verdict.CANNOT,
)


def verdict(name: str, measured: dict[str, Any]) -> Verdict:
    (claim,) = find([name])
    return running.judge(claim, {"id": name, "measured": measured}).verdict


# ---- the ledger, and what every claim has ----


def test_no_rule_differs_from_what_the_ledger_has() -> None:
    changed = [claim.id for claim in ledger.unrecorded()]
    assert not changed, f'python -m iova_lab.claims.ledger "why these changed": {changed}'


def test_the_ledger_has_no_rule_without_a_claim() -> None:
    assert set(ledger.read()) == {claim.id for claim in all_claims()}


def test_a_changed_rule_has_another_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    (claim,) = find(["woods-linear"])
    assert rule_digest(replace(claim, rule=claim.rule + " Or so.")) != rule_digest(claim)
    assert rule_digest(replace(claim, why="because")) == rule_digest(claim)
    (other,) = find(["woods-flat"])
    assert rule_digest(replace(claim, judge=other.judge)) != rule_digest(claim)


def test_every_claim_says_all_that_a_reader_asks() -> None:
    claims = all_claims()
    assert len(claims) >= 20
    for claim in claims:
        said = (claim.claim, claim.source, claim.rule, claim.why, claim.not_in)
        assert all(len(text) > 5 for text in said), claim.id
        assert all(text.isascii() for text in said), claim.id
        assert claim.confidence in CONFIDENCE, claim.id
        assert claim.measure or claim.cannot, claim.id


def test_claims_are_found_by_listing_the_folder() -> None:
    folder = ROOT / "iova_lab" / "claims" / "families"
    made = re.compile(r"^[A-Z0-9_]+ = (Claim|replace|_\w+)\(", re.MULTILINE)
    written = sum(len(made.findall(path.read_text())) for path in folder.glob("[a-z]*.py"))
    assert written == len(all_claims())


# ---- growth ----


@pytest.mark.parametrize(
    ("cost", "word"),
    [
        (lambda n: 5.0, "flat"),
        (lambda n: n**0.049, "flat"),
        (lambda n: n**0.051, "logarithmic"),
        (lambda n: 1 + 20 * math.log2(n), "logarithmic"),
        (lambda n: n**0.300, "logarithmic"),
        (lambda n: n**0.303, "other"),
        (lambda n: n**0.5, "other"),
        (lambda n: n**0.89, "other"),
        (lambda n: n**0.91, "linear"),
        (lambda n: n / 6 + 20, "linear"),
        (lambda n: n**1.09, "linear"),
        (lambda n: n**1.11, "other"),
        (lambda n: 0.0, "unknown"),
    ],
)
def test_growth_on_both_sides_of_each_threshold(cost: Callable[[int], float], word: str) -> None:
    assert growth(SIZES, [cost(n) for n in SIZES]) == word


def test_a_curve_that_bends_late_is_not_linear() -> None:
    assert growth(SIZES, [50.0, 60.0, 600.0]) == "other"


def test_two_sizes_have_no_growth() -> None:
    assert growth([10, 100], [1.0, 10.0]) == "unknown"


def test_exponents_are_slopes() -> None:
    assert exponents([10, 100, 1000], [1.0, 10.0, 1000.0]) == pytest.approx([1, 2])
    assert math.isnan(exponents([10, 100], [0.0, 1.0])[0])


LINEAR_CLAIMS = {
    "woods-linear": "cached32",
    "eiovar-linear": "cached32",
    "full-32bit-before": "anchor",
    "mainline-odd-limit": "mainline",
}
LOG_CLAIMS = {
    "woods-log": "cached64",
    "augmented-log": "augmented",
    "augmented-log-aligned": "augmented",
    "augmented-log-odd-limit": "augmented",
}
STRAIGHT, ROOT_OF, LOG, FLAT = (
    [float(n) for n in SIZES],
    [n**0.5 for n in SIZES],
    [10 * math.log2(n) for n in SIZES],
    [3.0] * 3,
)


def curve(variant: str, costs: list[float]) -> dict[str, Any]:
    return {"sizes": SIZES, "costs": {variant: costs}}


@pytest.mark.parametrize("name", LINEAR_CLAIMS)
def test_what_is_said_to_be_linear(name: str) -> None:
    costs = [STRAIGHT, ROOT_OF, LOG, FLAT, [0.0] * 3]
    found = [verdict(name, curve(LINEAR_CLAIMS[name], one)) for one in costs]
    assert found == [R, P, N, N, U]


@pytest.mark.parametrize("name", LOG_CLAIMS)
def test_what_is_said_to_be_logarithmic(name: str) -> None:
    costs = [FLAT, LOG, ROOT_OF, STRAIGHT]
    assert [verdict(name, curve(LOG_CLAIMS[name], one)) for one in costs] == [R, R, N, N]


def test_what_is_said_to_be_flat() -> None:
    costs = [FLAT, LOG, ROOT_OF, STRAIGHT]
    assert [verdict("woods-flat", curve("cached64", one)) for one in costs] == [R, P, N, N]


def test_a_patch_is_redundant_if_the_other_is_no_dearer() -> None:
    def decide(his: list[float], robins: list[float]) -> Verdict:
        both = {"cached64": his, "anchor": robins}
        return verdict("woods-withdrawal", {"sizes": SIZES, "costs": both})

    assert decide(FLAT, FLAT) == R
    assert decide(FLAT, [3.0, 3.0, 3.01]) == P
    assert decide(FLAT, STRAIGHT) == N
    assert decide(STRAIGHT, STRAIGHT) == N


def test_a_reset_walks_over_every_live_range() -> None:
    def decide(costs: list[float]) -> Verdict:
        return verdict("full-32bit-reset", curve("mainline", costs))

    assert decide([n + 8.0 for n in SIZES]) == R
    assert decide([n - 1.0 for n in SIZES]) == P
    assert decide(ROOT_OF) == P
    assert decide(LOG) == N


# ---- ratios ----


@pytest.mark.parametrize(
    ("published", "low", "high"),
    [(1.44, 1.22, 1.88), (2.22, 1.61, 3.44), (1.5, 1.25, 2.0), (0.5, 1 / 3, 1 / 1.5)],
)
def test_a_band_is_half_to_twice_the_change(published: float, low: float, high: float) -> None:
    assert band(published) == pytest.approx((low, high))


@pytest.mark.parametrize(
    ("ratio", "word"),
    [
        (Interval(1.5, 1.21, 1.87), "same side"),
        (Interval(1.5, 1.23, 1.87), "in"),
        (Interval(1.5, 1.23, 1.89), "same side"),
        (Interval(2.7, 2.6, 2.75), "same side"),
        (Interval(3.0, 2.9, 3.1), "far"),
        (Interval(1.05, 1.04, 1.06), "far"),
        (Interval(1.1, 0.99, 1.23), "undecided"),
        (Interval(1.1, 0.99, 1.21), "absent"),
        (Interval(0.9, 0.85, 0.99), "other side"),
        (Interval.exact(1.0), "absent"),
    ],
)
def test_an_interval_is_held_against_a_band(ratio: Interval, word: str) -> None:
    assert compare(ratio, 1.22, 1.88) == word


def test_a_band_below_one_is_the_same_turned_round() -> None:
    assert compare(Interval.exact(0.5), *band(0.5)) == "in"
    assert compare(Interval.exact(0.75), *band(0.5)) == "same side"
    assert compare(Interval.exact(0.9), *band(0.5)) == "far"
    assert compare(Interval.exact(1.1), *band(0.5)) == "other side"


def test_a_ratio_comes_with_the_interval_of_its_processes() -> None:
    quiet, noisy = ratio_of([0.70, 0.69, 0.71, 0.70]), ratio_of([0.2, 1.2, 0.1, 1.3])
    assert quiet.value == pytest.approx(math.exp(0.7))
    assert quiet.lo < quiet.value < quiet.hi
    assert noisy.lo < 1 < noisy.hi


def times(ratio: float, kind: str, pair: tuple[str, str], spread: float = 0.001) -> dict[str, Any]:
    """Eight processes that all see ``ratio``, nearly."""
    shakes = [math.exp(spread * shake) for shake in (-2, -1, -1, 0, 0, 1, 1, 2)]
    before, after = [[20 * s for s in shakes], [20 * ratio] * 8]
    logs = [math.log(b / a) for a, b in zip(before, after, strict=True)]
    ns = {kind: dict(zip(pair, (before, after), strict=True))}
    return {"pair": list(pair), "ns": ns, "log_ratios": {kind: logs, "both": logs}}


def in_guest(pair: tuple[str, str], *ratios: float) -> dict[str, Any]:
    return {
        f"6.{i}": {
            pair[0]: {"alloc": 100.0, "free": 100.0},
            pair[1]: {"alloc": 100 * ratio, "free": 100 * ratio},
        }
        for i, ratio in enumerate(ratios)
    }


ALIGNABLE, MAPLE, IN_KERNEL = (
    ("mainline", "alignable"),
    ("mainline", "maple"),
    ("kernel", "maple_kernel"),
)


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1.49, P), (1.51, R), (2.19, R), (2.21, P), (1.0, N), (0.8, N)]
)
def test_almost_twice(ratio: float, expected: Verdict) -> None:
    measured = times(ratio, "alloc", ALIGNABLE) | {"kernel": in_guest(ALIGNABLE, 9.0)}
    assert verdict("typical-twice", measured) == expected


def test_noise_decides_nothing() -> None:
    measured = times(1.5, "alloc", ALIGNABLE, spread=0.8) | {"kernel": in_guest(ALIGNABLE, 1.5)}
    assert verdict("typical-twice", measured) == U


@pytest.mark.parametrize(
    ("ratio", "expected"), [(1.041, P), (1.043, R), (1.165, R), (1.168, P), (1.0, N), (0.9, N)]
)
def test_a_slower_free(ratio: float, expected: Verdict) -> None:
    assert verdict("peng-v3-free", times(ratio, "free", ALIGNABLE, 0.0001)) == expected


@pytest.mark.parametrize(
    ("ratio", "expected"), [(2.88, P), (2.91, R), (8.5, R), (8.65, P), (1.0, N), (0.5, N)]
)
def test_a_faster_alloc(ratio: float, expected: Verdict) -> None:
    assert verdict("peng-v3-mean", times(1 / ratio, "alloc", ALIGNABLE)) == expected


@pytest.mark.parametrize(
    ("name", "low", "high"), [("maple-alloc", 1.22, 1.88), ("maple-free", 1.61, 3.44)]
)
def test_maple_has_two_witnesses(name: str, low: float, high: float) -> None:
    kind = name.removeprefix("maple-")

    def decide(user: float, *guest: float) -> Verdict:
        kernel = {"kernel": in_guest(IN_KERNEL, *guest)}
        return verdict(name, times(user, kind, MAPLE) | kernel)

    middle = (low * high) ** 0.5
    assert decide(middle, low + 0.01, high - 0.01) == R
    assert decide(middle, middle, high + 0.01) == P
    assert decide(low - 0.01, middle) == P
    assert decide(middle, 0.9) == N
    assert decide(0.9, middle) == N
    assert decide(1.0, middle) == N


def calls(slow: float, fast: float, kind: str, after: float = 1.0) -> dict[str, Any]:
    shakes = [1 + 0.001 * i for i in range(8)]
    ns = {
        kind: {"mainline": [slow * s for s in shakes], "alignable": [after] * 8},
        "fill": {"mainline": [fast] * 8, "alignable": [after] * 8},
    }
    return {"pair": list(ALIGNABLE), "ns": ns, "log_ratios": {}}


@pytest.mark.parametrize(
    ("name", "kind", "low", "high"),
    [
        ("peng-v1-slow-calls", "refused", 32_877, 130_859),
        ("peng-v3-tail", "longest", 3_911, 15_625),
    ],
)
def test_buckets(name: str, kind: str, low: float, high: float) -> None:
    assert verdict(name, calls(low * 1.02, 1.0, kind)) == R
    assert verdict(name, calls(low * 0.98, 1.0, kind)) == P
    assert verdict(name, calls(high * 0.98, 1.0, kind)) == R
    assert verdict(name, calls(high * 1.02, 1.0, kind)) == P
    assert verdict(name, calls(0.5, 1.0, kind)) == N


def test_a_mean_over_his_mix_of_calls() -> None:
    def decide(ratio: float) -> Verdict:
        # Refused calls are one in 97.6; a mean of 293,848 falls by ``ratio``.
        total = 10_625 + 1_026_359
        refused = (293_848 * total - 400 * 1_026_359) / 10_625
        return verdict("peng-v1-mean", calls(refused, 400.0, "refused", 293_848 / ratio))

    assert [decide(ratio) for ratio in (640, 325, 315, 1_265, 1_295, 0.5)] == [R, R, P, R, P, N]


# ---- answers, counts and sizes ----


@pytest.mark.parametrize("name", ["4k-2g-4k", "500-12-499"])
def test_the_second_pass_finds_what_was_lost(name: str) -> None:
    def decide(anchor: bool, max32: bool, retry: bool, mainline: bool) -> Verdict:
        served = {"anchor": anchor, "max32": max32, "retry": retry, "mainline": mainline}
        return verdict(name, {"served": served})

    assert decide(False, False, True, True) == R
    assert decide(False, True, True, True) == P
    assert decide(False, False, True, False) == P
    assert decide(True, True, True, True) == N


def test_answers_below_start_pfn_and_requests_that_never_return() -> None:
    def below(retry: list[int | None], mainline: list[int | None]) -> Verdict:
        answers = {"retry": retry, "mainline": mainline}
        return verdict("cve-2023-52910-below", {"start_pfns": [1, 9], "answers": answers})

    def endless(retry: bool, mainline: bool) -> Verdict:
        return verdict("cve-2023-52910-endless", {"ends": {"retry": retry, "mainline": mainline}})

    assert below([0, 8], [None, None]) == below([0, 8], [1, 9]) == R
    assert below([0, 9], [None, None]) == below([0, 8], [None, 8]) == P
    assert below([1, None], [None, None]) == N
    assert (endless(False, True), endless(False, False), endless(True, True)) == (R, P, N)


def test_fails_at_once() -> None:
    assert verdict("full-32bit-after", {"sizes": SIZES, "nodes": [0.0, 0.0, 0.0]}) == R
    assert verdict("full-32bit-after", {"sizes": SIZES, "nodes": [0.0, 0.0, 0.1]}) == N


def test_a_lost_reset() -> None:
    def decide(max32: int, retry: int, mainline: int) -> Verdict:
        spurious = {"max32": max32, "retry": retry, "mainline": mainline}
        return verdict("lost-reset", {"spurious": spurious, "nr_allocs": 800})

    assert [decide(1, 1, 0), decide(1, 1, 1), decide(1, 0, 0), decide(0, 0, 0)] == [R, P, P, N]


def passes(*counts: tuple[int, int, int]) -> dict[str, Any]:
    keys = ("allocs", "second", "found")
    return {f"w{i}": dict(zip(keys, one, strict=True)) for i, one in enumerate(counts)}


def test_a_fifth_of_all_requests() -> None:
    shares = [((10, 40), R), ((10, 9), P), ((41, 40), P), ((9, 41), N), ((0, 20), P), ((0, 0), C)]
    for (first, second), expected in shares:
        assert verdict("retry-share", passes((100, first, 0), (100, second, 0))) == expected


def test_few_second_passes_succeed() -> None:
    def decide(*counts: tuple[int, int]) -> Verdict:
        return verdict("retry-in-vain", passes(*((2000, ran, found) for ran, found in counts)))

    assert decide((1000, 9), (0, 0)) == R
    assert decide((1000, 10), (1000, 9)) == P
    assert decide((1000, 10)) == N
    assert decide((0, 0)) == C


def test_a_sixth() -> None:
    def decide(ratio: float, one_step: float) -> Verdict:
        measured = {"sizes": SIZES, "ratio": [1.0, 1.0, ratio], "one_step": [0.5, 0.5, one_step]}
        return verdict("mainline-sixth", measured)

    assert [decide(1.09, 0.54), decide(1.11, 0.54), decide(0.91, 0.56)] == [R, P, P]
    assert decide(0.89, 0.44) == N


def test_the_kernels_addresses() -> None:
    def decide(*cells: tuple[int, int, int]) -> Verdict:
        keys = ("ops", "equal", "errors")
        measured = {f"6.{i}": dict(zip(keys, one, strict=True)) for i, one in enumerate(cells)}
        return verdict("mainline-is-the-kernel", {k: v | {"cells": 1} for k, v in measured.items()})

    assert decide((9, 9, 0), (9, 9, 0)) == R
    assert decide((9, 9, 0), (9, 8, 0)) == N
    assert decide((9, 9, 0), (9, 9, 1)) == U
    assert decide((9, 9, 0)) == U


def test_about_the_same_memory() -> None:
    def decide(ratio: float) -> Verdict:
        found = {"mainline": 64.0, "maple": 64 * ratio}
        return verdict("maple-memory", {"bytes_per_range": found})

    assert [decide(r) for r in (0.79, 0.81, 1.24, 1.26)] == [P, R, R, N]


def test_holes_that_are_used_again() -> None:
    def decide(maple: int, mainline: int) -> Verdict:
        return verdict("maple-holes", {"reused": {"maple": maple, "mainline": mainline}})

    assert [decide(10, 1024), decide(11, 1024), decide(1024, 1024), decide(0, 1023)] == [R, P, N, N]


def test_the_span_of_churn() -> None:
    def decide(ratio: float) -> Verdict:
        return verdict("maple-span", {"span": {"maple": 1.1 * ratio, "mainline": 1.1}})

    assert [decide(r) for r in (1.24, 1.26, 1.99, 2.01, 1.0, 0.9)] == [P, R, R, P, N, N]


def test_a_free_that_needs_memory() -> None:
    def decide(maple: int, mainline: int) -> Verdict:
        found = {"maple": maple, "mainline": mainline}
        trials = {name: {"tried": 200, "leaked": leaked} for name, leaked in found.items()}
        return verdict("maple-free-needs-memory", {"without_memory": trials})

    assert [decide(1, 0), decide(1, 1), decide(0, 0), decide(0, 1)] == [R, P, N, N]


def test_capacity_beside_an_rcache() -> None:
    sizes = ("16", "64", "128", "192")
    fresh = dict(zip(sizes, (255, 63, 31, 21), strict=True))

    def lost(*after: int, before: dict[str, int] = fresh) -> Verdict:
        churned = dict(zip(sizes, after, strict=True))
        found = {"fresh": before, "churned": churned, "held_pfns": 0}
        return verdict("mixed-routes-lost", found)

    def kept(**churned: dict[str, int]) -> Verdict:
        parts = {"fresh": fresh, "132K": fresh, "256K": fresh, "flushed": fresh}
        return verdict("mixed-routes-kept", parts | churned)

    assert lost(221, 55, 27, 18) == R
    assert lost(221, 55, 27, 17) == lost(220, 55, 27, 18) == P
    assert lost(221, 55, 27, 18, before=fresh | {"64": 64}) == P
    assert lost(221, 55, 27, 21) == lost(255, 63, 31, 21) == N
    less = fresh | {"16": 254}
    assert kept() == R
    assert kept(flushed=less) == kept(**{"132K": less}) == kept(**{"256K": less}) == P
    assert kept(flushed=less, **{"256K": less}) == N


def test_sizes_of_nodes() -> None:
    def decide(name: str, node: int, slab: float) -> Verdict:
        return verdict(name, {"node_bytes": node, "bytes_per_range": slab})

    assert decide("augmented-node", 72, 134.0) == R
    assert decide("augmented-node", 72, 135.0) == P
    assert decide("augmented-node", 80, 130.0) == P
    assert decide("augmented-node", 80, 96.0) == N
    assert decide("alignable-64-bytes", 64, 67.0) == R
    assert decide("alignable-64-bytes", 65, 67.0) == N
    assert decide("alignable-64-bytes", 64, 68.0) == N


def test_a_lockup_at_will() -> None:
    def decide(*words: str) -> Verdict:
        run = {"release": "6.1", "nr_live": 5, "cpus": 2, "uptime": 29.0}
        return verdict("lockup-at-will", {"runs": [run | {"words": one} for one in words]})

    assert [decide("BUG", "BUG"), decide("BUG", ""), decide("", "")] == [R, P, N]


# ---- what can't be measured ----


@pytest.mark.parametrize("name", [claim.id for claim in all_claims() if claim.cannot])
def test_what_cannot_be_tested_says_why(name: str) -> None:
    (claim,) = find([name])
    for row in (None, {"id": name}, {"id": name, "measured": {"beside": "beside it, 7"}}):
        finding = running.judge(claim, row)
        assert finding.verdict == C
        assert claim.cannot in finding.answer
    assert finding.answer.endswith("beside it, 7")


def test_a_missing_variant_cannot_be_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    from iova_variants import _variant
    from iova_variants.building import variant_sources

    known = variant_sources()
    monkeypatch.setattr(
        _variant, "variant_sources", lambda: [one for one in known if one.stem != "cached32"]
    )
    (claim,) = find(["woods-linear"])
    finding = running.judge(claim, run_claim(claim, Run(quick=True)))
    assert finding.verdict == C
    assert "no variant named 'cached32'" in finding.answer


def test_a_missing_workload_cannot_be_tested(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [name for name in workloads.names() if name != "high_limit"]
    monkeypatch.setattr(workloads, "names", lambda: left)
    workloads.get.cache_clear()
    workloads.generate.cache_clear()
    (claim,) = find(["augmented-log-odd-limit"])
    finding = running.judge(claim, run_claim(claim, Run(quick=True)))
    workloads.get.cache_clear()
    assert finding.verdict == C
    assert "no workload named 'high_limit'" in finding.answer


def test_a_kernel_without_rows_cannot_be_tested(tmp_path: Path) -> None:
    for claim in all_claims():
        if claim.elsewhere and claim.measure and not claim.cannot:
            finding = running.judge(claim, run_claim(claim, Run(quick=True, results=tmp_path)))
            assert finding.verdict == C
            assert "iova-lab kernel" in finding.answer


def test_a_retry_that_is_no_longer_marked_cannot_be_tested(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from iova_lab.claims.families import retry

    monkeypatch.setattr(retry, "BRANCH", "no such line")
    (claim,) = find(["retry-in-vain"])
    assert running.judge(claim, run_claim(claim, Run(quick=True))).verdict == C


def test_a_variant_that_breaks_down_is_a_failure_and_no_verdict() -> None:
    def breaks(run: Run) -> dict[str, Any]:
        raise iova_variants.VariantCrashedError("mainline: killed by SIGSEGV")

    claim = made(breaks)
    row = run_claim(claim, Run())
    finding = running.judge(claim, row)
    assert row["failed"] == "mainline: killed by SIGSEGV"
    assert (finding.verdict, "SIGSEGV" in finding.answer) == (Verdict.MISSING, True)


def test_a_result_of_another_form_is_no_verdict() -> None:
    for claim in all_claims():
        if not claim.cannot:
            finding = running.judge(claim, {"id": claim.id, "measured": {"other": 1}})
            assert finding.verdict == Verdict.MISSING, claim.id
            assert claim.command in finding.answer


def made(measure: Callable[[Run], dict[str, Any]]) -> Claim:
    from dataclasses import replace

    (claim,) = find(["maple-memory"])
    return replace(claim, measure=measure)


# ---- measuring ----


def test_kinds_tell_ops_apart() -> None:
    import numpy as np

    ops = np.array([Op.ALLOC, Op.ALLOC, Op.FREE, Op.ALLOC, Op.ALLOC])
    refused = np.array([False, False, False, False, True])
    found = {name: mask.tolist() for name, mask in kinds(ops, refused, 2).items()}
    assert found["fill"] == [True, True, False, False, False]
    assert found["alloc"] == [False, False, False, True, False]
    assert found["refused"] == [False, False, False, False, True]
    assert found["free"] == [False, False, True, False, False]


@pytest.mark.slow
def test_a_pair_of_the_same_variant_is_no_different_by_much() -> None:
    from iova_lab.claims.families.typical import near_empty
    from iova_lab.claims.timing import paired

    for _ in range(10):  # beside other work a round may be no longer than the clock takes
        try:
            measured = paired(Run(quick=True), ("mainline", "mainline"), near_empty, short=True)
        except iova_variants.VariantError as error:
            if "took no time at all" not in str(error):
                raise
        else:
            break
    assert set(measured["ns"]) == {"alloc", "free", "both"}
    assert len(measured["log_ratios"]["alloc"]) == 2


def test_a_clock_that_ticks_every_10_ns_is_no_reason_to_be_10_ns_wrong(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numpy as np

    from iova_lab.claims import timing
    from iova_lab.claims.families.typical import near_empty

    stream, _ = near_empty()
    rng = np.random.default_rng(0)
    is_alloc = stream.ops["op"][stream.nr_ageing :] == Op.ALLOC
    takes = np.where(is_alloc, 14.0, 9.0)

    def replay(name: str, asked: Any, **watched: Any) -> Any:
        clocked = takes + 17.0  # what two readings take
        begin = rng.uniform(0, 10, len(takes))
        ticks = (np.floor((begin + clocked) / 10) - np.floor(begin / 10)) * 10
        return SimpleNamespace(
            op_ns=ticks, pfns=np.ones(len(stream.ops)), clock_ns=10, ns_per_op=takes.mean()
        )

    monkeypatch.setattr(iova_variants, "replay", replay)
    found = timing._sample("any", stream, 0, short=True)
    assert found["both"] == takes.mean()
    assert found["alloc"] == pytest.approx(14.0, abs=0.3)
    assert found["free"] == pytest.approx(9.0, abs=0.3)


def rounds_of(*pairs: tuple[float, float]) -> list[list[dict[str, float]]]:
    return [[{"free": first}, {"free": second}] for first, second in pairs]


def test_a_round_that_leaves_no_time_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    from iova_lab.claims import timing

    found = rounds_of((10.0, 20.0), (-1.0, 30.0), (10.0, 20.0), (8.0, 16.0))
    monkeypatch.setattr(timing, "_fresh_process", lambda *_: found)
    measured = timing.paired(Run(quick=True), ("mainline", "null"), impossible, short=True)
    assert measured["ns"]["free"]["mainline"] == [10.0, 10.0]
    assert measured["log_ratios"]["free"] == pytest.approx([math.log(2)] * 2)


def test_a_process_that_leaves_no_time_in_half_of_its_rounds_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from iova_lab.claims import timing

    found = rounds_of((10.0, 20.0), (-1.0, 30.0))
    monkeypatch.setattr(timing, "_fresh_process", lambda *_: found)
    with pytest.raises(iova_variants.VariantError, match="free took no time at all in 2 of 4 rou"):
        timing.paired(Run(quick=True), ("mainline", "null"), impossible, short=True)


@pytest.mark.slow
def test_an_error_in_a_fresh_process_comes_out() -> None:
    from iova_lab.claims.timing import paired

    with pytest.raises(workloads.SizeError, match="near_empty"):
        paired(Run(quick=True), ("mainline", "null"), impossible, short=True)


@pytest.mark.slow
def test_a_fresh_process_that_ends_early_is_reported(tmp_path: Path) -> None:
    from iova_lab.claims.families.typical import near_empty
    from iova_lab.claims.timing import paired

    crash = Path(iova_variants.__path__[0], "null.c").read_text(encoding="utf-8")
    crash = crash.replace('"null"', '"crash"').replace("\treturn 0;", "\t__builtin_trap();", 1)
    path = tmp_path / "crash.c"
    path.write_text(crash, encoding="utf-8")
    with pytest.raises(
        iova_variants.VariantCrashedError,
        match=r"^mainline or .*crash\.c: killed by SIG(ILL|TRAP)$",
    ):
        paired(Run(quick=True), ("mainline", str(path)), near_empty, short=True)


def impossible() -> Any:
    return workloads.generate("near_empty", 10**6), 0


def test_the_mark_counts_second_passes_and_nothing_else() -> None:
    from iova_lab.claims.families import retry

    assert retry.marked_source().count("iova_visits.update") == 1
    found = retry._on({name: workloads.generate(name, 1_000) for name in ("lost_space", "startup")})
    assert found["lost_space"]["second"] >= found["lost_space"]["found"] > 0
    assert found["startup"] == {"allocs": 1200, "second": 0, "found": 0}


def test_requests_in_vain_are_in_vain_for_all() -> None:
    from iova_lab.claims.families.max32 import NR_ASKED, in_vain
    from iova_lab.measuring.counts import count

    for variant in REAL:
        found = count(variant, in_vain(50))
        assert (found.refused.nr_ops, found.nr_spurious) == (NR_ASKED, 0), variant


def test_every_case_of_the_second_pass_fits_for_a_complete_variant() -> None:
    from iova_lab.claims.families.second_pass import jittas_case, robins_case

    assert robins_case("best_fit")
    assert jittas_case("best_fit")


def test_only_the_variant_with_the_fault_shows_it() -> None:
    from iova_lab.claims.families import cve_2023_52910

    assert cve_2023_52910._below(Run())["answers"] == {
        "retry": [0x0, 0x80, 0xFF],
        "mainline": [None] * 3,
    }
    assert cve_2023_52910._endless(Run())["ends"] == {"retry": False, "mainline": True}


# ---- the command ----


def lab(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["claims", *arguments])


@pytest.mark.slow
@pytest.mark.parametrize("claim", all_claims(), ids=lambda claim: claim.id)
def test_every_command_parses_and_runs(claim: Claim, tmp_path: Path) -> None:
    program, command, *arguments = claim.command.split()
    assert (program, command) == ("iova-lab", "claims")
    results = tmp_path / "results"
    results.mkdir()
    (results / "kernel").symlink_to(ROOT / "results" / "kernel")
    done = lab(*arguments, "--quick", "--results", str(results))
    assert done.exit_code == 0, done.output
    assert claim.id in done.output
    assert "it is no result" in done.output
    assert not (results / "claims").exists()


def test_a_result_is_stored_and_listed(tmp_path: Path) -> None:
    results = ["--results", str(tmp_path)]
    nothing = lab(*results)
    assert nothing.exit_code == 1
    assert "iova-lab claims --all writes them" in nothing.output
    assert lab("maple-holes", *results).exit_code == 0
    stored = json.loads((tmp_path / "claims" / "maple-holes.json").read_text())
    assert stored["measured"]["reused"]["mainline"] == 1024
    assert {"commit", "date", "machine", "rule", "seconds"} <= set(stored)
    listed = json.loads(lab("--json", *results).output)
    (one,) = [row for row in listed if row["id"] == "maple-holes"]
    assert one["verdict"] == "reproduced"
    assert len(listed) == len(all_claims())


def test_an_unknown_claim_is_one_line() -> None:
    done = lab("maple-hols")
    assert done.exit_code == 1
    assert "no claim named 'maple-hols'; there are: " in done.output


@pytest.mark.parametrize("arguments", [["--quick"], ["woods-flat", "--all"]])
def test_what_makes_no_sense_is_said(arguments: list[str]) -> None:
    done = lab(*arguments)
    assert done.exit_code == 2
    assert "Error: " in done.output


def test_a_file_that_is_no_result_is_named(tmp_path: Path) -> None:
    (tmp_path / "claims").mkdir()
    for text in ("{", '{"id": "other"}'):
        (tmp_path / "claims" / "woods-flat.json").write_text(text)
        done = lab("--results", str(tmp_path))
        assert done.exit_code == 1
        assert "woods-flat.json" in done.output
        assert "iova-lab claims woods-flat" in done.output


def test_a_failure_replaces_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from iova_lab.claims import claim as claim_module
    from iova_lab.claims.store import read

    good = made(lambda run: {"bytes_per_range": {"mainline": 1.0, "maple": 1.0}})

    def breaks(run: Run) -> dict[str, Any]:
        raise iova_variants.VariantError("broken")

    for claim, code in ((good, 0), (made(breaks), 1)):
        monkeypatch.setattr(claim_module, "all_claims", lambda claim=claim: (claim,))
        done = lab("maple-memory", "--results", str(tmp_path))
        assert done.exit_code == code
    assert "maple-memory: broken" in done.output
    assert "measured" in (read(tmp_path, good) or {})


def test_what_was_measured_before_an_interruption_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from iova_lab import claims as package

    def interrupts(run: Run) -> dict[str, Any]:
        raise KeyboardInterrupt

    first = made(lambda run: {"bytes_per_range": {"mainline": 1.0, "maple": 1.0}})
    second = replace(made(interrupts), id="interrupted")
    monkeypatch.setattr(package, "all_claims", lambda: (first, second))
    done = lab("--all", "--results", str(tmp_path))
    assert done.exit_code == 130
    assert (tmp_path / "claims" / "maple-memory.json").exists()
    assert not (tmp_path / "claims" / "interrupted.json").exists()


def test_a_quantity_is_ordered() -> None:
    for claim in all_claims():
        if claim.published:
            assert isinstance(claim.published, Quantity)
            assert claim.published.lo <= claim.published.hi
            assert claim.published.kind in ("exponent", "ratio")
