"""Are values compared only where they are alike, and written so that nobody misreads them?"""

from __future__ import annotations

import dataclasses
import math

import pytest

from iova_lab import workloads
from iova_lab.measuring import cells
from iova_lab.measuring.cells import (
    Cell,
    CellRatio,
    Measured,
    Missing,
    UnlikeError,
    exceeds_share,
    extremes,
    format_value,
    is_pathological,
    number,
    ratio,
)

HERE = Cell("ring", 100_000, machine="box")


def _time(variant: str, value: float, cell: Cell = HERE, width: float = 0.1) -> Measured:
    return Measured(
        value=value,
        lo=value * (1 - width),
        hi=value * (1 + width),
        variant=variant,
        metric="ns_per_op",
        cell=cell,
        unit="ns/op",
    )


def test_values_of_one_cell_have_a_ratio_with_an_interval() -> None:
    found = ratio(_time("candidate", 150), _time("mainline", 100))
    assert isinstance(found, CellRatio)
    assert found.value == pytest.approx(1.5)
    assert 1.25 < found.lo < 1.5 < found.hi < 1.75
    assert (found.variant, found.base, found.cell) == ("candidate", "mainline", HERE)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("workload", "startup"),
        ("nr_live", 1_000_000),
        ("level", "rcache 6.7"),
        ("where", "6.12"),
        ("machine", "laptop"),
    ],
)
def test_values_of_unlike_cells_are_never_compared(name: str, other: str | int) -> None:
    elsewhere = dataclasses.replace(HERE, **{name: other})  # type: ignore[arg-type]
    with pytest.raises(UnlikeError, match="can't be compared"):
        ratio(_time("candidate", 150, elsewhere), _time("mainline", 100))


@pytest.mark.parametrize(("metric", "unit"), [("nodes_per_op", "ns/op"), ("ns_per_op", "ms/op")])
def test_unlike_metrics_or_units_are_never_compared(metric: str, unit: str) -> None:
    other = dataclasses.replace(_time("candidate", 150), metric=metric, unit=unit)
    with pytest.raises(UnlikeError):
        ratio(other, _time("mainline", 100))


def test_a_ratio_of_a_missing_value_is_missing_for_the_same_reason() -> None:
    assert ratio(Missing.OVER_BUDGET, _time("mainline", 1)) is Missing.OVER_BUDGET
    assert ratio(_time("mainline", 1), Missing.NOT_MEASURED) is Missing.NOT_MEASURED


def test_nothing_is_a_multiple_of_none() -> None:
    none = Measured.count("mainline", "failures", HERE, 0, "requests")
    some = Measured.count("rbtree", "failures", HERE, 3, "requests")
    assert ratio(some, none) is Missing.NOT_APPLICABLE


def test_a_ratio_of_counts_is_exact_and_one_without_an_interval_has_none() -> None:
    count = [Measured.count(name, "nodes", HERE, n, "nodes") for name, n in (("a", 3), ("b", 4))]
    exact = ratio(*count)
    assert isinstance(exact, CellRatio)
    assert exact.lo == exact.value == exact.hi == 0.75
    unknown = dataclasses.replace(_time("a", 3), lo=math.nan, hi=math.nan)
    loose = ratio(unknown, _time("b", 4))
    assert isinstance(loose, CellRatio)
    assert math.isnan(loose.lo)
    assert math.isnan(loose.hi)


def test_extremes_leave_out_what_is_missing() -> None:
    found = [ratio(_time("a", x), _time("b", 10)) for x in (3, 9, 1)]
    least, most = extremes([Missing.FAILED, *found]) or pytest.fail("none")
    assert (least.value, most.value) == pytest.approx((0.1, 0.9))
    assert extremes([Missing.FAILED]) is None


@pytest.mark.parametrize(
    ("nr_live", "worst", "spurious", "above", "expected"),
    [
        (1_000, 101, 0, 0, True),
        (1_000, 100, 0, 0, False),
        (999, 999, 0, 0, False),
        (100, 5, 1, 0, True),
        (100, 5, 0, 1, True),
        (1_000, Missing.NOT_MEASURED, 0, 0, None),
        (999, Missing.NOT_MEASURED, 0, 0, False),
        (1_000, Missing.NOT_MEASURED, 1, 0, True),
        (1_000, 5, Missing.OVER_BUDGET, 0, None),
        (1_000, Missing.NOT_APPLICABLE, 0, 0, False),
    ],
)
def test_pathological_is_one_definition_and_unknown_is_not_none(
    nr_live: int,
    worst: float | Missing,
    spurious: float | Missing,
    above: float | Missing,
    expected: bool | None,
) -> None:
    assert is_pathological(nr_live, worst, spurious, above) is expected


def test_a_worst_op_that_was_not_measured_is_neither_short_nor_long() -> None:
    assert exceeds_share(10_000, Missing.NOT_MEASURED) is None
    assert exceeds_share(10_000, 1_001) is True


@pytest.mark.parametrize(
    ("value", "exact", "text"),
    [
        (19.0, True, "19"),
        (1_234_567, True, "1,234,567"),
        (0, True, "0"),
        (3.4567, True, "3.46"),
        (29_626.4, True, "29,600"),
        (29_626.0, False, "29,600"),
        (19.0, False, "19.0"),
        (999.7, False, "1,000"),
        (9.999, False, "10.0"),
        (0.004567, False, "0.00457"),
        (math.nan, True, "-"),
        (-3.4567, False, "-3.46"),
    ],
)
def test_counts_are_whole_and_measured_values_have_three_digits(
    value: float, exact: bool, text: str
) -> None:
    assert number(value, exact=exact) == text


def test_values_are_written_with_their_unit_and_missing_ones_with_their_reason() -> None:
    assert str(Measured.count("a", "worst_nodes", HERE, 19.0, "nodes")) == "19 nodes"
    assert str(_time("a", 29_626.0)) == "29,600 ns/op"
    assert format_value(Missing.FAILED, "ns/op") == "failed"
    assert format_value(0.0, "requests") == "0 requests"


def test_a_cell_is_written_with_its_size_and_all_that_is_special() -> None:
    assert str(HERE) == "ring at 100,000 live ranges, on box"
    assert str(Cell("ring", 1, "rcache 6.7", "6.12")) == "ring at 1 live ranges, rcache 6.7, 6.12"


def test_the_common_case_is_one_set_of_workloads_at_every_size() -> None:
    assert Cell("ring", 100).is_common
    assert Cell("ring", 1_000_000).is_common
    assert not Cell("full_32bit", 100).is_common
    recorded = {name for name in workloads.names() if name.startswith("trace_")}
    assert set(cells.COMMON_CASE) == {"near_empty", "ring", "startup", *recorded}
