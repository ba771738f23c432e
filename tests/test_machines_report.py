"""Does the page that compares machines say what their results say?"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from iova_lab.basics.errors import NoResultsError
from iova_lab.measuring import asv_runs
from iova_lab.reports import machines
from iova_lab.reports.machines import CELL, Machine, Pair
from tests.support.alike import assert_alike
from tests.support.committed import copy_results

ROOT = Path(__file__).resolve().parent.parent
RESULTS, REPORTS = ROOT / "results", ROOT / "reports"


def machine(name: str, ratios: list[tuple[str, float, float, float]], nodes: float) -> Machine:
    """A machine with these ratios of maple on one workload each, and one count."""
    cells = [
        {
            "workload": workload,
            "variant": "maple",
            "nr_live": 100,
            "ratio": ratio,
            "lo": lo,
            "hi": hi,
        }
        for workload, ratio, lo, hi in ratios
    ]
    counts = [("nodes_per_op", "ring", "maple", 100, nodes), ("load", "ring", "maple", 100, nodes)]
    values = pd.DataFrame(counts, columns=["metric", *CELL, "value"])
    return Machine(name, {}, (), values, pd.DataFrame(cells))


def test_only_two_shown_differences_contradict_each_other() -> None:
    nan = np.nan
    first = machine(
        "a",
        [
            ("ring", 0.5, 0.4, 0.6),
            ("ageing", 0.5, 0.4, 0.6),
            ("startup", 2.0, 1.5, 2.5),
            ("cross_cpu", 0.5, nan, nan),
            ("only_here", 0.5, 0.4, 0.6),
        ],
        3,
    )
    second = machine(
        "b",
        [
            ("ring", 3.0, 2.0, 4.0),
            ("ageing", 1.1, 0.9, 1.3),
            ("startup", 2.0, 1.5, 2.5),
            ("cross_cpu", 3.0, 2.0, 4.0),
        ],
        3,
    )
    pair = Pair(first, second)
    assert len(pair.both) == 4
    assert pair.opposite["workload"].tolist() == ["ring"]
    assert pair.nr_same == 1
    assert (pair.nr_counts, pair.nr_equal) == (1, 1)
    (row,) = pair.variants.to_dict("records")
    assert row["opposite"] == "1"
    assert row["cells"] == "4"
    assert row["furthest"] == "x6.00"
    assert pair.contradictions["cell"].tolist() == ["ring@100"]
    assert Pair(first, machine("b", [("ring", 1, 1, 1)], 4)).nr_equal == 0


def test_other_counts_are_of_other_code_where_the_commit_is_not_known() -> None:
    """Of maple alone; where most others differ as well, it is not the code of some."""

    def with_another(name: str, nodes: float, others: float) -> Machine:
        one = machine(name, [("ring", 1, 1, 1)], nodes)
        more = [one.values.assign(variant=name, value=others) for name in ("augmented", "null")]
        return replace(one, values=pd.concat([one.values, *more]), is_known=name == "a")

    first = with_another("a", 1, 5)
    pair = Pair(first, with_another("b", 2, 5))
    assert (pair.left_out, pair.nr_counts, pair.nr_equal, len(pair.both)) == ({"maple"}, 2, 2, 0)
    assert Pair(first, with_another("b", 1, 5)).left_out == set()
    assert Pair(first, with_another("b", 2, 6)).left_out == set()
    assert Pair(first, replace(with_another("b", 2, 5), is_known=True)).left_out == set()


def of_two(folder: Path, by: float) -> Path:
    """The committed reference and, as another machine, the same with maple's times ``by``."""
    shutil.copytree(RESULTS / "reference", folder / "reference")
    shutil.copy(RESULTS / "benchmarks.json", folder)
    shutil.copytree(RESULTS / "reference", folder / "other")
    name = json.loads((folder / "other" / "machine.json").read_text())
    (folder / "other" / "machine.json").write_text(json.dumps(name | {"machine": "other"}))
    for path in (folder / "other").glob("*-*.json"):
        stored = json.loads(path.read_text())
        stored["params"]["machine"] = "other"
        if row := stored["results"].get("latency.Latency.time_window"):
            multiply(row, stored["result_columns"], by)
        path.write_text(json.dumps(stored))
    return folder


def multiply(row: list[Any], columns: list[str], by: float) -> None:
    """Multiply maple's times, and their intervals, in a benchmark's row of asv's file."""
    variants, *others = row[columns.index("params")]
    nr_cells = int(np.prod([len(one) for one in others]))
    of_maple = variants.index("'maple'") * nr_cells
    for name in ("result", "stats_ci_99_a", "stats_ci_99_b"):
        values = row[columns.index(name)]
        for index in range(of_maple, of_maple + nr_cells):
            values[index] = values[index] and values[index] * by


@pytest.mark.slow
def test_what_differs_on_another_machine_is_on_the_page(tmp_path: Path) -> None:
    results = of_two(tmp_path / "results", 1000.0)
    (pair,) = [Pair(*machines.load(results))]
    assert pair.nr_counts == pair.nr_equal > 1000
    assert set(pair.opposite["variant"]) == {"maple"}
    assert len(pair.opposite) > 5
    text = machines.write_machines(results, tmp_path / "out").with_suffix(".md").read_text()
    table = text.split("### Contradictions")[1].split("###")[0]
    assert len(re.findall(r"\| +maple +\|", table)) == len(pair.opposite)
    assert f"**Yes: in {len(pair.opposite)} of " in text.splitlines()[2]
    assert f"all {pair.nr_counts:,} counts are equal" in text.splitlines()[2]


def test_one_machine_is_compared_with_none(tmp_path: Path) -> None:
    shutil.copytree(RESULTS / "reference", tmp_path / "reference")
    with pytest.raises(NoResultsError, match="has results of reference, and two machines"):
        machines.load(tmp_path)


@pytest.mark.slow
def test_the_committed_page_is_made_of_the_committed_results(tmp_path: Path) -> None:
    results, out = copy_results(tmp_path / "results"), tmp_path / "out"
    assert len(asv_runs.machines(results)) > 1
    machines.write_machines(results, out)
    for name in ("machines.md", "machines.png"):
        assert_alike(out / name, REPORTS / "machines" / name)
