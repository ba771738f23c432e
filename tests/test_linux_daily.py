"""What a patch of the allocator is on most days: does `try --linux` show each for what it is?

A refactoring, a lock that is held otherwise, a use after free that is mended, a NULL pointer that
nobody looked at, other memory for the same addresses, the second pass of v5.11.  The patches are of
these kinds, on a small tree of the tests' own or, where a kernel's text is needed, on Debian's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import workloads
from iova_lab.checking import checks, search
from iova_lab.commands.cli import main
from iova_lab.comparison import trial
from iova_lab.linux import source
from tests.support import debian_texts, small_tree

pytestmark = pytest.mark.slow

NO_CLOCK = ("--budget", "100000")
#: The same in other words.
REFACTORED = {
    "\t\thigh = min(high, to_iova(node)->pfn_lo);\n": "\t\thigh = below(high, to_iova(node));\n",
    "static bool highest_fit(": """static unsigned long below(unsigned long high,
	const struct iova *iova)
{
	return high < iova->pfn_lo ? high : iova->pfn_lo;
}

static bool highest_fit(""",
}
#: A free looks under the lock, and takes the lock again to erase.
LOCKED_TWICE = {
    "\tif (iova) {\n\t\trb_erase": "\tspin_unlock_irqrestore(&iovad->lock, flags);\n"
    "\tspin_lock_irqsave(&iovad->lock, flags);\n\tif (iova) {\n\t\trb_erase"
}
#: The range is given back before it is out of the tree.
FREED_EARLY = {
    "\tif (iova) {\n\t\trb_erase": "\tif (iova)\n\t\tkmem_cache_free(cache, iova);\n"
    "\tif (iova) {\n\t\trb_erase",
    "\tif (iova)\n\t\tkmem_cache_free(cache, iova);\n}\nEXPORT_SYMBOL_GPL(free_iova);": "}\n"
    "EXPORT_SYMBOL_GPL(free_iova);",
}
#: What was not found is erased all the same.
NOT_LOOKED_AT = {"\tif (iova) {\n\t\trb_erase": "\t{\n\t\trb_erase"}


def changed(folder: Path, before: Mapping[str, str], after: Mapping[str, str]) -> Path:
    """A tree with one state committed, and another one lying in it."""
    tree = small_tree.write(folder / "tree", changes=before)
    small_tree.commit(tree, "before")
    return small_tree.write(tree, changes=after)


def run(tree: Path, *arguments: str) -> tuple[int, str]:
    out = str(tree.parent / "out")
    done = CliRunner().invoke(main, ["try", "--linux", str(tree), "--out", out, *arguments])
    return done.exit_code, done.output + done.stderr


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Do these checks alone: all of them take a minute."""
    monkeypatch.setattr(checks, "CHECKS", {name: checks.CHECKS[name] for name in names})
    # By number and not by the clock: a busy machine finds the same.
    monkeypatch.setattr(search, "DEPTHS", ((6, 20, 40),))


def test_a_refactoring_shows_no_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, "compiles", "table", "contract")
    monkeypatch.setattr(trial, "NR_LIVE", 200)
    tree = changed(tmp_path, {}, REFACTORED)
    status, output = run(tree, "--budget", "1")
    assert status == 0, output
    nr = len(workloads.names())
    assert f"the same in {nr} of {nr} workloads" in output


def test_a_lock_that_is_taken_twice_shows_in_exact_numbers(tmp_path: Path) -> None:
    """Of one thread; addresses and nodes stay what they were."""
    tree = changed(tmp_path, {}, LOCKED_TWICE)
    stream = workloads.generate("ring", 100)
    nr_frees = int((stream.ops["op"][stream.nr_ageing :] == 1).sum())
    assert nr_frees
    names = f"linux:{tree}@HEAD", f"linux:{tree}"
    before, after = (iova_variants.replay_threads(name, stream, threads=1) for name in names)
    assert before.lock().nr == stream.nr_measured
    assert after.lock().nr == stream.nr_measured + nr_frees
    counted = [iova_variants.replay(n, stream, pfns=True, build="counted") for n in names]
    np.testing.assert_array_equal(counted[0].pfns, counted[1].pfns)
    assert counted[0].visits == counted[1].visits


