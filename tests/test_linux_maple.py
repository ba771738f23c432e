"""Is a text that keeps its ranges in a maple tree a variant like any other?

The maple tree is the kernel's own, of a package; where none is to be had, the tests are skipped.
The allocator on it is the tests' own.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import iova_variants
from iova_lab import workloads
from iova_lab.checking import checks
from iova_lab.kernel import fidelity, module, packages, tools
from iova_lab.kernel.replay import Job, replay
from iova_lab.linux import apply, debian, in_kernel, series, source, unit
from iova_lab.linux.errors import SourceError, TextError
from iova_variants import Claim, Domain, VariantError, building
from iova_variants.opstream import Op, OpStream, new_ops
from tests.support import small_maple, small_tree

#: 6.12 asks for nodes in bulk, the others in sheaves; they are tried where they have been fetched.
PACKAGES = ("6.12", "7.2", "7.3")
FETCHED = ("6.12",)
#: A range ends before it should.
SHORT = {"new->pfn_hi = new->pfn_lo + size - 1;": "new->pfn_hi = new->pfn_lo + size / 2;"}


@pytest.fixture(params=PACKAGES)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with the maple tree of a package and the tests' allocator on it."""
    name = request.param
    fetches = name in FETCHED and "IOVA_LAB_FETCH" in os.environ
    if not (debian.CACHE / f"debian-{name}").exists() and not fetches:
        pytest.skip(f"linux-source-{name} has not been fetched: IOVA_LAB_FETCH=1 fetches 6.12")
    try:
        package = debian.folder(name, (*source.NEEDED, *source.OPTIONAL))
    except SourceError as error:
        pytest.skip(str(error))
    folder = small_maple.write(tmp_path / f"maple-{name}")
    for path in source.MAPLE:
        if not (package / path).exists():
            pytest.skip(f"{package} has no {path}: remove it, it is fetched again")
        small_tree.put(folder, path, (package / path).read_text())
    return folder


@pytest.mark.slow
def test_every_address_is_that_of_the_retelling(tree: Path) -> None:
    """`maple` has the same rule on a B-tree of its own."""
    name = f"linux:{tree}"
    for workload in workloads.names():
        found = workloads.get(workload)
        nr_live = min(max(300, found.min_nr_live), found.max_nr_live)
        stream = workloads.generate(workload, nr_live)
        text, retelling = (
            iova_variants.replay(variant, stream, pfns=True, judge=True)
            for variant in (name, "maple")
        )
        np.testing.assert_array_equal(text.pfns, retelling.pfns, err_msg=workload)


def test_it_declares_what_a_maple_tree_forces_on_it(tree: Path) -> None:
    variant = iova_variants.load(f"linux:{tree}")
    assert variant.claims == Claim.MERGES | Claim.FREE_NEEDS_MEM


def test_it_is_verified_after_every_op(tree: Path) -> None:
    stream = workloads.generate("random_replace", 60)
    result = iova_variants.replay(f"linux:{tree}", stream, judge=True, verify=True)
    assert result.nr_above_limit == 0


def test_verify_sees_a_gap_that_is_not_what_the_tree_has(tree: Path) -> None:
    """A tree that loses the gaps of its nodes still has all its ranges."""
    maple = tree / source.MAPLE[0]
    lost = maple.read_text().replace(
        "static inline void mas_update_gap(struct ma_state *mas)\n{",
        "static inline void mas_update_gap(struct ma_state *mas)\n{\n"
        "\tif (mas->index > 100)\n\t\treturn;",
        1,
    )
    assert lost != maple.read_text()
    maple.write_text(lost)
    with pytest.raises(VariantError, match="maple tree"):
        iova_variants.replay(
            f"linux:{tree}", workloads.generate("random_replace", 60), judge=True, verify=True
        )


def test_nodes_are_counted_and_grow_with_the_levels_of_the_tree(tree: Path) -> None:
    """In one leaf a search looks at one node; a hundred times the ranges are a few levels more."""
    ops = new_ops(8, limit_pfn=1000)
    ops["slot"] = range(8)
    visits = iova_variants.replay(f"linux:{tree}", OpStream(ops), build="counted").visits
    assert visits is not None
    # The first two come to a tree without a node.
    assert 6 <= visits["search"] <= 8
    worst = {}
    for nr_live in (100, 10_000):
        stream = workloads.generate("random_replace", nr_live)
        result = iova_variants.replay(f"linux:{tree}", stream, op_visits=True, build="counted")
        assert result.visits is not None
        assert min(result.visits.values()) > 0
        assert result.op_visits is not None
        worst[nr_live] = int(result.op_visits.max())
    assert worst[100] < worst[10_000] < 5 * worst[100]


