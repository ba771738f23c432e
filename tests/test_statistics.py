"""Are the statistics of a comparison right at their edges and against published quantiles?"""

from __future__ import annotations

import math

import numpy as np
import pytest

from iova_lab.measuring.statistics import POWER, SAME, Ratio, each, mean, ratio

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
    assert np.mean(drawn > critical) == pytest.approx(POWER, abs=0.004)
