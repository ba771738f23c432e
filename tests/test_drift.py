"""Times of one asv run are compared only beyond what the same run shows to be drift."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from iova_lab.measuring import drift
from iova_lab.measuring.results import find_run, tidy
from iova_lab.measuring.scaling import exponents, ratios
from iova_lab.rendering.tables import change, intervals
from iova_lab.reports.report_data import gather
from iova_lab.reports.thread import judge
from tests.support import asv_files

FAKES = frozenset({"null"})


def frame_of(root: Path, **replaced: Any) -> pd.DataFrame:
    asv_files.suite(**replaced).write(root)
    return tidy(root, find_run(root, "lab-1"))


def faster(share: float) -> Any:
    """Give anchor this share of cached64's time; nodes are the same."""

    def seconds(variant: str, workload: str, nr_live: int) -> Any:
        cost = asv_files.seconds("mainline", workload, nr_live)
        return [share * x for x in cost] if variant == "anchor" and isinstance(cost, list) else cost

    return seconds


def drifting(most: float) -> Any:
    """Make mainline's second time longer by this factor in one cell, the same in the others."""

    def again(variant: str, workload: str, nr_live: int) -> Any:
        cost = asv_files.seconds(variant, workload, nr_live)
        if variant != "mainline" or not isinstance(cost, list):
            return math.nan
        factor = most if (workload, nr_live) == ("startup", 1000) else 1.0
        return [factor * x for x in cost]

    return again


def versus(frame: pd.DataFrame, workload: str = "startup") -> Any:
    """Time of anchor over cached64's at 10,000 live ranges."""
    table = ratios(frame, "cached64", FAKES)
    here = (table["workload"] == workload) & (table["nr_live"] == 10_000)
    return intervals(table[here & (table["metric"] == "ns_per_op")], "ratio")["anchor"]


def test_the_floor_is_the_greatest_difference_of_a_time_from_itself(tmp_path: Path) -> None:
    found = drift.floor(frame_of(tmp_path, ns_again=drifting(1.302)))
    assert found is not None
    assert found.ratio == pytest.approx(1.302)
    assert (found.variant, found.workload, found.nr_live) == ("mainline", "startup", 1000)
    assert found.nr_cells == 17
    assert "30.2 % in 17 cells (startup at 1,000 live ranges)" in str(found)


def test_a_second_time_that_is_shorter_counts_as_well(tmp_path: Path) -> None:
    found = drift.floor(frame_of(tmp_path, ns_again=drifting(0.5)))
    assert found is not None
    assert found.ratio == pytest.approx(2)


def test_equal_nodes_are_not_faster_within_the_drift(tmp_path: Path) -> None:
    """Seen: anchor against cached64, 862 nodes both, -23.1 % [-30.3..-5.4]."""
    frame = frame_of(tmp_path, ns_per_op=faster(0.769), ns_again=drifting(1.302))
    found = versus(frame)
    assert found.value == pytest.approx(0.769)
    assert found.lo < 1 < found.hi
    assert judge(found) == "no difference beyond 5% shown"
    assert change(found).startswith("( none shown [")


def test_a_difference_beyond_the_drift_is_one(tmp_path: Path) -> None:
    found = versus(frame_of(tmp_path, ns_per_op=faster(0.5), ns_again=drifting(1.302)))
    assert found.hi < 0.95
    assert judge(found) == "faster"
    assert change(found).startswith("( -50.0% [")


def test_without_a_second_time_nothing_is_compared(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, ns_per_op=faster(0.1), ns_again=lambda *_: math.nan)
    assert drift.floor(frame) is None
    found = versus(frame)
    assert not found.known
    assert change(found) == "-"
    assert judge(found) == "not comparable in time: no interval"


def test_two_cells_are_too_few_for_a_floor(tmp_path: Path) -> None:
    def seldom(variant: str, workload: str, nr_live: int) -> Any:
        if (workload, nr_live) not in (("ring", 100), ("ring", 1000)):
            return math.nan
        return asv_files.again(variant, workload, nr_live)

    assert drift.floor(frame_of(tmp_path, ns_again=seldom)) is None


def test_counts_do_not_drift(tmp_path: Path) -> None:
    frame = frame_of(tmp_path, ns_again=drifting(3.0))
    table = ratios(frame, "mainline", FAKES)
    nodes = table[table["metric"] == "nodes_per_op"]
    assert (nodes["lo"] == nodes["hi"]).all()
    curves = exponents(frame, FAKES)
    counts = curves[curves["metric"] == "nodes_per_op"]
    assert (counts["lo"] == counts["hi"]).all()


@pytest.mark.slow
def test_a_report_prints_its_drift_and_its_load(tmp_path: Path) -> None:
    loads = {"load": lambda variant, *_: 1.5 if variant == "mainline" else math.nan}
    suite = asv_files.suite(ns_again=drifting(1.302))
    asv_files.suite(**(dict(suite.costs) | loads)).write(tmp_path)
    facts = gather(tmp_path, "lab-1", "mainline", None).facts
    assert facts["drift"].startswith("mainline timed twice in this run differed by up to 30.2 %")
    assert facts["load"].startswith("median 1.5, at most 1.5")
    asv_files.suite(ns_again=lambda *_: math.nan).write(tmp_path / "old")
    old = gather(tmp_path / "old", "lab-1", "mainline", None).facts
    assert old["drift"].startswith("not measured")
    assert old["load"] == "not recorded"
