"""What `make bench` prints while asv runs: few lines, and no estimate before there is a rate."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from iova_lab import workloads
from iova_lab.measuring import asv_progress
from iova_lab.measuring.asv_progress import count_cells, remaining, troubles

#: Prints as asv does: steps, a table, and lines from a benchmark.
NOISY = """
import os, sys
print("\u00b7 Creating environments")
print("[ 0.00%] \u00b7\u00b7 Installing 0123abcd into virtualenv-py3.11")
for number in range(5000):
    print("  mainline  ring  100  n/a")
with open(os.environ["IOVA_LAB_PROGRESS"], "a") as file:
    file.write("1\\n2\\n")
print("  crash  ring  100  failed")
sys.exit(int(sys.argv[1]))
"""


def run(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, status: int
) -> str:
    monkeypatch.chdir(folder)
    assert asv_progress.run([sys.executable, "-c", NOISY, str(status)], 2) == status
    out, err = capfd.readouterr()
    return out + err


@pytest.mark.slow
@pytest.mark.parametrize("status", [0, 1, 2])
def test_asvs_table_is_kept_and_not_printed(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    printed = run(tmp_path, capfd, monkeypatch, status)
    assert len(printed.splitlines()) <= asv_progress.NR_SHOWN + 5
    assert ("crash  ring  100  failed" in printed) == (status != 0)
    assert len((tmp_path / asv_progress.LOG).read_text(encoding="utf-8").splitlines()) == 5003


def test_a_failed_cell_is_shown_and_a_missing_one_is_not(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("a  n/a\nb  failed\nc  12.0\n", encoding="utf-8")
    assert list(troubles(log, 2)) == ["b  failed"]


@pytest.mark.parametrize(
    ("nr_begun", "seconds", "text"),
    [
        (1, 60.0, "estimating"),
        (40, 60.0, "estimating"),
        (100, 60.0, "about 9 min left"),
        (999, 60.0, "less than a minute left"),
    ],
)
def test_the_estimate_is_the_rate_so_far_once_there_is_one(
    nr_begun: int, seconds: float, text: str
) -> None:
    assert remaining(nr_begun, 1000, seconds) == text


def test_only_cells_that_exist_are_counted() -> None:
    """near_empty has one size, and a fake has no counts of its own."""
    assert workloads.get("near_empty").max_nr_live == 100
    assert count_cells(r"NodesMean.*'anchor', 'near_empty'") == 1
    assert count_cells(r"NodesMean.*'anchor', 'ring'") == 5
    assert count_cells(r"NodesMean.*'null', 'ring', 100\)") == 1
    assert count_cells(r"NodesWorst.*'null', 'ring', 100\)") == 0


def test_a_timed_cell_counts_once_a_round() -> None:
    label = r"^latency.*'anchor', 'ring', 100\)"
    assert count_cells(label) == 2
    assert count_cells(label, rounds=4) == 4


def test_asv_runs_a_count_as_often_as_its_rounds_are_set_to() -> None:
    label = r"NodesMean.*'anchor', 'ring', 100\)"
    assert count_cells(label) == 1
    assert count_cells(label, rounds=2) == 2
