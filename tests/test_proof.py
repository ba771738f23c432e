"""Is what `make proof` proves the candidate's C, and does it notice when that changes?

The terms that the solver gets are compared with the compiled functions, and changed copies of the C
must fail.
"""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("z3", reason="z3 is not installed: pip install 'iova-lab[proof]'")
pytest.importorskip("pycparser", reason="pycparser is not installed: pip install 'iova-lab[proof]'")

import z3

from iova_lab.checking.proof import c_values as c
from iova_lab.checking.proof import lemma, nodes, rooms, run, searches
from iova_lab.checking.proof.c_paths import Translator
from iova_lab.checking.proof.c_text import UINT, VARIANT_FILES, ProofError, Text, variant_folder
from tests.support.proof_unit import Request, Unit


@pytest.fixture(scope="module")
def unit(tmp_path_factory: pytest.TempPathFactory) -> Unit:
    return Unit(tmp_path_factory.mktemp("unit"))


@pytest.fixture(scope="module")
def terms() -> searches.Searches:
    return searches.Searches(Text())


def value(term: Any, **values: int) -> Any:
    """A term, with numbers in place of its variables."""
    names = {"lo": rooms.LO, "end": rooms.END, "size": rooms.SIZE, "high": rooms.HIGH}
    names["size_aligned"] = rooms.ALIGNED
    pairs = [
        (names[name], z3.BitVecVal(number, names[name].size())) for name, number in values.items()
    ]
    return z3.simplify(z3.substitute(term, *pairs))


#: Numbers of all lengths, and those around powers of two.
EDGES = st.builds(
    lambda bit, more: min(max((1 << bit) + more, 0), 2**64 - 1),
    st.integers(0, 64),
    st.integers(-3, 3),
)
NUMBERS = EDGES | st.integers(0, 2**64 - 1) | st.integers(0, 300)


# ---- the terms are the C ----


@pytest.mark.slow
@given(lo=NUMBERS, end=NUMBERS)
@example(lo=0, end=2**63)
@example(lo=2**64 - 4, end=2**64 - 2)
@example(lo=0, end=2**64 - 1)
def test_the_term_of_aligned_room_is_the_compiled_function(
    unit: Unit, terms: searches.Searches, lo: int, end: int
) -> None:
    if lo == end:
        return
    lo, end = min(lo, end), max(lo, end)
    assert value(terms.room, lo=lo, end=end).as_long() == unit.aligned_room(lo, end)


@pytest.mark.slow
@given(lo=NUMBERS, end=NUMBERS, size=NUMBERS, high=NUMBERS, aligned=st.booleans(), other=NUMBERS)
def test_the_terms_of_a_request_are_the_compiled_functions(
    unit: Unit,
    terms: searches.Searches,
    lo: int,
    end: int,
    size: int,
    high: int,
    aligned: bool,
    other: int,
) -> None:
    size, high = min(max(size, 1), 2**63), max(high, 1)
    numbers = {"lo": lo, "end": end, "size": size, "high": high, "size_aligned": int(aligned)}
    mask = value(terms.request["*request.mask"].term, **numbers)  # type: ignore[union-attr]
    alignment = 1 << (size - 1).bit_length() if aligned else 1
    assert mask.as_long() == 2**64 - alignment
    request = Request(size, high, mask.as_long(), aligned)
    got = unit.take_top(lo, end, request)
    assert z3.is_true(value(terms.takes(), **numbers)) == (got is not None)
    for path, pfn in terms.granted():
        if got is not None and z3.is_true(value(path.condition, **numbers)):
            assert value(pfn, **numbers).as_long() == got
    has = terms.has_room(z3.BitVecVal(lo, 64), z3.BitVecVal(other, 64))
    assert z3.is_true(value(has, **numbers)) == unit.has_room(lo, other, request)