@pytest.mark.long
def test_a_use_after_free_shows_before_its_fix_and_not_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "compiles", "table", "histories")
    tree = changed(tmp_path, FREED_EARLY, {})
    status, output = run(tree, "--check-only", *NO_CLOCK)
    assert status == 0, output
    before, after = output.split("linux:tree: nothing wrong found")
    assert re.search(r"before the change: linux:tree@HEAD: .*use[- ]after", before, re.S), output
    assert "drivers/iommu/iova.c:" in before
    assert "use-after" not in after
    tree = changed(tmp_path / "again", {}, FREED_EARLY)
    status, output = run(tree, "--check-only", *NO_CLOCK)
    assert (status, "before the change" in output) == (1, False), output


def test_a_null_pointer_shows_before_its_fix_and_not_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(monkeypatch, "compiles", "table", "contract")
    status, output = run(changed(tmp_path, NOT_LOOKED_AT, {}), "--check-only")
    assert status == 0, output
    assert "before the change: linux:tree@HEAD: breaks this promise" in output
    assert "linux:tree: nothing wrong found" in output


@pytest.mark.parametrize("workload", ["near_empty", "trace_6_12"])
def test_the_magazines_of_7_3_are_other_memory_for_the_same_addresses(workload: str) -> None:
    names = [debian_texts.text_of(series) for series in ("7.2", "7.3")]
    stream = workloads.generate(workload, 100)
    before, after = (
        iova_variants.replay(name, stream, pfns=True, build="counted", rcache="own")
        for name in names
    )
    np.testing.assert_array_equal(before.pfns, after.pfns)
    assert after.bytes < before.bytes


def with_the_second_pass_of_5_11(folder: Path) -> Path:
    """The text of 6.12, with where a second pass ends as it was until CVE-2023-52910 was fixed."""
    text = source.read(debian_texts.text_of("6.12").removeprefix("linux:"))
    for path, data in text.files.items():
        code = data.decode()
        if path == source.ALLOCATOR:
            code, nr_begins = re.subn(r"(\bretry_pfn = [^;]*);", r"\1 + 1;", code)
            code, nr_ends = re.subn(r"(\blow_pfn = retry_pfn) \+ 1;", r"\1;", code)
            assert (nr_begins, nr_ends) == (1, 1)
        small_tree.put(folder, path, code)
    return folder


def test_the_cve_of_5_11_is_found_and_its_fix_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a diff that is mailed, on files that are no repository."""
    tree = with_the_second_pass_of_5_11(tmp_path / "tree")
    for name, pfn in ((f"linux:{tree}", 0x80), (debian_texts.text_of("6.12"), None)):
        with iova_variants.Domain(name, start_pfn=0x100) as domain:
            assert domain.alloc(0x180, 0x1FF) == pfn
    fix = tmp_path / "fix.diff"
    fixed = source.read(debian_texts.text_of("6.12").removeprefix("linux:")).files[source.ALLOCATOR]
    small_tree.commit(tree, "before")
    small_tree.put(tree, source.ALLOCATOR, fixed.decode())
    fix.write_text(small_tree.git(tree, "diff") + "\n")
    small_tree.git(tree, "checkout", "-q", ".")
    only(monkeypatch, "compiles", "table", "histories")
    status, output = run(tree, "--patch", str(fix), "--check-only", *NO_CLOCK)
    assert status == 0, output
    before, after = output.split("linux:tree+fix: nothing wrong found")
    assert "before the change: linux:tree: " in before
    assert "start_pfn" in before or "does not return" in before, before
    assert "before the change" not in after
