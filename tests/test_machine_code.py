"""Is the machine code of two programs found equal where it is, and different where it is not?"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from iova_lab.basics import repository
from iova_lab.measuring import c_text, same_code
from iova_lab.measuring.machine_code import canonical, parse
from iova_variants.building import CFLAGS, Build, compiler

PROGRAM = """
static const char *const names[] = { "one", "two" };
static unsigned long nr;
static __attribute__((__noinline__)) unsigned long helper(unsigned long x)
{
	nr += x;
	return nr * 3;
}
static __attribute__((__noinline__)) unsigned long other(unsigned long x)
{
	return x - 7;
}
unsigned long start(unsigned long x)
{
	return x ? helper(x) + other(x) : (unsigned long)names[nr & 1];
}
"""


def code(text: str, folder: Path, root: str = "start") -> str:
    source = folder / "program.c"
    source.write_text(text)
    command = [compiler(), *CFLAGS, "-g0", "-S", "-o", "-", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return canonical([root], [parse(done.stdout)])


def test_names_and_places_do_not_matter(tmp_path: Path) -> None:
    before = code(PROGRAM, tmp_path)
    renamed = PROGRAM.replace("helper", "lab_helper").replace("nr", "nr_calls")
    assert code(renamed, tmp_path) == before
    head, helper, rest = PROGRAM.split("static __attribute__")
    other, start = rest.split("unsigned long start")
    parts = [head, f"static __attribute__{other}", f"static __attribute__{helper}"]
    assert code("".join(parts) + f"unsigned long start{start}", tmp_path) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("nr * 3", "nr * 5"),
        ("x - 7", "x - 8"),
        ('"two"', '"too"'),
        ("helper(x) + other(x)", "helper(other(x))"),
        ("helper(x) + other(x)", "other(x) + helper(x + 1)"),
        ("nr += x", "nr = x"),
    ],
)
def test_one_instruction_or_one_byte_of_data_does(tmp_path: Path, old: str, new: str) -> None:
    assert old in PROGRAM
    assert code(PROGRAM.replace(old, new), tmp_path) != code(PROGRAM, tmp_path)


def test_what_a_leaf_stands_for_does_not_matter(tmp_path: Path) -> None:
    command = [compiler(), *CFLAGS, "-g0", "-S", "-o", "-", str(tmp_path / "program.c")]
    texts = []
    for text in (PROGRAM, PROGRAM.replace("x - 7", "x - 8")):
        (tmp_path / "program.c").write_text(text)
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        texts.append(canonical(["start"], [parse(done.stdout)], ["other"]))
    assert texts[0] == texts[1]
    assert "other" in texts[0]
    assert "helper" not in texts[0]


def test_a_root_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="nothing is called begin"):
        code(PROGRAM, tmp_path, root="begin")


# ---- trees of the lab ----

VARIANTS, NULL = ["null", "anchor"], ["null"]


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two copies of the lab's C, and of the Python that compiles it, with two variants each."""
    roots = [tmp_path_factory.mktemp(name) for name in ("then", "now")]
    for root in roots:
        for name in ("iova_variants", "harness", "iova_lab"):
            ignore = shutil.ignore_patterns("_built", "__pycache__", "*.so", "*.npz")
            shutil.copytree(repository.ROOT / name, root / name, ignore=ignore)
        for path in (root / "iova_variants").glob("*.c"):
            if path.stem not in VARIANTS:
                path.unlink()
    return roots


@pytest.fixture(scope="module")
def then(trees: list[Path]) -> dict[Build, dict[str, str]]:
    return {build: tree.code(build) for build, tree in same_code.describe(trees[0]).items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "old", "new", "same"),
    [
        ("iova_variants/anchor.c", "anchor_", "other_", (VARIANTS, VARIANTS, VARIANTS)),
        ("iova_variants/anchor.c", "start_pfn;\n", "start_pfn + 1;\n", (NULL, NULL, NULL)),
        (
            "iova_variants/range_tree.h",
            "if (new->pfn_lo <",
            "if (new->pfn_lo <=",
            (NULL, NULL, NULL),
        ),
        (
            "harness/userspace/rbtree.c",
            "is_red(sibling)",
            "is_black(sibling)",
            (NULL, NULL, NULL),
        ),
        ("harness/replay_step.h", "op->size + 1;", "op->size + 2;", ([], VARIANTS, [])),
        (
            "harness/rcache_depot.c",
            "depot->depot_size > nr_keep",
            "depot->depot_size >= nr_keep",
            (VARIANTS, VARIANTS, VARIANTS),
        ),
        (
            "harness/threaded/threads_op.c",
            "i < share->nr && run_op",
            "i <= share->nr && run_op",
            (VARIANTS, VARIANTS, []),
        ),
    ],
)
def test_a_planted_change_is_found(
    trees: list[Path],
    then: dict[Build, dict[str, str]],
    path: str,
    old: str,
    new: str,
    same: tuple[list[str], list[str], list[str]],
) -> None:
    target = trees[1] / path
    before = target.read_text()
    assert old in before
    try:
        target.write_text(before.replace(old, new))
        now = same_code.describe(trees[1])
        for build, names in zip(same_code.ROOTS, same, strict=True):
            assert same_code.same(then[build], now[build].code(build)) == sorted(names), build
    finally:
        target.write_text(before)


def test_a_tree_whose_modules_have_other_names_describes_itself(tmp_path: Path) -> None:
    """As older commits do: nothing of this checkout's may stand in for what they lack."""
    root = tmp_path / "older"
    for name in ("iova_variants", "harness"):
        ignore = shutil.ignore_patterns("_built", "__pycache__", "*.so")
        shutil.copytree(repository.ROOT / name, root / name, ignore=ignore)
    (root / "iova_variants" / "__init__.py").write_text("")
    (root / "iova_variants" / "building.py").rename(root / "iova_variants" / "_build.py")
    for path in ("__init__.py", "basics/__init__.py", "basics/errors.py"):
        target = root / "iova_lab" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(repository.ROOT / "iova_lab" / path, target)
    tree = same_code.describe(root)["timed"]
    assert tree.variants["null"] == str(root / "iova_variants" / "null.c")
    assert tree.digests == {}


# ---- C without comments and layout ----


def test_comments_and_layout_do_not_matter() -> None:
    before = "int f(int a)\n{\n\treturn a /* a */ + 1; // b\n}\n#define A(x) \\\n\t(x)\n"
    after = "int f(int a) { return a+1; }\n#define A(x) (x)\n"
    assert c_text.bare(before) == c_text.bare(after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("int a;", "int b;"),
        ('f("a b");', 'f("a  b");'),
        ('f("/* a */");', 'f("");'),
        ("#define A(x) 1", "#define A (x) 1"),
        ("#if A\nint a;\n#endif", "#if B\nint a;\n#endif"),
    ],
)
def test_anything_else_does(before: str, after: str) -> None:
    assert c_text.bare(before) != c_text.bare(after)
