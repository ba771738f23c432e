"""Is a tree's own iova.c a variant like any other, at every commit, and never a stale one?"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import workloads
from iova_lab.commands.cli import main
from iova_lab.kernel import module
from iova_lab.linux import in_kernel, source, unit
from iova_lab.linux.errors import SourceError, TextError
from iova_variants import Domain, VariantError, building
from iova_variants.opstream import OpStream, new_ops
from tests.support import small_tree

RING = workloads.generate("ring", 100)
TRACE = str(Path(__file__).resolve().parent.parent / "iova_lab/traces/debian-6.12.npz")
#: The highest fit of an unaligned request becomes the second highest.
LOWER = {"(high - size) & mask": "(high - size - 1) & mask"}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return small_tree.write(tmp_path / "tree")


#: Every era is compiled anew, a second each: the oldest and the newest at once.
FIRST, *BETWEEN, LAST = small_tree.ERAS


@pytest.mark.parametrize(
    "era", [FIRST, *(pytest.param(era, marks=pytest.mark.slow) for era in BETWEEN), LAST]
)
def test_the_api_of_every_era_is_compiled_and_judged(tmp_path: Path, era: str) -> None:
    name = f"linux:{small_tree.write(tmp_path / 'tree', era)}"
    variant = iova_variants.load(name)
    assert variant.name == "linux:tree"
    assert variant.kernel_release == f"v{era}"
    for workload in ("random_replace", "full_32bit", "near_empty"):
        stream = workloads.generate(workload, 100)
        result = iova_variants.replay(name, stream, judge=True, verify=True)
        assert (result.nr_spurious, result.nr_not_highest) == (0, 0)


@pytest.mark.parametrize("era", small_tree.ERAS)
def test_no_line_of_the_labs_own_code_around_it_gives_a_warning(tmp_path: Path, era: str) -> None:
    written = unit.resolve(f"linux:{small_tree.write(tmp_path / 'tree', era)}")
    for kind in ("timed", "counted"):
        command = [
            building.compiler(),
            *building.CFLAGS,
            *building.BUILD_CFLAGS[kind],
            "-fsyntax-only",
        ]
        flags = written.with_suffix(".flags").read_text().split()
        own = [flag for flag in flags if flag.startswith(("-I", "-idirafter"))]
        shared = [f"-I{path}" for path in building.include_dirs(kind)]
        done = subprocess.run(
            [*command, "-fsyntax-only", *own, *shared, str(written)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stderr == ""


def test_the_caches_of_an_old_text_are_its_own(tmp_path: Path) -> None:
    """Three arguments, and caches that come with the domain."""
    name = f"linux:{small_tree.write(tmp_path / 'tree', '4.13')}"
    stream = workloads.generate("cross_cpu", 100)
    result = iova_variants.replay(name, stream, judge=True, rcache="own", build="counted")
    assert result.nr_spurious == 0
    assert result.rcache is not None
    assert sum(result.rcache.nr_hits) > 0


@pytest.mark.slow
def test_it_works_wherever_a_variant_is_named(tree: Path, tmp_path: Path) -> None:
    name = f"linux:{tree}"
    for arguments in (
        ["replay", name, "near_empty", "--seconds", "0.1"],
        ["counts", name, "--largest", "100", "--out", str(tmp_path / "counts")],
        ["soak", name, "--ops", "1000"],
        ["trace", "replay", TRACE, name],
    ):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, (arguments, result.output)


@pytest.mark.slow
def test_threads_share_its_domain(tree: Path) -> None:
    result = iova_variants.replay_threads(f"linux:{tree}", RING, threads=2)
    assert result.nr_ops == RING.nr_measured
    assert result.total("nr_failures") == 0


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("mainline", "mainline"),
        ("a/b/mine.c", "mine"),
        ("linux:debian-6.12", "linux:debian-6.12"),
        ("linux:~/src/linux@v6.6", "linux:linux@v6.6"),
        ("linux:/src/linux/", "linux:linux"),
        ("linux:src@origin/master", "linux:master"),
    ],
)
def test_a_name_in_tables_and_names_of_files_has_no_folder(name: str, short: str) -> None:
    assert iova_variants.short_name(name) == short


@pytest.mark.long
@pytest.mark.slow
def test_two_trees_are_compared(tree: Path, tmp_path: Path) -> None:
    other = small_tree.write(tmp_path / "other" / "tree", "5.14")
    arguments = [f"linux:{tree}", f"linux:{other}", "--workloads", "near_empty", "--budget", "15"]
    folders = ["--out", str(tmp_path / "out"), "--results", str(tmp_path / "results")]
    result = CliRunner().invoke(main, ["compare", *arguments, *folders])
    assert result.exit_code == 0, result.output
    assert "linux:tree#2" in result.output


def test_a_changed_tree_is_compiled_again(tree: Path) -> None:
    name = f"linux:{tree}"
    before = iova_variants.load(name).path
    assert iova_variants.load(name).path == before
    small_tree.write(tree, changes=LOWER)
    after = iova_variants.load(name).path
    assert after != before
    with Domain(name) as domain:
        assert domain.alloc(1, 100) == 99


def test_a_changed_header_is_compiled_again(tree: Path) -> None:
    name = f"linux:{tree}"
    before = iova_variants.load(name)
    header = tree / source.HEADER
    header.write_text(
        header.read_text().replace("granule, start_pfn", "pad[8], granule, start_pfn")
    )
    after = iova_variants.load(name)
    assert after.domain_size == before.domain_size + 64


@pytest.mark.slow
def test_a_commit_is_read_without_a_checkout(tree: Path) -> None:
    first = small_tree.commit(tree, "first")
    small_tree.write(tree, changes=LOWER)
    small_tree.commit(tree, "second")
    small_tree.write(tree, changes={"(high - size) & mask": "(high - size - 2) & mask"})
    status = small_tree.git(tree, "status", "--porcelain")
    found = {}
    for source_name in (f"{tree}@HEAD~1", f"{tree}@{first[:10]}", f"{tree}@HEAD", f"{tree}"):
        with Domain(f"linux:{source_name}") as domain:
            found[source_name] = domain.alloc(1, 100)
    assert list(found.values()) == [100, 100, 99, 98]
    assert small_tree.git(tree, "status", "--porcelain") == status
    assert iova_variants.load(f"linux:{tree}@HEAD~1").name == "linux:tree@HEAD~1"
    assert iova_variants.load(f"linux:{tree}@{first[:10]}").name == f"linux:tree@{first[:12]}"


def test_the_labs_tree_can_take_the_place_of_its_own(tree: Path) -> None:
    own, labs = f"linux:{tree}", f"linux:{tree}{source.LAB_RBTREE}"
    results = [iova_variants.replay(name, RING, pfns=True, build="counted") for name in (own, labs)]
    np.testing.assert_array_equal(results[0].pfns, results[1].pfns)
    assert results[0].visits == results[1].visits
    assert results[0].visits["search"] > 0 < results[0].visits["descend"]


@pytest.mark.parametrize("era", small_tree.ERAS)
def test_its_counts_are_those_of_the_definition(tmp_path: Path, era: str) -> None:
    """The walk takes a step for each range above the fit; an insertion looks at each on its way."""
    tree = small_tree.write(tmp_path / "tree", era)
    ops = new_ops(4, limit_pfn=1000)
    ops["slot"] = range(4)
    result = iova_variants.replay(f"linux:{tree}", OpStream(ops), build="counted")
    assert result.visits == {"search": 1 + 2 + 3 + 4, "descend": 0 + 1 + 2 + 2, "update": 0}


@pytest.mark.slow
def test_an_augmented_tree_is_counted(tree: Path, tmp_path: Path) -> None:
    """What is kept in nodes costs updates, and changes no other count."""
    plain = iova_variants.replay(f"linux:{tree}", RING, build="counted").visits
    augmented = f"linux:{small_tree.write_augmented(tmp_path / 'augmented')}"
    kept = iova_variants.replay(augmented, RING, build="counted", judge=True).visits
    assert plain["update"] == 0 < kept["update"]
    assert plain | {"update": kept["update"]} == kept


@pytest.mark.slow
def test_what_does_not_return_is_found_and_leaves_the_variant_usable(tree: Path) -> None:
    small_tree.write(tree, changes={"node = rb_prev(node);": "(void)rb_prev(node);"})
    name = f"linux:{tree}"
    stream = workloads.generate("full_32bit", 50)
    for _ in range(2):
        with pytest.raises(iova_variants.EndlessError):
            iova_variants.replay(name, stream, build="counted")
    with Domain(name) as domain:
        assert domain.alloc(1, 100) == 100


@pytest.mark.slow
def test_a_warning_of_the_kernel_is_a_finding_with_its_line(tree: Path, tmp_path: Path) -> None:
    from iova_lab.checking import checks

    search = "found = highest_fit("
    small_tree.write(tree, changes={search: f"BUG_ON(size);\n\t{search}"})
    finding = checks.check(f"linux:{tree}", out=tmp_path, seconds=5)
    assert finding is not None
    assert "BUG()" in finding.says
    assert "drivers/iommu/iova.c:" in finding.says


def one_line(name: str) -> str:
    with pytest.raises((SourceError, TextError)) as caught:
        iova_variants.load(name)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_errors_are_one_line(tree: Path, tmp_path: Path) -> None:
    assert "no such folder" in one_line("linux:/no/such")
    assert "not a kernel tree" in one_line(f"linux:{tmp_path}")
    assert "not in a git repository" in one_line(f"linux:{tree}@HEAD")
    small_tree.commit(tree, "first")
    assert "has no commit 'v9'" in one_line(f"linux:{tree}@v9")
    (tree / source.HEADER).unlink()
    small_tree.commit(tree, "no header")
    assert f"at HEAD has no {source.HEADER}" in one_line(f"linux:{tree}@HEAD")


def test_what_a_text_of_its_era_lacks_is_said(tmp_path: Path) -> None:
    old = small_tree.write(tmp_path / "tree", "4.4")
    with pytest.raises(TextError, match=r"has no alloc_iova_fast.*v4\.7"):
        iova_variants.replay(f"linux:{old}", RING, rcache="own")
    code = (old / source.ALLOCATOR).read_text()
    (old / source.ALLOCATOR).write_text(code.replace("iova_cache_get(", "iommu_iova_cache_init("))
    assert "has no iova_cache_get(), which the lab calls" in one_line(f"linux:{old}")


def test_without_its_own_tree_the_error_names_the_labs(tree: Path) -> None:
    for path in source.RBTREE:
        (tree / path).unlink()
    assert source.LAB_RBTREE in one_line(f"linux:{tree}")
    assert iova_variants.load(f"linux:{tree}{source.LAB_RBTREE}").name == "linux:tree+lab-rbtree"


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("if (found)\n\t\treturn new;", "if (found)\n\t\treturn new_helper(new);", "new_helper()"),
        ("\tbool found;\n", "\tbool found;\n\tnew_type_t some;\n", "new_type_t"),
        ("GFP_ATOMIC | __GFP_NOWARN", "GFP_ATOMIC | __GFP_NEW", "__GFP_NEW"),
    ],
)
def test_a_name_that_the_shim_lacks(tree: Path, old: str, new: str, named: str) -> None:
    small_tree.write(tree, changes={old: new})
    message = one_line(f"linux:{tree}")
    assert named in message
    assert "drivers/iommu/iova.c:" in message
    assert str(unit.SHIM / "include/linux") in message


def test_a_header_that_nobody_has_is_empty(tree: Path) -> None:
    include = "#include <linux/smp.h>\n"
    small_tree.write(tree, changes={include: f"{include}#include <linux/no_such_thing.h>\n"})
    assert iova_variants.load(f"linux:{tree}").name == "linux:tree"


@pytest.mark.slow
def test_what_is_wrong_with_a_text_is_told_as_of_any_variant(tree: Path) -> None:
    small_tree.write(tree, changes={"new->pfn_lo >= max(": "new->pfn_lo + 1 >= max("})
    with pytest.raises(VariantError):
        iova_variants.replay(f"linux:{tree}", workloads.generate("full_32bit", 10), judge=True)


def test_in_a_module_every_name_that_others_could_see_has_a_prefix(tree: Path) -> None:
    """Two texts in one module, and the kernel's own outside of it."""
    written = unit.resolve(f"linux:{tree}")
    assert module.OF_UNIT == in_kernel.FILE
    code = written.with_name(in_kernel.FILE).read_text()
    exported = re.findall(r"EXPORT_SYMBOL_GPL\((\w+)\)", (tree / source.ALLOCATOR).read_text())
    assert exported
    for name in exported:
        assert f"#define {name} text_{written.parent.name}_{name}\n" in code
    files = module.text_sources(written.parent)
    assert {"iova.c", "iova.h", "variant.c", "count.h", "looks.h"} <= {
        Path(name).name for name in files
    }
    for included in re.findall(r'#include "(.*)"', code):
        assert included in files
    assert all(path.is_file() for path in files.values())
