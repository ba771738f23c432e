"""Does the page on releases show what was counted of each text, and what each of them changed?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from iova_lab import workloads
from iova_lab.commands.cli import main
from iova_lab.measuring import instructions, releases
from iova_lab.measuring.counts import count
from tests.support import small_tree
from tests.support.tables import rows_of

SEARCH = "\tfound = highest_fit(iovad, size, limit_pfn + 1, mask, new);\n"
CELLS = ("near_empty@100", "ring@100")

pytestmark = pytest.mark.slow


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, words)
    return done.exit_code, done.output


@pytest.fixture
def trees(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Two releases; the later one makes each search twice.  Instructions need no valgrind here."""
    monkeypatch.setattr(releases, "CELLS", CELLS)
    monkeypatch.setattr(releases, "RCACHE_CELLS", CELLS[:1])
    monkeypatch.setattr(instructions, "valgrind", lambda: "valgrind")
    monkeypatch.setattr(releases, "per_op", lambda variant, stream, rcache="off": 100.0)
    before = small_tree.write(tmp_path / "before", "5.14")
    after = small_tree.write(tmp_path / "after", "6.7", changes={SEARCH: SEARCH + SEARCH})
    return str(before), str(after)


def test_the_page_has_the_counts_of_each_text(trees: tuple[str, str], tmp_path: Path) -> None:
    results, out = tmp_path / "results", tmp_path / "page"
    status, output = run("linux", "releases", *trees, "--results", str(results))
    assert status == 0, output
    status, output = run("report", "releases", "--results", str(results), "--out", str(out))
    assert status == 0, output
    text = (out / "releases.md").read_text(encoding="utf-8")
    nodes = rows_of(text, "Nodes visited")
    assert [row[0] for row in nodes] == list(CELLS)
    for cell, *shown in nodes:
        workload, nr_live = workloads.split(cell)
        stream = workloads.generate(workload, nr_live or 0)
        for tree, value in zip(trees, shown, strict=True):
            exact = count(f"linux:{tree}", stream).nodes_per_op
            assert float(value) == pytest.approx(exact, rel=0.006)
    assert "### v6.7, after v5.14" in text
    assert "Changed files: `drivers/iommu/iova.c`, `include/linux/iova.h`." in text
    assert "nodes/op: changed in 2 of 2 cells" in text
    assert "instructions/op: the same in all 2 cells." in text
    for release in ("v5.14", "v6.7"):  # they have no caches to count
        assert f"- near_empty@100 on {release}: " in text
    assert "## Time\n\nNot measured." in text
    assert f"iova-lab compare linux:{trees[0]} linux:{trees[1]}" in text


def test_times_are_those_of_a_comparison_that_is_stored(
    trees: tuple[str, str], tmp_path: Path
) -> None:
    results, out = tmp_path / "results", tmp_path / "page"
    assert run("linux", "releases", *trees, "--results", str(results))[0] == 0
    names = [f"linux:{tree}" for tree in trees]
    where = ["--results", str(results / "compare"), "--out", str(tmp_path / "compare")]
    words = ["compare", *names, "--workloads", "near_empty", "--budget", "10", *where]
    status, output = run(*words)
    assert status == 0, output
    run("report", "releases", "--results", str(results), "--out", str(out))
    ((cell, shown),) = rows_of((out / "releases.md").read_text(encoding="utf-8"), "Time")
    assert cell == "near_empty@100"
    assert re.match(r"slower|faster|no difference found|too few samples", shown)


def test_a_source_that_is_counted_again_replaces_its_rows(
    trees: tuple[str, str], tmp_path: Path
) -> None:
    for names in (trees, trees[:1]):
        assert run("linux", "releases", *names, "--results", str(tmp_path / "results"))[0] == 0
    rows = releases.load(tmp_path / "results")
    assert len(rows) == 2 * len(releases.cells())
    assert {row.source for row in rows} == set(trees)


def test_all_workloads_are_counted_and_only_some_have_a_row(
    trees: tuple[str, str], tmp_path: Path
) -> None:
    results, out = tmp_path / "results", tmp_path / "page"
    words = ["linux", "releases", *trees, "--results", str(results), "--largest", "100"]
    status, output = run(*words)
    assert status == 0, output
    rows = [row for row in releases.load(results) if row.rcache == "off"]
    names = {name for name in workloads.names() if workloads.get(name).why_not(100) is None}
    assert {row.workload for row in rows if row.nr_live == 100} == names
    assert {row.cell for row in rows if row.instructions is not None} == set(CELLS)
    assert all(row.nodes is not None for row in rows)
    run("report", "releases", "--results", str(results), "--out", str(out))
    text = (out / "releases.md").read_text(encoding="utf-8")
    assert [row[0] for row in rows_of(text, "Nodes visited")] == list(CELLS)
    assert re.search(rf"nodes/op: changed in \d+ of {len(names)} cells", text)
    assert "--largest 100 --results" in text


def test_one_release_is_no_page(trees: tuple[str, str], tmp_path: Path) -> None:
    results = str(tmp_path / "results")
    assert run("linux", "releases", trees[0], "--results", results)[0] == 0
    done = CliRunner().invoke(main, ["report", "releases", "--results", results])
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    assert "has no two releases: iova-lab linux releases counts them" in line


def test_a_source_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["linux", "releases", str(tmp_path / "none")])
    assert done.exit_code == 1
    (line,) = done.stderr.strip().splitlines()
    assert "no such folder" in line
