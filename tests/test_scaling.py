"""Exponents, classes and ratios, held against curves of which the truth is known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
from asv_runner.statistics import compute_stats

from iova_lab.claims import rules
from iova_lab.measuring import drift, growth
from iova_lab.measuring.frames import rows_of
from iova_lab.measuring.growth import CLASSES
from iova_lab.measuring.results import MEASURED, ResultsError
from iova_lab.measuring.scaling import RatioRow, exponents, ratios

DECADES = (100, 1_000, 10_000, 100_000, 1_000_000)
NO_FAKES: frozenset[str] = frozenset()

Curve = Callable[[float], float]

SHAPES: dict[str, Curve] = {
    "constant": lambda n: 37.0,
    "linear": lambda n: n / 2,
    "linear, with a constant part": lambda n: n / 6 + 20,
    "logarithmic": lambda n: 3 * math.log2(n),
    "logarithmic, with a constant part": lambda n: 20 + 2 * math.log2(n),
    "other": lambda n: n**0.5,
    "other, quadratic": lambda n: n**2 / 1000,
}


@pytest.fixture(autouse=True)
def no_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that does not drift, so that intervals are asv's own."""
    steady = drift.Floor(1.0, "a", "w", 100, 3)
    monkeypatch.setattr(drift, "floor", lambda frame: steady)


def rows(
    values: Sequence[float],
    metric: str = "nodes_per_op",
    variant: str = "a",
    sizes: Sequence[int] = DECADES,
    intervals: Sequence[tuple[float, float]] | None = None,
) -> pd.DataFrame:
    """Build the part of a tidy frame that scaling reads."""
    low, high = zip(*(intervals or [(math.nan, math.nan)] * len(values)), strict=True)
    return pd.DataFrame(
        {
            "metric": metric,
            "workload": "w",
            "variant": variant,
            "nr_live": sizes[: len(values)],
            "value": values,
            "ci_lo": low,
            "ci_hi": high,
            "status": MEASURED,
        }
    )


def timed(
    curve: Curve,
    noise: float,
    seed: int,
    variant: str = "a",
    sizes: Sequence[int] = DECADES,
    nr_samples: int = 10,
) -> pd.DataFrame:
    """Sample a curve with log-normal noise; asv's own statistics make medians and intervals."""
    rng = np.random.default_rng(seed)
    found = [
        compute_stats((curve(n) * np.exp(noise * rng.standard_normal(nr_samples))).tolist(), 1)
        for n in sizes
    ]
    bounds = [(stats["ci_99_a"], stats["ci_99_b"]) for _, stats in found]
    return rows([value for value, _ in found], "ns_per_op", variant, sizes, bounds)


def described(frame: pd.DataFrame) -> pd.Series:
    table = exponents(frame, NO_FAKES)
    assert len(table) == 1
    return table.iloc[0]


@pytest.mark.parametrize("shape", SHAPES)
def test_exact_counts_show_their_class(shape: str) -> None:
    row = described(rows([SHAPES[shape](n) for n in DECADES]))
    assert row["supported_class"] == shape.split(",")[0]
    assert row["reason"] == ""
    assert (row["nr_from"], row["nr_to"]) == (100_000, 1_000_000)
    assert row["lo"] == row["exponent"] == row["hi"]


@pytest.mark.parametrize("nr_sizes", [3, 4, 5])
def test_a_constant_part_does_not_hide_a_line(nr_sizes: int) -> None:
    row = described(rows([n / 6 + 20 for n in DECADES[:nr_sizes]]))
    assert row["supported_class"] == "linear"


@pytest.mark.slow
def test_random_sampling_of_a_workload_does_not_hide_a_line() -> None:
    classes = Counter(
        described(rows([(n / 6 + 20) * math.exp(0.02 * rng.standard_normal()) for n in DECADES]))[
            "supported_class"
        ]
        for rng in map(np.random.default_rng, range(100))
    )
    assert classes["linear"] >= 90
    assert set(classes) <= {"linear", "other", "undecided"}


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05, 0.2])
def test_a_flat_noisy_curve_is_never_called_anything_but_constant(noise: float) -> None:
    classes = Counter(
        described(timed(SHAPES["constant"], noise, seed))["supported_class"] for seed in range(40)
    )
    assert set(classes) <= {"constant", "undecided"}
    assert classes["constant"] >= 38 or noise > 0.02


@pytest.mark.slow
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape != "constant"])
def test_a_little_noise_does_not_change_the_class(shape: str) -> None:
    truth = shape.split(",")[0]
    classes = Counter(
        described(timed(SHAPES[shape], 0.005, seed))["supported_class"] for seed in range(30)
    )
    assert set(classes) <= {truth, "undecided"}
    assert classes[truth] >= 27


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_much_noise_leaves_it_undecided_rather_than_wrong(shape: str) -> None:
    truth = shape.split(",")[0]
    classes = Counter(
        described(timed(SHAPES[shape], 0.3, seed))["supported_class"] for seed in range(40)
    )
    wrong = sum(count for name, count in classes.items() if name not in (truth, "undecided"))
    assert wrong <= 1, classes
    assert set(classes) <= set(CLASSES)


@pytest.mark.slow
def test_the_interval_of_an_exponent_covers_the_truth() -> None:
    hits = 0
    for seed in range(60):
        row = described(timed(SHAPES["linear"], 0.1, seed))
        hits += row["lo"] <= 1 <= row["hi"]
    assert hits >= 57