@pytest.mark.parametrize("level", [0, 1, 5])
def test_the_paths_of_a_join_are_the_compiled_function(unit: Unit, level: int) -> None:
    """All numbers of items that the lemma is about."""
    shapes = nodes.Nodes(Text())
    most, fewest = unit.node_most(level), shapes.fewest(level)
    left, right, *firsts = z3.BitVecs("left right left_first right_first", 32)
    names = ("*left.nr", "*right.nr", "*left.first", "*right.first")
    memory = {
        name: c.Int(term, UINT) for name, term in zip(names, (left, right, *firsts), strict=True)
    }
    paths = shapes.c.paths("btree_join", {"level": c.number(level, UINT)}, memory)
    for first, low in itertools.product((0, 1), (fewest - 1, fewest, most)):
        for high in range(fewest, most + 1):
            pairs = [(left, z3.BitVecVal(low, 32)), (right, z3.BitVecVal(high, 32))]
            pairs += [(term, z3.BitVecVal(first, 32)) for term in firsts]
            taken = [
                path
                for path in paths
                if z3.is_true(z3.simplify(z3.substitute(path.condition, *pairs)))
            ]
            assert len(taken) == 1
            ends = [taken[0].env[name].term for name in names[:2]]  # type: ignore[union-attr]
            nr = [z3.simplify(z3.substitute(end, *pairs)).as_long() for end in ends]
            one = z3.simplify(z3.substitute(c.truth(taken[0].value), *pairs))  # type: ignore[arg-type]
            assert (z3.is_true(one), *nr) == unit.join(level, low, high)


# ---- a change of the C is noticed ----

ROOM, DOMAIN, VARIANT = "aligned_room.h", "hole_domain.h", "hole_variant.h"
NODE, EDIT = "hole_btree_node.h", "hole_btree_edit.h"
#: File, what is replaced, by what, and the statement that then fails.
MUTATIONS = [
    (ROOM, "block /= 2;", "block /= 4;", "room-enough"),
    (ROOM, "first = (lo + 2 * block", "first = (lo + block", "room-enough"),
    (ROOM, "~(2 * block - 1)", "~(4 * block - 1)", "room-enough"),
    (ROOM, "end - first < block", "end - first < block - 1", "room-enough"),
    (DOMAIN, "(end - request->size) & request->mask", "end - request->size", "top-highest"),
    (DOMAIN, "if (end < request->size)", "if (end < request->size - 1)", "top-highest"),
    (DOMAIN, "return *pfn_lo >= lo;", "return *pfn_lo > lo;", "top-refused"),
    (DOMAIN, "room->aligned : room->anywhere", "room->anywhere : 0", "room-decides"),
    (DOMAIN, "nr_covered -= NODE_COVERS", "nr_covered -= 1", "stock-surplus"),
    (DOMAIN, "nr_covered += NODE_COVERS", "nr_covered += 13U", "stock-up"),
    (VARIANT, "fls_long(size - 1)", "fls_long(size)", "mask"),
    (VARIANT, "nr_live + 1 >= domain", "nr_live >= domain", "stock-alloc"),
    (NODE, "#define NODE_COVERS\t12U", "#define NODE_COVERS\t13U", "count-root"),
    (NODE, "#define LEAF_HOLES\t31U", "#define LEAF_HOLES\t27U", "count-root"),
    (NODE, "#define BRANCH_CHILDREN\t15U", "#define BRANCH_CHILDREN\t5U", "count-root"),
    (NODE, "struct room most = { 0, 0 }", "struct room most = { 0, 1 }", "node-first"),
    (NODE, "room.anywhere <= most.aligned", "room.anywhere <= most.aligned + 1", "node-hole"),
    (NODE, "most.aligned + 1, mask", "most.aligned + 2, mask", "node-hole"),
    (NODE, "mask = ~0UL << fls_long(room", "mask = ~1UL << fls_long(room", "node-hole"),
    (NODE, "& mask) >= hole.lo", "& mask) > hole.lo", "fits-exact"),
    (EDIT, "fls_long(length - 1)", "fls_long(length)", "as-roomy"),
    (EDIT, "change->lost >= room.aligned", "change->lost > room.aligned", "change-kept"),
    (EDIT, "room = most_room(room, change->gained);", "", "change-bound"),
    (EDIT, "keep = (most + 1) / 2", "keep = most / 3", "split"),
    (EDIT, "keep = (nr + 1) / 2;", "keep = nr / 3;", "join"),
    (EDIT, "right, 0, keep - left->nr,", "right, 1, keep - left->nr,", "join-keeps"),
    (NODE, "btree_node_most(level) / 2;", "btree_node_most(level) / 3;", "count-root"),
]


