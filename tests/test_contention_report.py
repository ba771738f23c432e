"""The page of contention is made from rows alone, and shows what they hold.

tests/golden/contention has rows of a small run: two variants, three workloads.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from iova_lab.basics.reading import read_rows
from iova_lab.basics.writing import append_row
from iova_lab.commands.cli import main
from iova_lab.contention import tables, validation
from iova_lab.rendering.pages import read_page
from iova_lab.reports.contention import write_contention
from iova_lab.reports.contention_figures import groups, wait_figure
from tests.support.alike import assert_folders_alike

pytestmark = pytest.mark.slow

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
        for row in read_rows(GOLDEN / "sweep.jsonl"):
            append_row(results / "sweep.jsonl", row | {"max_wait_ns": 9e18} | other)
    write_contention(results, tmp_path / "page")
    assert (folder / "contention.html").exists()
    assert_folders_alike(tmp_path / "page", folder)


def test_the_answer_has_the_fewest_cpus_of_the_rows(page: str, tmp_path: Path) -> None:
    found = read_rows(GOLDEN / "lockups.jsonl")
    there = [row for row in found if row["ns_per_node"] == 33 and row["soft_cpus"]]
    here = [row for row in found if row["here"] and row["soft_cpus"]]
    for group in (there, here):
        least = min(group, key=lambda row: (row["soft_cpus"], row["nr_live"]))
        said = f"{least['soft_cpus']:,} CPUs ({least['workload']}, {least['nr_live']:,} live ranges"
        assert said in page.split("## ")[0]
    assert page.startswith("# How many CPUs cause a lockup on mainline's lock?\n")
    (tmp_path / "contention.md").write_text(page)
    assert read_page(tmp_path / "contention.md").question.endswith("?")


def section(page: str, heading: str) -> str:
    """The text under one heading of any level."""
    rest = page.split(f"# {heading}\n", 1)[1]
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.M)[0]


def test_published_costs_of_a_node_are_shown_for_their_own_size_only(page: str) -> None:
    table = section(page, "At the published cost of a node")
    rows = [line for line in table.splitlines() if line.startswith("| ") and "---" not in line]
    sizes = {line.split("|")[2].strip() for line in rows}
    assert sizes == {"live ranges", "1,000,000"}
    assert "soft, 33 ns" in table


def test_a_size_whose_fits_are_bad_is_withdrawn_by_name_and_has_no_number(
    page: str, folder: Path
) -> None:
    here = section(page, "At this machine's cost of a node")
    assert "**Withdrawn until measured again**" in here
    assert "- 1,000,000 live ranges: the holds of " in here
    assert "`iova-lab contention sweep --again`" in here
    assert "| 1,000,000 |" not in here.replace("  ", "")
    assert not (folder / "lockups.png").exists()
    assert "](lockups.png)" not in page


def test_a_withdrawn_figure_of_an_earlier_page_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "lockups.png").write_bytes(b"old")
    (tmp_path / "wait-sac_first.svg").write_bytes(b"old")
    write_contention(GOLDEN, tmp_path)
    assert not (tmp_path / "lockups.png").exists()
    assert not (tmp_path / "wait-sac_first.svg").exists()


def test_samples_that_were_left_out_are_named_with_the_reason(page: str) -> None:
    text = section(page, "Samples that were left out")
    cell = "- mainline on high_limit at 1,000,000: alloc: "
    assert f"{cell}a remote cache cost of 38,960,000 ns, of at most 18," in text
    assert "22,780 ns" in page.split("## ")[0]


def test_a_cell_that_is_not_simulated_is_named_beside_its_picture(tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(GOLDEN, results)
    row = next(row for row in read_rows(GOLDEN / "services.jsonl") if row["asked"][0] == "max32")
    asked = ["max32", "random_replace", 100_000]
    append_row(results / "services.jsonl", row | {"asked": asked})
    write_contention(results, tmp_path / "out")
    text = (tmp_path / "out" / "contention.md").read_text()
    assert "- max32 on random_replace at 100,000: alloc: a hold of 1.73 ms, where the fit" in text
    assert "Left out: max32 (see below)." in text


@pytest.mark.parametrize("name", ["sweep", "lockups"])
@pytest.mark.parametrize("change", [{"handoff_ns": 260.8}, {"remote_ns": 380.0}])
def test_rows_of_other_machine_constants_are_refused(
    name: str, change: dict[str, float], tmp_path: Path
) -> None:
    results = tmp_path / "results"
    shutil.copytree(GOLDEN, results)
    row = read_rows(GOLDEN / f"{name}.jsonl")[0]
    append_row(results / f"{name}.jsonl", row | change)
    out = CliRunner().invoke(
        main, ["report", "contention", "--results", str(results), "--out", str(tmp_path / "out")]
    )
    assert out.exit_code == 1
    assert f"{name}.jsonl: 1 of " in out.output
    assert "simulated with other machine constants" in out.output
    assert not (tmp_path / "out").exists()


def test_maple_is_not_drawn_in_mainlines_look() -> None:
    frame = pd.DataFrame(
        [
            {"variant": name, "nr_cpus": cpus, "max_wait_ns": 1000.0 * cpus * index}
            for index, name in enumerate(("mainline", "maple"), 1)
            for cpus in (4, 16)
        ]
    )
    colours = {
        name: {
            line.get_color()
            for line in wait_figure(frame[frame["variant"] == name], "x").axes[0].lines
            if line.get_marker() not in ("None", "")
        }
        for name in ("mainline", "maple")
    }
    assert colours["mainline"]
    assert not colours["mainline"] & colours["maple"]


def test_every_picture_is_there_with_its_finding(page: str, folder: Path) -> None:
    waits = read_rows(GOLDEN / "sweep.jsonl")
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
    for row in read_rows(GOLDEN / "lockups.jsonl"):
        listed = any(
            line.startswith(f"| {row['workload']} ") and f" {row['nr_live']:,} |" in line
            for line in table
        )
        assert listed == bool(row["soft_cpus"] or row["hard_cpus"])


def test_errors_are_those_of_the_rows(page: str) -> None:
    frame = pd.DataFrame(read_rows(GOLDEN / "validation.jsonl"))
    two = frame[frame["threads"] == 2]
    ratio = two["predicted_wait"] / two["measured_wait"] - 1
    errors = validation.errors(frame)
    wait = errors[(errors["threads"] == 2) & (errors["what"] == "wait")]
    assert wait["median"].tolist() == [pytest.approx(ratio.median())]
    assert wait["worst"].abs().tolist() == [pytest.approx(ratio.abs().max())]
    assert f"{ratio.median():+.0%}" in page


@pytest.mark.parametrize(
    "name", ["sweep", "lockups", "services", "validation", "published", "host"]
)
def test_what_is_missing_is_said_with_the_command_that_makes_it(name: str, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(GOLDEN, results)
    for path in results.glob(f"{name}.jsonl*"):
        path.unlink()
    out = CliRunner().invoke(
        main, ["report", "contention", "--results", str(results), "--out", str(tmp_path / "out")]
    )
    assert out.exit_code == 1
    made_by = "validate" if name in ("validation", "published") else "sweep"
    assert f"{name}.jsonl" in out.output
    assert f"iova-lab contention {made_by}" in out.output
    assert not (tmp_path / "out").exists()


def test_curves_that_coincide_share_a_label() -> None:
    wide = pd.DataFrame({"a": [1, 10.0], "b": [1.1, 10.2], "c": [1, 100.0]}, index=[4, 16])
    assert groups(wide) == [["c"], ["b", "a"]]