def test_what_cannot_be_decided_says_why() -> None:
    linear = [float(n) for n in DECADES]
    two = described(rows(linear[:2]))
    assert (two["supported_class"], two["exponent"]) == ("undecided", pytest.approx(1))
    assert "fewer than 3 sizes" in two["reason"]
    assert "too few samples" in described(rows(linear, "ns_per_op"))["reason"]
    assert "too wide" in described(timed(SHAPES["linear"], 0.3, 1))["reason"]
    assert "4 sizes" in described(rows([4.5, 6.6, 8.0]))["reason"]
    assert "value of 0" in described(rows([0.0] * 5))["reason"]
    bent = described(rows([10.0, 10.0, 11.0, 100.0]))
    assert (bent["supported_class"], "bends" in bent["reason"]) == ("undecided", True)


def test_sizes_closer_than_a_decade_are_skipped() -> None:
    sizes = (100, 300, 1_000, 3_000, 10_000)
    row = described(rows([n / 2 for n in sizes], sizes=sizes))
    assert (row["nr_from"], row["nr_to"], row["supported_class"]) == (1_000, 10_000, "linear")


def test_a_single_size_and_a_fake_have_no_exponent() -> None:
    frame = pd.concat([rows([2.0]), rows([1.0] * 5, variant="null")])
    assert len(exponents(frame, frozenset({"null"}))) == 0


def test_what_was_not_measured_does_not_enter() -> None:
    frame = rows([n / 2 for n in DECADES])
    frame.loc[4, "value"] = math.nan
    frame.loc[4, "status"] = "skipped"
    assert described(frame)["nr_to"] == 100_000


def test_ratios_of_counts_are_exact() -> None:
    frame = pd.concat([rows([2.0, 4.0]), rows([1.0, 8.0], variant="b")])
    table = ratios(frame, "a", NO_FAKES)
    both = table[table["variant"] == "b"].sort_values("nr_live")
    assert both["ratio"].tolist() == pytest.approx([0.5, 2.0])
    assert both["lo"].tolist() == both["ratio"].tolist() == both["hi"].tolist()


@pytest.mark.parametrize(
    ("power", "is_log"), [(1.0, True), (2.0, True), (2.5, False), (4.0, False)]
)
def test_a_logarithm_explains_95_percent_of_the_variance(power: float, is_log: bool) -> None:
    """Powers of log n over six decades: r^2 is 1, 0.958, 0.920 and 0.802."""
    decades = np.arange(1.0, 7.0)
    points = np.repeat(decades**power, 3).reshape(-1, 3)
    assert growth._rises_like_log(10.0**decades, points) == is_log


def test_only_values_of_one_workload_metric_and_size_are_divided() -> None:
    """Baselines of 2 to 16; whichever is taken for another changes a ratio of 3, 5, 7 or 9."""
    base, other = [2.0, 4.0, 8.0, 16.0], [6.0, 20.0, 56.0, 144.0]
    frames = []
    for variant, values in (("a", base), ("b", other)):
        frames += [
            rows(values[:2], variant=variant),
            rows(values[2:3], variant=variant).assign(workload="v"),
            rows(values[3:], metric="span", variant=variant),
        ]
    table = ratios(pd.concat(frames), "a", NO_FAKES)
    found = table[table["variant"] == "b"].sort_values(["metric", "workload", "nr_live"])
    assert found["workload"].tolist() == ["v", "w", "w", "w"]
    assert found["ratio"].tolist() == pytest.approx([7, 3, 5, 9])


@pytest.mark.slow
def test_the_interval_of_a_ratio_is_wider_than_each_and_covers_the_truth() -> None:
    hits = 0
    for seed in range(60):
        first = timed(SHAPES["constant"], 0.1, seed, sizes=(100,))
        second = timed(lambda n: 74.0, 0.1, 1000 + seed, "b", sizes=(100,))
        table = ratios(pd.concat([first, second]), "a", NO_FAKES)
        row = table[table["variant"] == "b"].iloc[0]
        for one in (first, second):
            assert row["hi"] / row["lo"] > (one["ci_hi"] / one["ci_lo"]).iat[0]
        hits += row["lo"] <= 2 <= row["hi"]
    assert hits >= 57


def test_a_ratio_without_intervals_has_none() -> None:
    frame = pd.concat([rows([2.0], "ns_per_op"), rows([3.0], "ns_per_op", "b")])
    _, row = sorted(rows_of(ratios(frame, "a", NO_FAKES), RatioRow), key=lambda row: row.variant)
    assert row.ratio == pytest.approx(1.5)
    assert math.isnan(row.lo)
    assert math.isnan(row.hi)


def test_an_interval_that_reaches_zero_bounds_nothing_from_below() -> None:
    wide = rows([3.0], "ns_per_op", "b", intervals=[(-1.0, 9.0)])
    frame = pd.concat([rows([2.0], "ns_per_op", intervals=[(2.0, 2.0)]), wide])
    row = ratios(frame, "a", NO_FAKES).set_index("variant").loc["b"]
    assert (row["lo"], row["hi"]) == (0, pytest.approx(4.5))


def test_fakes_and_unknown_variants_are_no_baseline() -> None:
    frame = pd.concat([rows([2.0]), rows([1.0], variant="null")])
    for wrong in ("null", "mapel"):
        with pytest.raises(ResultsError, match=f"no baseline '{wrong}' in the results.*: a$"):
            ratios(frame, wrong, frozenset({"null"}))
    assert set(ratios(frame, "a", frozenset({"null"}))["variant"]) == {"a"}


@pytest.mark.parametrize(
    ("constant", "is_linear"), [(0, True), (200, True), (20_000, True), (200_000, False)]
)
def test_no_curve_is_linear_on_one_page_and_other_on_the_next(
    constant: int, is_linear: bool
) -> None:
    """A constant part flattens the curve below; reports and claims judge it alike."""
    values = [n / 6 + constant for n in DECADES]
    report = described(rows(values))["supported_class"]
    claim = rules.growth(DECADES, values)
    assert (report == "linear", claim == "linear") == (is_linear, is_linear)
