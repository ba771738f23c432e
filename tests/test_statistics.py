"""Are the statistics of a comparison right at their edges and against published quantiles?"""

from __future__ import annotations

import math

import numpy as np
import pytest

from iova_lab.measuring.statistics import (
    NONE,
    SAME,
    Interval,
    Ratio,
    each,
    log_ratio,
    mean,
    ratio,
)

#: Student's t, two degrees of freedom, two-sided 99 %: from the tables.
T_99_2 = 9.925


def pairs(logs: list[float]) -> dict[int, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """Processes of one round each, whose log ratios to a base of ones these are."""
    return {turn: np.exp([value]) for turn, value in enumerate(logs)}


def compared(logs: list[float], nr_ratios: int | None = None) -> Ratio:
    base = pairs([0.0] * len(logs))
    return ratio(base, pairs(logs)) if nr_ratios is None else ratio(base, pairs(logs), nr_ratios)


def test_three_samples_have_an_interval_and_two_have_none() -> None:
    found = mean([1.0, 2.0, 3.0])
    assert found.value == 2
    assert found.hi - 2 == pytest.approx(T_99_2 / math.sqrt(3), rel=1e-3)
    assert 2 - found.lo == pytest.approx(T_99_2 / math.sqrt(3), rel=1e-3)
    assert not mean([1.0, 2.0]).known
    assert mean([1.0, 2.0]).value == 1.5
    assert math.isnan(mean([]).value)
    assert compared([0.5, 0.5]).outcome == "too few samples"
    assert compared([0.5, 0.5, 0.5]).outcome == "slower"


def test_samples_that_do_not_vary_have_an_interval_without_width() -> None:
    assert (mean([3.0] * 4).lo, mean([3.0] * 4).hi) == (3, 3)
    assert mean([1.0, 1.5, 2.0]).lo < 1 < 2 < mean([1.0, 1.5, 2.0]).hi  # a spread of exactly 1


@pytest.mark.parametrize(
    ("lo", "hi", "outcome"),
    [(1.0, 1.2, SAME), (1.001, 1.2, "slower"), (0.8, 1.0, SAME), (0.8, 0.999, "faster")],
)
def test_an_interval_that_touches_one_is_no_difference(lo: float, hi: float, outcome: str) -> None:
    assert Ratio(math.sqrt(lo * hi), lo, hi).outcome == outcome


def test_one_ratio_is_the_default_and_many_are_held_to_more() -> None:
    logs = [0.1, 0.12, 0.16, 0.08]
    assert compared(logs) == compared(logs, 1)
    assert compared(logs, 2).lo < compared(logs, 1).lo
    assert each(1) == pytest.approx(0.99)
    assert each(10) == pytest.approx(0.999)


@pytest.mark.parametrize("logs", [[0.01, -0.01, 0.02], [0.3, 0.1, 0.2, 0.25, 0.22, 0.14]])
def test_what_is_called_visible_is_seen_four_times_in_five(logs: list[float]) -> None:
    """Draw t statistics with that shift from normal and chi-squared samples, without scipy's t."""
    nr, rng = len(logs), np.random.default_rng(1)
    error = np.std(logs, ddof=1) / math.sqrt(nr)
    shift = math.log(compared(logs).visible) / error
    found = compared(logs)
    critical = (math.log(found.hi) - math.log(found.lo)) / 2 / error
    drawn = (rng.normal(shift, 1, 400_000)) / np.sqrt(rng.chisquare(nr - 1, 400_000) / (nr - 1))
    assert np.mean(drawn > critical) == pytest.approx(0.8, abs=0.004)


def asymmetric(value: float, lo: float, hi: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Rows as `log_ratio` takes them."""
    return np.array([[value], [lo], [hi]], dtype=float)


def test_a_log_ratio_has_the_interval_of_both_ends_that_lie_apart() -> None:
    """MOVER, by hand: below, the upper's low end and the lower's high one; above, the others."""
    found = log_ratio(asymmetric(8, 4, 32), asymmetric(2, 1, 16))
    log2 = math.log(2)
    assert found[0, 0] == pytest.approx(2 * log2)
    assert found[1, 0] == pytest.approx(2 * log2 - log2 * math.hypot(1, 3))
    assert found[2, 0] == pytest.approx(2 * log2 + log2 * math.hypot(2, 1))


def test_a_log_ratio_of_exact_values_has_no_width_and_of_one_exact_value_the_others() -> None:
    exact, wide = asymmetric(8, 8, 8), asymmetric(2, 1, 16)
    assert log_ratio(exact, exact)[:, 0] == pytest.approx([0, 0, 0])
    assert log_ratio(exact, wide)[:, 0] == pytest.approx(np.log([4, 0.5, 8]))
    assert log_ratio(wide, exact)[:, 0] == pytest.approx(np.log([0.25, 0.125, 2]))


def test_a_log_ratio_of_values_below_one_and_of_none() -> None:
    below = asymmetric(0.5, 0.25, 0.75)
    assert log_ratio(below, asymmetric(1, 1, 1))[:, 0] == pytest.approx(np.log([0.5, 0.25, 0.75]))
    assert log_ratio(asymmetric(0, -1, 1), below)[0, 0] == -math.inf
    assert log_ratio(asymmetric(1, -1, 2), below)[1, 0] == -math.inf  # as low as it can be
    assert math.isnan(log_ratio(asymmetric(0, 0, 0), asymmetric(0, 0, 0))[0, 0])


def test_intervals_of_a_log_ratio_hold_as_often_as_they_promise() -> None:
    """Ratios of two normal means, drawn 20,000 times, each with its own 99 % interval."""
    rng, reach, error = np.random.default_rng(2), 2.5758, np.array([[0.3], [0.1]])
    values = np.array([[10.0], [5.0]]) + error * rng.normal(size=(2, 20_000))
    upper, lower = (
        np.array([one, one - reach * e, one + reach * e])
        for one, e in zip(values, error, strict=True)
    )
    _, lo, hi = log_ratio(upper, lower)
    assert np.mean((lo < math.log(2)) & (math.log(2) < hi)) == pytest.approx(0.99, abs=0.003)


@pytest.mark.parametrize(
    ("interval", "holds"),
    [
        (Interval(1, 0.9, 1.1), True),
        (Interval(1, 0.75, 1.25), True),
        (Interval(1, 0.74, 1.1), False),
        (Interval(1, 0.9, 1.26), False),
        (Interval(2, 1.9, 2.1), False),
        (NONE, False),
    ],
)
def test_an_interval_is_within_a_tolerance_with_both_of_its_ends(
    interval: Interval, *, holds: bool
) -> None:
    assert interval.within(1, 0.25) == holds


def test_an_interval_is_known_exact_or_neither() -> None:
    exact, wide, half = Interval.exact(3), Interval(3, 2, 4), Interval(3, 2, math.inf)
    assert (exact.value, exact.lo, exact.hi) == (3, 3, 3)
    assert [one.is_exact for one in (exact, wide, Interval(3, 3, 4), Interval(3, 2, 3))] == [
        *(True, False, False, False),
    ]
    assert [one.known for one in (exact, wide, half, NONE)] == [True, True, False, False]
    assert not Interval(3, -math.inf, 4).known
    assert wide.exp() == Interval(math.exp(3), math.exp(2), math.exp(4))
    assert vars(Ratio.exact(2)).items() >= {"value": 2, "nr_processes": 0, "nr_rounds": 0}.items()


def test_a_ratio_is_of_the_processes_and_rounds_that_both_have() -> None:
    base = {turn: np.array([1.0, 1.0, 2.0]) for turn in range(4)}
    candidate = {turn: np.array([2.0, 3.0, 2.0]) for turn in range(1, 5)}
    found = ratio(base, candidate)
    assert (found.nr_processes, found.nr_rounds) == (3, 9)
    assert (found.value, found.lo, found.hi) == pytest.approx((2, 2, 2))  # medians of 2, 3 and 1
    assert found.visible == pytest.approx(1)
    assert math.isnan(compared([0.5, 0.6]).visible)
    assert compared([0.5, 0.6, 0.7]).visible > 1


def test_no_ratio_at_all_is_held_to_what_one_is() -> None:
    assert each(0) == each(1)
    assert mean([1.0, 2.0], fewest=2).known
    assert mean([1.0, 2.0, 4.0], 0.5).hi < mean([1.0, 2.0, 4.0]).hi
