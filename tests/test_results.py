"""asv's files become one tidy frame; nothing is guessed, nothing lost silently."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from asv.results import Results

from iova_lab.basics.reading import FileError
from iova_lab.measuring.asv_runs import ResultsError, check, find_run, machines
from iova_lab.measuring.metrics import METRICS, MOST_BEHIND, RCACHE_METRICS
from iova_lab.measuring.results import (
    COLUMNS,
    FAILED,
    KEEPS_NONE,
    LARGER,
    MEASURED,
    NOT_APPLICABLE,
    NOT_MEASURED,
    OVER_BUDGET,
    REASONS,
    STALE,
    select,
    tidy,
    why_missing,
)
from tests.support import asv_files


def read(root: Path, machine: str = "lab-1", commit: str | None = None) -> pd.DataFrame:
    return tidy(root, find_run(root, machine, commit))


def cell(frame: pd.DataFrame, metric: str, variant: str, workload: str, nr_live: int) -> pd.Series:
    keys = {"metric": metric, "variant": variant, "workload": workload, "nr_live": nr_live}
    rows = frame[frame[list(keys)].eq(pd.Series(keys)).all(axis=1)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_the_fixture_is_what_asv_writes_and_reads(tmp_path: Path) -> None:
    path = asv_files.suite().write(tmp_path)
    loaded = Results.load(str(path), machine_name="lab-1")
    name = asv_files.BENCHMARKS["nodes_per_op"]
    values = loaded.get_result_value(name, loaded.get_result_params(name))
    frame = read(tmp_path)
    assert sorted(x for x in values if not math.isnan(x)) == sorted(
        select(frame, metric="nodes_per_op")["value"]
    )


def test_one_row_per_cell(tmp_path: Path) -> None:
    asv_files.suite().write(tmp_path)
    frame = read(tmp_path)
    assert list(frame.columns) == COLUMNS
    grid = len(METRICS) * len(asv_files.VARIANTS) * len(asv_files.WORKLOADS) * len(asv_files.SIZES)
    assert len(frame) == grid
    assert not frame.duplicated(["metric", "variant", "workload", "nr_live"]).any()
    assert set(frame["machine"]) == {"lab-1"}
    assert frame["date"].iat[0] == pd.Timestamp("2024-10-04")


def test_times_become_ns_per_measured_op_with_their_interval(tmp_path: Path) -> None:
    samples = [1200e-6, 1212e-6, 1188e-6] * 4
    asv_files.suite(ns_per_op=lambda *_: samples).write(tmp_path)
    row = cell(read(tmp_path), "ns_per_op", "anchor", "ring", 1000)
    assert row["value"] == pytest.approx(1000)
    assert (row["ci_lo"], row["ci_hi"]) == (pytest.approx(990), pytest.approx(1010))
    assert row["nr_samples"] == 12


def test_a_single_sample_has_no_interval(tmp_path: Path) -> None:
    asv_files.suite(ns_per_op=lambda *_: [1200e-9]).write(tmp_path)
    row = cell(read(tmp_path), "ns_per_op", "anchor", "ring", 1000)
    assert (row["value"], row["nr_samples"]) == (pytest.approx(1), 1)
    assert math.isnan(row["ci_lo"])
    assert math.isnan(row["ci_hi"])


def test_failed_skipped_and_not_run_are_told_apart(tmp_path: Path) -> None:
    def nodes(variant: str, workload: str, nr_live: int) -> float | None:
        if variant == "anchor":
            return None
        return math.nan if variant == "cached32" else 2.0

    asv_files.suite(nodes_per_op=nodes).write(tmp_path)
    frame = read(tmp_path)
    expected = {"anchor": FAILED, "cached32": NOT_MEASURED, "mainline": MEASURED}
    for variant, status in expected.items():
        row = cell(frame, "nodes_per_op", variant, "ring", 100)
        assert (row["status"], row["reason"] == "") == (status, status == MEASURED)
    assert cell(frame, "span_per_pfn", "anchor", "ring", 100)["status"] == NOT_MEASURED


def test_all_failed_is_failed_although_asv_stores_one_null(tmp_path: Path) -> None:
    path = asv_files.suite(nodes_per_op=lambda *_: None).write(tmp_path)
    stored = json.loads(path.read_text())["results"][asv_files.BENCHMARKS["nodes_per_op"]]
    assert stored[0] is None
    frame = read(tmp_path)
    assert set(frame[frame["metric"] == "nodes_per_op"]["status"]) == {FAILED}


def test_a_cell_without_value_says_why(tmp_path: Path) -> None:
    def why_not(variant: str, workload: str, nr_live: int) -> float:
        return 2.0 if variant == "cached32" and nr_live == 100_000 else 0.0

    def nodes(variant: str, workload: str, nr_live: int) -> float | None:
        if variant == "mainline":
            return None
        return math.nan if why_not(variant, workload, nr_live) else 2.0

    asv_files.suite(nodes_per_op=nodes, why_not=why_not).write(tmp_path)
    frame = read(tmp_path)
    assert why_missing(frame, "nodes_per_op", "cached32", "ring", 100_000) == REASONS[OVER_BUDGET]
    assert why_missing(frame, "nodes_per_op", "cached32", "ring", 100) is None
    assert "failed" in (why_missing(frame, "nodes_per_op", "mainline", "ring", 100) or "")
    assert why_missing(frame, "nodes_per_op", "maple", "ring", 100) == ("not measured in this run")
    assert cell(frame, "ns_per_op", "cached32", "ring", 100_000)["reason"] == ""


def test_missing_is_told_apart_although_asv_stores_nan_for_all_of_it(tmp_path: Path) -> None:
    """Also in the quick form, which measures no coverage."""
    asv_files.suite(
        nodes_per_op=lambda v, w, n: asv_files.nodes(v, w, n) if n == 10_000 else math.nan,
        worst_nodes=lambda v, w, n: math.nan if v == "null" else 0.0,
        why_not=lambda *_: math.nan,
    ).write(tmp_path)
    frame = read(tmp_path)

    def status(*place: Any) -> str:
        return str(cell(frame, *place)["status"])

    assert status("nodes_per_op", "mainline", "near_empty", 1_000) == NOT_APPLICABLE
    assert status("nodes_per_op", "mainline", "ring", 1_000) == NOT_MEASURED
    assert status("worst_nodes", "null", "ring", 10_000) == NOT_APPLICABLE
    assert status("worst_nodes", "mainline", "ring", 10_000) == MEASURED
    assert cell(frame, "worst_nodes", "mainline", "ring", 10_000)["value"] == 0


def test_what_is_behind_an_rcache_is_a_grid_of_its_own(tmp_path: Path) -> None:
    def behind(variant: str, workload: str, nr_live: int) -> float:
        return 0.5 if nr_live <= MOST_BEHIND and variant != "null" else math.nan

    asv_files.suite(hit_rate=behind).write(tmp_path)
    assert "hit_rate" not in set(read(tmp_path)["metric"])
    frame = tidy(tmp_path, find_run(tmp_path, "lab-1"), RCACHE_METRICS)
    assert set(frame["metric"]) == {metric.name for metric in RCACHE_METRICS.values()}
    assert cell(frame, "hit_rate", "mainline", "ring", MOST_BEHIND)["value"] == 0.5
    whys = {
        (variant, nr_live): why_missing(frame, "hit_rate", variant, "ring", nr_live)
        for variant in ("mainline", "null")
        for nr_live in (100, 100_000)
    }
    assert whys == {
        ("mainline", 100): None,
        ("mainline", 100_000): LARGER,
        ("null", 100): KEEPS_NONE,
        ("null", 100_000): KEEPS_NONE,
    }


def test_results_of_another_version_of_a_benchmark_are_stale(tmp_path: Path) -> None:
    asv_files.suite().write(tmp_path)
    path = tmp_path / "benchmarks.json"
    known = json.loads(path.read_text())
    known[asv_files.BENCHMARKS["nodes_per_op"]]["version"] = "2"
    path.write_text(json.dumps(known))
    frame = read(tmp_path)
    assert set(frame[frame["metric"] == "nodes_per_op"]["status"]) == {STALE}
    assert len(select(frame, metric="nodes_per_op")) == 0


def test_benchmarks_that_are_not_ours_are_left_out(tmp_path: Path) -> None:
    path = asv_files.suite().write(tmp_path)
    data = json.loads(path.read_text())
    data["results"]["other.Bench.time_it"] = [[1.0], []]
    path.write_text(json.dumps(data))
    assert set(read(tmp_path)["metric"]) == {metric.name for metric in METRICS.values()}


def test_the_newest_commit_is_read_unless_another_is_asked_for(tmp_path: Path) -> None:
    for commit, day, value in (("aa" * 20, 3, 3.0), ("bb" * 20, 9, 9.0), ("ab" * 20, 5, 5.0)):
        nodes = {"nodes_per_op": lambda *_, value=value: value}
        asv_files.suite(**nodes, commit=commit, day=day).write(tmp_path)
    assert set(select(read(tmp_path), metric="nodes_per_op")["value"]) == {9.0}
    chosen = read(tmp_path, commit="ab")
    assert set(chosen["commit"]) == {"ab" * 20}
    assert set(select(chosen, metric="nodes_per_op")["value"]) == {5.0}
    for wrong, said in (("a", "ambiguous"), ("cc", "was not measured")):
        with pytest.raises(ResultsError, match=said) as error:
            find_run(tmp_path, "lab-1", wrong)
        assert "aaaaaaaa" in str(error.value)


def test_machines_are_listed_and_named_in_errors(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no machine yet"):
        find_run(tmp_path, "lab-1")
    asv_files.suite(machine="lab-2").write(tmp_path)
    asv_files.suite().write(tmp_path)
    (tmp_path / "candidate").mkdir()  # results of another kind are no machine's
    (tmp_path / "candidate" / "counts.csv.json").write_text("{}")
    assert machines(tmp_path) == ["lab-1", "lab-2"]
    with pytest.raises(ResultsError, match="'lab-3'; there are: lab-1, lab-2"):
        find_run(tmp_path, "lab-3")


def _edit(path: Path, **changes: Any) -> None:
    data = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({key: value for key, value in data.items() if value is not None}))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"version": 1}, "format version 1, not 2"),
        ({"version": None}, "format version None"),
        ({"result_columns": None}, "missing required field `result_columns`"),
        ({"results": "none"}, "results: Expected `object`, got `str`"),
        (
            {"results": {asv_files.BENCHMARKS["nodes_per_op"]: 3}},
            r"results\[...\]: Expected `array",
        ),
        ({"results": {asv_files.BENCHMARKS["nodes_per_op"]: [3]}}, r"track_nodes_per_op, result: "),
        ({"results": {asv_files.BENCHMARKS["nodes_per_op"]: [[1], [[1]]]}}, r"params\[0\]\[0\]: "),
        ({"date": 1e300}, "date: Expected `int`"),
        ({"date": 10**18}, "date: Expected `int` <= "),
        ({"params": {"machine": "elsewhere"}}, "machine 'elsewhere', in the folder of 'lab-1'"),
        ({"results": {}}, "holds none of our benchmarks"),
        ({"results": {asv_files.BENCHMARKS["nodes_per_op"]: [[1.0], [["1"]]]}}, "parameters"),
        (
            {
                "results": {
                    asv_files.BENCHMARKS["nodes_per_op"]: [[1.0], [["'a'"], ["'ring'"], ["1", "2"]]]
                }
            },
            "one value per cell",
        ),
        (
            {"results": {asv_files.BENCHMARKS["ns_per_op"]: [[1.0], [["'a'"], ["'gone'"], ["1"]]]}},
            "no workload named 'gone'",
        ),
    ],
)
def test_a_foreign_file_is_one_clear_line(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    _edit(asv_files.suite().write(tmp_path), **changes)
    with pytest.raises(FileError, match=said) as error:
        read(tmp_path)
    assert "\n" not in str(error.value)


def test_a_truncated_file_is_one_clear_line(tmp_path: Path) -> None:
    path = asv_files.suite().write(tmp_path)
    text = path.read_text()
    null = json.dumps(json.loads(text) | {"results": None})
    for broken in (text[: len(text) // 2], "", "[]", null, "[" * 99_999, '{"version": 2}'):
        path.write_text(broken)
        with pytest.raises(FileError, match=path.name) as error:
            read(tmp_path)
        with pytest.raises(FileError, match=path.name):
            check(tmp_path)
        assert "\n" not in str(error.value)


def test_missing_benchmarks_json_is_named(tmp_path: Path) -> None:
    asv_files.suite().write(tmp_path)
    (tmp_path / "benchmarks.json").unlink()
    with pytest.raises(FileError, match=r"benchmarks\.json: No such file"):
        read(tmp_path)
