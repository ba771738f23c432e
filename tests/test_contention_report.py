"""Is the page of contention made from rows alone, and does it say what they say?

tests/golden/contention has rows of a small run: two variants, three workloads.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from alike import assert_folders_alike
from click.testing import CliRunner

from iova_lab.cli import main
from iova_lab.convoy import tables, validation
from iova_lab.convoy.figures import groups
from iova_lab.convoy.report import write_contention
from iova_lab.kernel import rows
from iova_lab.pages import read_page

GOLDEN = Path(__file__).parent / "golden" / "contention"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    write_contention(GOLDEN, out)
    return out


@pytest.fixture(scope="module")
def page(folder: Path) -> str:
    return (folder / "contention.md").read_text(encoding="utf-8")


def test_the_same_rows_give_the_same_page_whatever_else_was_simulated(
    folder: Path, tmp_path: Path
) -> None:
    results = tmp_path / "results"
    shutil.copytree(GOLDEN, results)
    for other in ({"scenario": "strict"}, {"think_ns": 5.0}):
        for row in rows.read(GOLDEN / "sweep.jsonl"):
            rows.append(results / "sweep.jsonl", row | {"max_wait_ns": 9e18} | other)
    write_contention(results, tmp_path / "page")
    assert (folder / "contention.html").exists()
    assert_folders_alike(tmp_path / "page", folder)


def test_the_answer_has_the_fewest_cpus_of_the_rows(page: str, tmp_path: Path) -> None:
    found = rows.read(GOLDEN / "lockups.jsonl")
    here = [row for row in found if row["ns_per_node"] == 0 and row["soft_cpus"]]
    least = min(here, key=lambda row: (row["soft_cpus"], row["nr_live"]))
    said = f"{least['soft_cpus']:,} CPUs ({least['workload']}, {least['nr_live']:,} live ranges)"
    assert page.startswith("# How many CPUs does it take until mainline's lock stops a machine?\n")
    assert said in page.splitlines()[2]
    (tmp_path / "contention.md").write_text(page)
    assert read_page(tmp_path / "contention.md").question.endswith("?")


def test_every_picture_is_there_with_its_finding(page: str, folder: Path) -> None:
    waits = rows.read(GOLDEN / "sweep.jsonl")
    for workload in {row["workload"] for row in waits}:
        assert f"](wait-{workload}.png)" in page
        assert (folder / f"wait-{workload}.png").exists()
        most = max(row["nr_cpus"] for row in waits)
        longest = max(
            row["max_wait_ns"]
            for row in waits
            if row["workload"] == workload and row["nr_cpus"] == most
        )
        assert f"{tables.duration(longest)} with" in page


def test_lock_ups_are_listed_and_nothing_else_is(page: str) -> None:
    table = [line for line in page.splitlines() if line.startswith("| ")]
    for row in rows.read(GOLDEN / "lockups.jsonl"):
        listed = any(
            line.startswith(f"| {row['workload']} ") and f" {row['nr_live']:,} |" in line
            for line in table
        )
        if row["soft_cpus"] or row["hard_cpus"]:
            assert listed


def test_errors_are_those_of_the_rows(page: str) -> None:
    import pandas as pd

    frame = pd.DataFrame(rows.read(GOLDEN / "validation.jsonl"))
    two = frame[frame["threads"] == 2]
    ratio = two["predicted_wait"] / two["measured_wait"] - 1
    errors = validation.errors(frame).set_index(["threads", "what"])
    assert errors.loc[(2, "wait"), "median"] == pytest.approx(ratio.median())
    assert abs(errors.loc[(2, "wait"), "worst"]) == pytest.approx(ratio.abs().max())
    assert f"{ratio.median():+.0%}" in page


@pytest.mark.parametrize("name", ["sweep", "lockups", "validation", "published", "host"])
def test_what_is_missing_is_said_with_the_command_that_makes_it(name: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(GOLDEN, results)
    (results / f"{name}.jsonl").unlink()
    out = CliRunner().invoke(
        main, ["contention", "report", "--results", str(results), "--out", str(tmp_path / "out")]
    )
    assert out.exit_code == 1
    made_by = "sweep" if name in ("sweep", "lockups") else "validate"
    assert f"{name}.jsonl has no rows: iova-lab contention {made_by}" in out.output
    assert not (tmp_path / "out").exists()


def test_curves_that_coincide_share_a_label() -> None:
    import pandas as pd

    wide = pd.DataFrame({"a": [1, 10.0], "b": [1.1, 10.2], "c": [1, 100.0]}, index=[4, 16])
    assert groups(wide) == [["c"], ["b", "a"]]
