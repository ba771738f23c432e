"""Is a change of a tree compared with what it was, whatever form it has: commits, mails, a diff?"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab.basics.errors import IovaLabError
from iova_lab.checking import checks
from iova_lab.commands.cli import main
from iova_lab.linux import apply, series, source
from iova_lab.linux.apply import ApplyError
from iova_lab.linux.errors import SourceError
from tests.support import small_tree

LOWER = {"(high - size) & mask": "(high - size - 1) & mask"}
LOWEST = {"(high - size) & mask": "(high - size - 2) & mask"}
#: A free of what is not there: the kernel's own function looks first.
CARELESS = {"\tif (iova) {\n\t\trb_erase": "\t{\n\t\trb_erase"}


def first_pfn(name: str) -> int | None:
    with iova_variants.Domain(name) as domain:
        return domain.alloc(1, 100)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three commits: the second changes another file, the third the allocator."""
    folder = small_tree.write(tmp_path / "tree")
    small_tree.commit(folder, "first")
    small_tree.put(folder, "drivers/iommu/dma-iommu.c", "int other;\n")
    small_tree.commit(folder, "other")
    small_tree.write(folder, changes=LOWER)
    small_tree.commit(folder, "iommu/iova: lower")
    return folder


def test_a_tree_is_compared_with_the_commit_before(tree: Path) -> None:
    found = series.of_commits(str(tree), None, None)
    assert list(map(first_pfn, found.variants)) == [100, 99]


def test_changes_that_are_not_committed_are_compared_with_the_last_commit(tree: Path) -> None:
    small_tree.write(tree, changes=LOWEST)
    found = series.of_commits(str(tree), None, None)
    assert list(map(first_pfn, found.variants)) == [99, 98]


@pytest.mark.slow
def test_a_base_can_be_named(tree: Path) -> None:
    small_tree.git(tree, "tag", "old", "HEAD~2")
    small_tree.write(tree, changes=LOWEST)
    found = series.of_commits(str(tree), None, "old")
    assert list(map(first_pfn, found.variants)) == [100, 98]


@pytest.mark.slow
def test_of_a_range_the_commits_that_change_the_allocator(tree: Path) -> None:
    small_tree.write(tree, changes=LOWEST)
    small_tree.commit(tree, "iommu/iova: lowest")
    found = series.of_commits(str(tree), "HEAD~3..HEAD", None)
    assert list(map(first_pfn, found.variants)) == [100, 99, 98]
    with pytest.raises(SourceError, match=r"no commit of HEAD~3\.\.HEAD~2 changes"):
        series.of_commits(str(tree), "HEAD~3..HEAD~2", None)
    with pytest.raises(IovaLabError, match="no range of commits"):
        series.of_commits(str(tree), "HEAD", None)


def mails(tree: Path, revisions: str, *options: str) -> Path:
    path = tree.parent / "series.mbox"
    path.write_text(small_tree.git(tree, "format-patch", "--stdout", *options, revisions) + "\n")
    return path


@pytest.mark.slow
def test_a_series_is_applied_mail_by_mail_and_the_tree_stays_as_it_is(tree: Path) -> None:
    small_tree.put(tree, "drivers/iommu/dma-iommu.c", "int another;\n")
    small_tree.write(tree, changes=LOWEST)
    small_tree.commit(tree, "iommu/iova: the lowest of all")
    box = mails(tree, "HEAD~2", "--cover-letter", "--base=HEAD~2")
    small_tree.git(tree, "reset", "-q", "--hard", "HEAD~2")
    head = small_tree.git(tree, "rev-parse", "HEAD")
    found = series.of_patches(str(tree), [box])
    assert list(map(first_pfn, found.variants)) == [100, 99, 98]
    assert any("drivers/iommu/dma-iommu.c" in note for note in found.notes)
    assert any(f"@{head}" in note for note in found.notes)
    assert small_tree.git(tree, "rev-parse", "HEAD") == head
    assert small_tree.git(tree, "status", "--porcelain") == ""
    assert iova_variants.load(found.variants[-1]).name.endswith("+the-lowest-of-all")


