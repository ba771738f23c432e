"""Does what docs/linux.md says of asv over a tree's commits work, command by command?

Four commits of a small tree change its allocator; the third walks each search a second time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from iova_lab.commands.cli import main
from iova_lab.linux import asv_folder
from tests.support import asv_runner, small_tree

SEARCH = "\tfound = highest_fit(iovad, size, limit_pfn + 1, mask, new);\n"
END = 'MODULE_LICENSE("GPL");\n'
STEPS: list[dict[str, str]] = [
    {END: "/* One. */\n" + END},
    {END: "/* Two. */\n" + END},
    {SEARCH: SEARCH + SEARCH},
    {SEARCH: SEARCH + "\n" + SEARCH},
]
MISTAKE = 2
CELL = "NodesMean.*ring@100"

Asv = Callable[..., str]


def make_tree(folder: Path) -> tuple[Path, list[str]]:
    """Commits: the base, and each step; between them some that change other files."""
    tree = small_tree.write(folder / "tree")
    commits = [small_tree.commit(tree, "base")]
    small_tree.git(tree, "tag", "v1")
    for number, changes in enumerate(STEPS):
        small_tree.put(tree, "drivers/other.c", f"int other{number};\n")
        small_tree.commit(tree, "another file")
        small_tree.write(tree, changes=changes)
        commits.append(small_tree.commit(tree, f"step {number}"))
    return tree, commits


def run_lab(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["linux", "asv", *arguments])
    return result.exit_code, result.output + result.stderr


def test_the_axis_is_the_commits_that_change_the_text(tmp_path: Path) -> None:
    tree, commits = make_tree(tmp_path)
    out = tmp_path / "out"
    assert asv_folder.write(str(tree), ["v1..HEAD"], out) == commits
    assert (out / "commits").read_text().split() == commits
    (out / "results").mkdir()
    assert asv_folder.write(str(tree), ["v1", "main"], out) == [commits[0], commits[-1]]
    assert (out / "results").exists()


def test_what_can_not_be_an_axis_is_one_line(tmp_path: Path) -> None:
    tree, _ = make_tree(tmp_path)
    out = tmp_path / "out"
    for revisions, reason in (
        (["v1..nope"], "has no commit 'nope'"),
        (["nope"], "has no commit 'nope'"),
        (["..HEAD"], "is no range of commits REV1..REV2"),
        (["v1..HEAD", "v1"], "one range REV1..REV2, or several commits or tags"),
        (["HEAD..v1"], "no commit of"),
        (["HEAD", "--workload", "ring"], "ring: how many live ranges?"),
        (["HEAD", "--workload", "ring@0"], "ring"),
    ):
        status, output = run_lab(str(tree), *revisions, "--out", str(out))
        assert (status, reason in output) == (1, True), output
    plain = small_tree.write(tmp_path / "plain")
    status, output = run_lab(str(plain), "HEAD", "--out", str(out))
    assert (status, "is not the top of a git repository" in output) == (1, True)
    status, output = run_lab(str(tree), "HEAD", "--out", str(tree))
    assert (status, "is not empty, and no folder of this command" in output) == (1, True)
    assert not out.exists()


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Asv, list[str]]:
    """The folder that the command has written, asv in it, and the commits."""
    folder = tmp_path_factory.mktemp("linux-asv")
    tree, commits = make_tree(folder)
    out = folder / "out"
    options = ("--workload", "ring@100", "--out", str(out))
    status, output = run_lab(str(tree), "v1..HEAD", *options)
    assert status == 0, output
    asv = asv_runner.runner(out, folder)
    return out, asv, commits


@pytest.mark.long
@pytest.mark.slow
def test_find_and_continuous_name_the_step(series: tuple[Path, Asv, list[str]]) -> None:
    _, asv, commits = series
    found = asv("find", "--machine=here", "v1..main", CELL)
    assert f"Greatest regression found: {commits[MISTAKE + 1][:8]}" in found, found
    mistake = commits[MISTAKE + 1]
    same = asv("continuous", "--machine=here", "--bench=NodesMean", *commits[1:3])
    assert "BENCHMARKS NOT SIGNIFICANTLY CHANGED" in same
    asv("continuous", "--machine=here", "--bench=NodesMean", f"{mistake}^", mistake, status=1)


@pytest.mark.long
@pytest.mark.slow
def test_run_compare_and_publish_over_the_axis(series: tuple[Path, Asv, list[str]]) -> None:
    out, asv, commits = series
    asv("run", "--machine=here", "--bench=Nodes|Refusals", "HASHFILE:commits")
    compared = asv("compare", "--machine=here", "--only-changed", "v1", "main")
    assert re.search(r"^\| \+ .*NodesMean", compared, re.M), compared
    asv("run", "--machine=here", "--quick", "--bench=Latency", "main^!")
    asv("publish")
    graphs = list((out / "html/graphs").rglob("text.NodesMean.track_nodes_per_op.json"))
    assert graphs
    assert {len(json.loads(path.read_text(encoding="utf-8"))) for path in graphs} == {len(commits)}