def test_looking_at_it_counts_nothing(tree: Path) -> None:
    stream = workloads.generate("random_replace", 60)
    plain, verified = (
        iova_variants.replay(f"linux:{tree}", stream, build="counted", judge=True, verify=verify)
        for verify in (False, True)
    )
    assert plain.visits == verified.visits


def test_a_dump_tells_the_ranges_apart(tree: Path) -> None:
    with Domain(f"linux:{tree}") as domain:
        empty = domain.dump().tolist()
        pfn = domain.alloc(4, 1000)
        assert pfn is not None
        one = domain.dump().tolist()
        assert one[:2] == [pfn, pfn + 3]
        domain.free(pfn)
        assert domain.dump().tolist() == empty


@pytest.mark.slow
@pytest.mark.long
def test_it_passes_every_check(tree: Path, tmp_path: Path) -> None:
    """Reference model, judge, sanitizers, refused memory, threads."""
    building.compile_standalone(unit.resolve(f"linux:{tree}"), "tsan")  # else left out
    finding = checks.check(f"linux:{tree}", out=tmp_path / "out", seconds=5)
    assert finding is None, finding.says


@pytest.mark.slow
def test_a_store_that_may_fail_under_the_callers_lock_is_warned_of_since_7_3(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel's own warning, where memory is refused: a series from before 7.3 may meet it."""
    if tree.name != "maple-7.3":
        pytest.skip("this maple tree does not warn")
    small_maple.write(tree, {small_maple.PREALLOCATED: small_maple.AS_IT_GOES})
    monkeypatch.setattr(checks, "CHECKS", {"no memory": checks.CHECKS["no memory"]})
    finding = checks.check(f"linux:{tree}", out=tmp_path / "out", seconds=600)
    assert finding is not None
    assert re.search(r"WARN\(\) at lib/maple_tree\.c:\d+", finding.says)


@pytest.mark.slow
def test_threads_share_its_domain(tree: Path) -> None:
    stream = workloads.generate("ring", 100)
    result = iova_variants.replay_threads(f"linux:{tree}", stream, threads=2)
    assert result.nr_ops == stream.nr_measured
    assert result.total("nr_failures") == 0


def test_what_is_wrong_with_it_is_found(tree: Path) -> None:
    small_maple.write(tree, SHORT)
    ops = new_ops(2, limit_pfn=1000)
    ops["slot"], ops["size"] = (0, 1), (4, 1)
    with pytest.raises(VariantError, match="overlaps"):
        iova_variants.replay(f"linux:{tree}", OpStream(ops), judge=True)


@pytest.mark.slow
def test_an_op_that_does_not_return_leaves_it_usable(tree: Path) -> None:
    """The nodes, the sheaf and what waits for a grace period have gone with their cache."""
    small_maple.write(
        tree,
        {
            "\tif (mas_preallocate(": "\twhile (pfn_lo == 500)\n"
            "\t\tprivate_find_iova(iovad, 501);\n\tif (mas_preallocate("
        },
    )
    code = (tree / source.ALLOCATOR).read_text()
    declared = "static struct iova *private_find_iova(struct iova_domain *iovad, unsigned long pfn)"
    code = code.replace("static bool store(", f"{declared};\n\nstatic bool store(", 1)
    (tree / source.ALLOCATOR).write_text(code)
    ops = new_ops(600, limit_pfn=1000)
    ops["slot"] = range(600)
    for _ in range(2):
        with pytest.raises(iova_variants.EndlessError):
            iova_variants.replay(f"linux:{tree}", OpStream(ops), build="counted")
    ops["op"][300:] = Op.FREE
    ops["slot"][300:] = range(300)
    iova_variants.replay(f"linux:{tree}", OpStream(ops), build="counted", judge=True)


# ---- what needs no maple tree of the kernel ----


@pytest.fixture
def commits(tmp_path: Path) -> Path:
    """A red-black text with a maple tree beside it, then the maple text: three commits."""
    folder = small_tree.write(tmp_path / "tree")
    small_tree.put(folder, source.MAPLE[0], "/* first */\n")
    small_tree.put(folder, source.MAPLE[1], "struct maple_tree { int none; };\n")
    small_tree.commit(folder, "first")
    small_tree.put(folder, source.MAPLE[0], "/* second */\n")
    small_tree.commit(folder, "maple_tree: other")
    small_maple.write(folder)
    small_tree.commit(folder, "iommu/iova: use a maple tree")
    return folder


def test_the_maple_tree_is_a_part_of_the_texts_that_include_it(commits: Path) -> None:
    before, after = (source.read(f"{commits}@{name}") for name in ("HEAD^", "HEAD"))
    assert not set(source.MAPLE) & set(before.used)
    assert set(source.MAPLE) <= set(after.used)
    subjects = [
        small_tree.git(commits, "log", "-1", "--format=%s", commit)
        for commit in series.changing(commits, "HEAD~2", "HEAD")
    ]
    assert subjects == ["maple_tree: other", "iommu/iova: use a maple tree"]
    with pytest.raises(SourceError, match="no commit of"):
        series.changing(commits, "HEAD~2", "HEAD^")


def test_a_series_can_change_the_maple_tree_first(commits: Path, tmp_path: Path) -> None:
    """One patch changes a tree that nothing includes yet, the next includes it."""
    mbox = small_tree.git(commits, "format-patch", "--stdout", "HEAD~2..HEAD")
    (tmp_path / "series.mbox").write_text(mbox + "\n")
    steps = apply.apply(source.read(f"{commits}@HEAD~2"), [tmp_path / "series.mbox"])
    assert [step.subject for step in steps] == ["iommu/iova: use a maple tree"]
    assert steps[0].text.used[source.MAPLE[0]] == b"/* second */\n"


def test_in_a_module_the_maple_tree_is_the_kernels(commits: Path) -> None:
    text = source.read(str(commits))
    code = in_kernel.code(text, "0", unit.macros(text))
    assert "#define TEXT_MAPLE ranges\n" in code
    assert "maple_tree.c" not in code
    files = module.text_sources(unit.FOLDER / "0")
    assert all(path.is_file() for name, path in files.items() if name.endswith("looks.h"))
    assert any(name.endswith("maple/looks.h") for name in files)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(tools.missing() is not None, reason=tools.missing() or "")
def test_it_answers_in_a_booted_kernel_as_in_user_space(tree: Path) -> None:
    """Its maple tree there is the booted kernel's own."""
    if tree.name != "maple-6.12":
        pytest.skip("one guest is enough: the text is the same")
    stream = workloads.generate("random_replace", 300)
    (result,) = replay(packages.get("6.12"), [Job(f"linux:{tree}", stream)], silence=120)
    assert result.error is None
    agreement = fidelity.addresses(result)
    assert not agreement.differs, agreement


def test_without_its_maple_tree_the_error_names_the_file(commits: Path) -> None:
    (commits / source.MAPLE[0]).unlink()
    with pytest.raises(SourceError, match=source.MAPLE[0]):
        source.read(str(commits))


def test_neither_tree(tmp_path: Path) -> None:
    folder = small_tree.write(tmp_path / "tree")
    header = folder / source.HEADER
    header.write_text(header.read_text().replace("struct rb_root rbroot;", "void *skiplist;"))
    with pytest.raises(TextError, match="neither in a struct rb_root rbroot"):
        iova_variants.load(f"linux:{folder}")


@pytest.mark.slow
@pytest.mark.parametrize("sanitizers", [[], ["-fsanitize=address,undefined"]])
def test_the_shims_own_parts(tmp_path: Path, sanitizers: list[str]) -> None:
    """Sheaves, bulk and grace periods: CI fetches no package that has all of them."""
    maple = (unit.SHIM / "maple/include", unit.SHIM / "include")
    command = [building.compiler(), *building.CFLAGS, "-Wno-error", "-DIOVA_COUNTED", *sanitizers]
    shared = [f"-I{path}" for path in building.include_dirs("counted")]
    objects = []
    for source_file, own in (
        (Path(small_maple.__file__).with_name("maple_shim.c"), [f"-I{path}" for path in maple]),
        (building.HARNESS_DIR / "userspace/slab.c", []),
    ):
        objects.append(tmp_path / f"{source_file.stem}.o")
        arguments = [*own, *shared, "-c", str(source_file), "-o", str(objects[-1])]
        subprocess.run([*command, *arguments], check=True)
    program = tmp_path / "maple_shim"
    subprocess.run([*command, *map(str, objects), "-o", str(program)], check=True)
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
