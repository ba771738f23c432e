"""Does `git bisect run` with `iova-lab try --linux .` find the commit, and skip what it must?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from iova_lab.basics.errors import IovaLabError
from iova_lab.commands.cli import main
from iova_lab.comparison import criterion
from tests.support import small_tree

SEARCH = "\tfound = highest_fit(iovad, size, limit_pfn + 1, mask, new);\n"
END = 'MODULE_LICENSE("GPL");\n'
#: Each search is made twice.
SLOW = {SEARCH: SEARCH + SEARCH}
#: A free of what is not there: the kernel's own function looks first.
CARELESS = {"\tif (iova) {\n\t\trb_erase": "\t{\n\t\trb_erase"}
BROKEN = {END: "nonsense;\n" + END}

FEW_CHECKS = """
from iova_lab.checking import checks
from iova_lab.commands.cli import main
checks.CHECKS = {name: checks.CHECKS[name] for name in ("compiles", "table", "contract")}
main()
"""


def make_tree(folder: Path, fault: dict[str, str]) -> tuple[Path, list[str]]:
    """Five commits: the second does not compile, the fourth brings the fault."""
    tree = small_tree.write(folder / "tree")
    commits = [small_tree.commit(tree, "first")]
    for subject, changes in (
        ("does not compile", BROKEN),
        ("compiles", {END: "/* A comment. */\n" + END}),
        ("the fault", fault),
        ("another file", fault),
    ):
        small_tree.write(tree, changes=changes)
        small_tree.put(tree, "drivers/other.c", f"/* {subject} */\n")
        commits.append(small_tree.commit(tree, subject))
    return tree, commits


def bisect(tree: Path, commits: list[str], *command: str) -> str:
    small_tree.git(tree, "bisect", "start", commits[-1], commits[0])
    line = ["git", "-C", str(tree), "bisect", "run", sys.executable, *command]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_count_names_the_commit(tmp_path: Path) -> None:
    tree, commits = make_tree(tmp_path, SLOW)
    command = ("-m", "iova_lab", "try", "--linux", ".", "--fail-if", "ring@100.nodes > 40")
    output = bisect(tree, commits, *command)
    assert f"{commits[3]} is the first bad commit" in output, output


@pytest.mark.slow
def test_a_check_names_the_commit(tmp_path: Path) -> None:
    """By three of the checks: all of them take a minute."""
    tree, commits = make_tree(tmp_path, CARELESS)
    command = ("try", "--linux", ".", "--check-only", "--out", str(tmp_path / "out"))
    output = bisect(tree, commits, "-c", FEW_CHECKS, *command)
    assert "compared with nothing" in output  # the commit before the third does not compile
    assert f"{commits[3]} is the first bad commit" in output, output


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["try", "--linux", *arguments])
    return result.exit_code, result.output + result.stderr


@pytest.mark.slow
def test_the_status_is_that_of_a_bisection(tmp_path: Path) -> None:
    tree, commits = make_tree(tmp_path, SLOW)
    good, bad = f"{tree}@{commits[0]}", f"{tree}@{commits[3]}"
    asked = ("--fail-if", "ring@100.nodes > 40")
    status, output = run(good, *asked)
    assert (status, "ring@100.nodes > 40: does not hold, it is 31.6842" in output) == (0, True)
    assert run(bad, *asked)[0] == 1
    assert run(good, *asked, "--fail-if", "ring@100.worst >= 1")[0] == 1
    for option in (asked, ("--check-only",)):
        small_tree.git(tree, "checkout", "-q", commits[1])
        status, output = run(str(tree), *option)
        assert (status, "drivers/iommu/iova.c:" in output) == (125, True), output
    for option in (asked, ("--check-only",)):
        assert run(str(tmp_path), *option)[0] == 128
    assert run(good, "--fail-if", "ring.nodes")[0] == 128
    assert run(good, *asked, "--base", "HEAD")[0] == 2


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ring@100.nodes > 100", "ring@100.nodes > 100"),
        ("  ring@1_000.worst>=2.5 ", "ring@1000.worst >= 2.5"),
        ("full_32bit@100.spurious != 0", "full_32bit@100.spurious != 0"),
        ("full_32bit@100.needlessly != 0", "full_32bit@100.spurious != 0"),
        ("ring.refused == 1", "ring@10000.refused == 1"),
        ("near_empty.bytes < 70", "near_empty@100.bytes < 70"),
    ],
)
def test_what_a_criterion_may_be(text: str, shown: str) -> None:
    assert str(criterion.parse(text)) == shown


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is no criterion"),
        ("ring@100.nodes", "is no criterion"),
        ("ring@100.nodes > 1 and 2", "is no criterion"),
        ("ring@100.nodes => 1", "is no criterion"),
        ("ring@100.ns > 1", "METRIC is one of nodes, worst, refused, spurious, bytes"),
        ("rings@100.nodes > 1", "no workload named 'rings'"),
        ("ring@x.nodes > 1", "a number of live ranges"),
        ("ring@0.nodes > 1", "ring"),
    ],
)
def test_what_is_none_is_one_line(text: str, reason: str) -> None:
    with pytest.raises(IovaLabError, match=reason) as error:
        criterion.parse(text)
    assert "\n" not in str(error.value)