@pytest.mark.slow
def test_the_base_commit_that_a_series_names_is_honoured(tree: Path) -> None:
    box = mails(tree, "HEAD~1", "--base=HEAD~1")
    small_tree.write(tree, changes={"size_aligned ? ~0UL": "false ? ~0UL"})
    small_tree.commit(tree, "something else")
    found = series.of_patches(str(tree), [box])
    assert list(map(first_pfn, found.variants)) == [100, 99]
    assert "@" in found.variants[0]


@pytest.mark.slow
def test_a_diff_on_files_without_a_tree(tree: Path, tmp_path: Path) -> None:
    diff = tmp_path / "fix.diff"
    diff.write_text(small_tree.git(tree, "diff", "HEAD~1", "HEAD") + "\n")
    plain = small_tree.write(tmp_path / "plain")
    found = series.of_patches(str(plain), [diff])
    assert list(map(first_pfn, found.variants)) == [100, 99]
    assert iova_variants.load(found.variants[1]).name == "linux:plain+fix"


def test_what_does_not_apply_is_one_line(tree: Path, tmp_path: Path) -> None:
    diff = tmp_path / "fix.diff"
    diff.write_text(small_tree.git(tree, "diff", "HEAD~1", "HEAD") + "\n")
    with pytest.raises(
        ApplyError, match=r"^fix: does not apply: patch failed: drivers/iommu/iova.c"
    ):
        apply.apply(source.read(str(tree)), [diff])
    diff.write_text(small_tree.git(tree, "diff", "HEAD~2", "HEAD~1") + "\n")
    with pytest.raises(ApplyError, match="changes none of the files"):
        apply.apply(source.read(str(tree)), [diff])
    with pytest.raises(IovaLabError, match="No such file"):
        apply.apply(source.read(str(tree)), [tmp_path / "none.diff"])


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["try", *arguments])
    return result.exit_code, result.output + result.stderr


def test_usage(tree: Path) -> None:
    assert run("--linux", str(tree), "a..b", "c..d")[0] == 2
    assert run("mine.c", "--base", "HEAD")[0] == 2
    status, output = run("--linux", str(tree), "nope..HEAD")
    assert (status, "has no commits nope..HEAD" in output) == (1, True)


@pytest.mark.slow
def test_a_fault_of_the_change_fails_and_one_before_it_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By three of the checks: all of them take a minute."""
    few = {name: checks.CHECKS[name] for name in ("compiles", "table", "contract")}
    monkeypatch.setattr(checks, "CHECKS", few)
    tree = small_tree.write(tmp_path / "tree")
    right = small_tree.commit(tree, "first")
    small_tree.write(tree, changes=CARELESS)
    common = (str(tree), "--check-only", "--out", str(tmp_path / "out"))
    status, output = run("--linux", *common, "--base", right)
    assert status == 1
    assert f"linux:tree@{right[:12]}: nothing wrong found" in output
    assert "linux:tree: breaks this promise" in output
    wrong = small_tree.commit(tree, "a mistake")
    small_tree.write(tree)
    status, output = run("--linux", *common, "--base", wrong)
    assert status == 0
    assert f"before the change: linux:tree@{wrong[:12]}: breaks this promise" in output
    assert "linux:tree: nothing wrong found" in output


def test_a_search_for_the_commit_that_broke_it_needs_no_more_than_git(tree: Path) -> None:
    """`git bisect run` with a command of the lab; here one that takes no minute."""
    small_tree.git(tree, "bisect", "start", "HEAD", "HEAD~2")
    check = (
        "import iova_variants as v, sys\n"
        "with v.Domain('linux:.') as d: sys.exit(d.alloc(1, 100) != 100)"
    )
    command = ["git", "-C", str(tree), "bisect", "run", sys.executable, "-c", check]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "is the first bad commit" in done.stdout, done.stdout + done.stderr
    assert "iommu/iova: lower" in done.stdout