def copied(folder: Path) -> Path:
    for name in VARIANT_FILES:
        shutil.copy(variant_folder() / name, folder / name)
    return folder


#: Of the lemmas about nodes, "split" stands for all where time is short.
_LONG = {"join", "join-keeps"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "old", "new", "name"),
    [pytest.param(*one, marks=pytest.mark.long) if one[-1] in _LONG else one for one in MUTATIONS],
)
def test_a_changed_constant_of_the_c_is_not_proved(
    tmp_path: Path, file: str, old: str, new: str, name: str
) -> None:
    path = copied(tmp_path) / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    answer = run.answer(name, tmp_path)
    assert not answer.holds
    assert answer.reason == "there is a counterexample"
    assert "counterexample: " in answer.text()


def test_c_that_is_not_translated_is_an_error_and_no_proof(tmp_path: Path) -> None:
    path = copied(tmp_path) / "aligned_room.h"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("block /= 2;", "while (block) block /= 2;"), encoding="utf-8")
    with pytest.raises(ProofError, match="While is not translated"):
        run.lemma_named("room-enough", tmp_path)
    path.write_text(text.replace("aligned_room(", "room_of("), encoding="utf-8")
    with pytest.raises(ProofError, match=r"aligned_room\(\) is defined 0 times"):
        run.lemma_named("room-enough", tmp_path)


@pytest.mark.parametrize(
    ("body", "argument", "result"),
    [
        ("return (unsigned int)x << 4;", 0xF000_0001, 0x10),
        ("return x - 1 < 0;", 0, 0),
        ("unsigned int y = x; y -= 1; return y;", 0, 0xFFFF_FFFF),
        ("int y = x; y -= 1; return y;", 0, 2**64 - 1),
        ("bool y = x; return y;", 256, 1),
        ("return x / 3 % 5;", 2**64 - 1, (2**64 - 1) // 3 % 5),
        ("return x && 8 / x > 3 ? x + 5 : ~x;", 2, 7),
        ("return x && 8 / x > 3 ? ~x : x;", 0, 0),
        ("if (x > 5) x = 7; else if (!x) return 1; return x;", 0, 1),
        ("return -1 > 1U;", 0, 1),
    ],
)
def test_the_arithmetic_is_that_of_c(tmp_path: Path, body: str, argument: int, result: int) -> None:
    path = copied(tmp_path) / "aligned_room.h"
    function = f"static unsigned long probe(unsigned long x)\n{{\n\t{body}\n}}\n"
    path.write_text(function + path.read_text(encoding="utf-8"), encoding="utf-8")
    got = Translator(Text(tmp_path)).value("probe", c.number(argument))
    assert isinstance(got, c.Int)
    assert z3.simplify(got.term).as_long() == result


def test_assumptions_that_exclude_each_other_prove_nothing() -> None:
    x = z3.BitVec("x", 8)
    nothing = lemma.Lemma("nothing", "", z3.And(x == 1, x == 2), x == 3)
    assert not lemma.check(nothing).holds
    assert lemma.check(nothing).reason == "no values meet the assumptions"


def test_a_statement_that_shows_no_values_can_fail() -> None:
    x = z3.BitVec("x", 8)
    wrong = lemma.Lemma("wrong", "", z3.BoolVal(True), x == 3)
    assert not lemma.check(wrong).holds
    assert lemma.check(wrong).reason == "there is a counterexample"
    assert lemma.check(replace(wrong, refuted=True)).holds


@pytest.mark.slow
@pytest.mark.long
def test_every_statement_holds() -> None:
    command = [sys.executable, "-m", "iova_lab.checking.proof"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "NOT PROVED" not in done.stdout, done.stdout
    assert done.returncode == 0, done.stderr
    nr = len(list(run.lemmas()))
    assert f"{nr} of {nr} statements hold" in done.stdout
