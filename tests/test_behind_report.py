"""Does the page on what is left behind the per-CPU caches say what the results say?"""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from iova_lab.measuring.cells import number
from iova_lab.measuring.metrics import MOST_BEHIND
from iova_lab.reports.behind import write_behind
from tests.support import asv_files
from tests.support.asv_files import Cell, Cost
from tests.support.tables import rows_of

#: Share of requests that the caches answer; nodes of mainline's others grow with what is live.
HITS = {"near_empty": 1.0, "ring": 0.995, "startup": 0.0, "random_replace": 0.5, "lost_space": 0.0}


def behind(cost: Cost) -> Cost:
    """Measured up to `MOST_BEHIND` live ranges, and not for what keeps no ranges."""

    def value(*cell: str | int) -> asv_files.Value:
        variant, workload, nr_live = cell_of(*cell)
        known = asv_files.exists(workload, nr_live) and nr_live <= MOST_BEHIND
        return cost(variant, workload, nr_live) if known and variant != "null" else math.nan

    return value


def cell_of(*cell: str | int) -> Cell:
    variant, workload, nr_live = cell
    return str(variant), str(workload), int(nr_live)


def nodes(variant: str, workload: str, nr_live: int) -> float:
    misses = 1 - HITS[workload]
    return misses * (nr_live / 100 if workload == "random_replace" else 2)


def window(factor: float) -> Cost:
    def samples(variant: str, workload: str, nr_live: int) -> asv_files.Value:
        of_mainline = 1 if variant == "mainline" else 3
        return [factor * of_mainline * 20e-9 * asv_files.NR_MEASURED] * 8

    return samples


def written(tmp_path: Path, **costs: Cost) -> str | None:
    asv_files.suite(**costs).write(tmp_path / "results")
    page = write_behind(tmp_path / "results", "lab-1", "mainline", tmp_path / "out")
    if page is None:
        return None
    return page.with_suffix(".md").read_text(encoding="utf-8")


COUNTS: dict[str, Cost] = {
    "hit_rate": behind(lambda variant, workload, nr_live: HITS[workload]),
    "nodes_behind": behind(nodes),
    "worst_behind": behind(nodes),
}


def test_without_results_behind_the_caches_there_is_no_page(tmp_path: Path) -> None:
    assert written(tmp_path) is None
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_page_has_what_was_counted_at_the_largest_size(tmp_path: Path) -> None:
    text = written(tmp_path, **COUNTS)
    assert text is not None
    assert (
        "The caches of v6.7 answer 99% of the requests or more on 2 of 5 workloads, and less than"
        " 1% on 2; behind them mainline visits more than 10 nodes per op on 1." in text
    )
    rows = rows_of(text, "Nodes per op")
    assert [row[0] for row in rows] == [
        *("random_replace@10000", "lost_space@10000", "startup@10000", "ring@10000"),
        "near_empty@100",
    ]
    without = number(asv_files.nodes("mainline", "random_replace", 10_000))
    assert rows[0][1:] == ["50.0%", without, "50"]
    assert rows[-1][1:] == ["100.0%", "2", "0"]
    assert "Not measured." in text
    assert "--only rcache-counts --only rcache-times" in text


@pytest.mark.slow
def test_times_behind_the_lazy_caches_are_over_those_of_6_7(tmp_path: Path) -> None:
    costs = {"ns_behind_6_7": behind(window(1)), "ns_behind_7_3": behind(window(1.25))}
    text = written(tmp_path, **COUNTS, **costs)
    assert text is not None
    assert ["ring@10000", "20.0", "x1.25"] in rows_of(text, "Time")
    assert "Not measured." not in text
