"""Does judge.c, compiled alone, find what brute force finds, call by call?

No variant is near: every call of judge.h is made here, also those that a correct variant never
leads to.
"""

from __future__ import annotations

import ctypes as c
import os
import random
import subprocess
from pathlib import Path

import pytest

from iova_lab.checking.reference_model import MergingModel, ReferenceModel, SizedModel
from iova_variants import building

NR_PFNS = 260
ALIGNS = [1, 2, 4, 16, 64]
#: How a request is reserved: the function, and the model that defines it.
RESERVES: dict[str, type[ReferenceModel]] = {
    "judge_reserve": ReferenceModel,
    "judge_reserve_merged": MergingModel,
    "judge_reserve_free": SizedModel,
}


#: The file that is tested: of a mutant, tests/support/mutants.py sets it.
JUDGE_C = Path(os.environ.get("IOVA_LAB_JUDGE_C", building.HARNESS_DIR / "judge.c"))
INSIDE = Path(__file__).parent / "support" / "judge_inside.c"


def library_of(source: Path, target: Path) -> c.CDLL:
    """Compile judge.c into a shared object of its own."""
    flags = [flag for flag in building.CFLAGS if "visibility" not in flag]
    flags += [f"-I{building.HARNESS_DIR}", f'-DJUDGE_C="{source}"', "-shared"]
    subprocess.run([building.compiler(), *flags, str(INSIDE), "-o", str(target)], check=True)
    library = c.CDLL(str(target))
    library.judge_new.argtypes = [c.c_uint64, c.c_bool, c.POINTER(c.c_uint64), c.c_uint]
    library.judge_new.restype = c.c_void_p
    library.judge_put.argtypes = library.judge_free.argtypes = [c.c_void_p, c.c_uint64]
    library.judge_put.argtypes = [c.c_void_p]
    library.judge_put.restype = library.judge_free.restype = None
    library.judge_is_live.argtypes = [c.c_void_p, c.c_uint64]
    library.judge_is_live.restype = c.c_bool
    library.judge_highest_fit.argtypes = [
        *(c.c_void_p, c.c_uint64, c.c_uint64, c.c_uint64),
        c.POINTER(c.c_uint64),
    ]
    library.judge_highest_fit.restype = c.c_bool
    library.inside_is_exact.argtypes = [c.c_void_p]
    library.inside_is_exact.restype = c.c_bool
    library.inside_depth.argtypes = library.inside_nr_room.argtypes = [c.c_void_p]
    library.inside_depth.restype = library.inside_nr_room.restype = c.c_uint32
    library.inside_refuse.argtypes = [c.c_long]
    library.inside_refuse.restype = None
    library.inside_nr_blocks.argtypes = []
    library.inside_nr_blocks.restype = c.c_long
    for name in ("judge_add", *RESERVES):
        function = getattr(library, name)
        function.argtypes = [c.c_void_p, c.c_uint64, c.c_uint64]
        function.restype = c.c_char_p
    return library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> c.CDLL:
    return library_of(JUDGE_C, tmp_path_factory.mktemp("judge") / "judge.so")


class Judge:
    """A judge beside a reference model; every call is made of both.  Pfns count from ``base``."""

    def __init__(
        self, library: c.CDLL, reserve: str, start_pfn: int, low_range: bool, base: int = 0
    ) -> None:
        self.library, self.base, self.start_pfn = library, base, start_pfn
        self.reserve_call = getattr(library, reserve)
        self.model = RESERVES[reserve](start_pfn=start_pfn)
        if low_range and start_pfn:
            self.model.add(0, start_pfn - 1)
        aligns = (c.c_uint64 * len(ALIGNS))(*ALIGNS)
        self.judge = library.judge_new(base + start_pfn, low_range, aligns, len(ALIGNS))
        assert self.judge

    def add(self, lo: int, hi: int) -> None:
        expected = b"overlaps a live range" if self.model.overlaps(lo, hi) else None
        assert self.library.judge_add(self.judge, self.base + lo, self.base + hi) == expected
        if expected is None:
            self.model.add(lo, hi)

    def free(self, pfn: int) -> None:
        self.library.judge_free(self.judge, self.base + pfn)
        ReferenceModel.free(self.model, pfn)

    def reserve(self, lo: int, hi: int) -> None:
        assert self.reserve_call(self.judge, self.base + lo, self.base + hi) is None
        self.model.reserve(lo, hi)

    def used(self) -> int:
        """A bit for each pfn that is live."""
        return sum(((1 << (hi - lo + 1)) - 1) << lo for lo, hi in self.model.live())

    def check_fit(self, size: int, align: int, limit: int) -> None:
        used, ones = self.used(), (1 << size) - 1
        fits = (
            lo
            for lo in range((limit - size + 1) // align * align, -1, -align)
            if lo >= self.start_pfn and not used >> lo & ones
        )
        expected = next(fits, None)
        found = c.c_uint64()
        fit = self.library.judge_highest_fit(
            self.judge, size, align, self.base + limit, c.byref(found)
        )
        assert (found.value - self.base if fit else None) == expected

    def check_live(self) -> None:
        used = self.used()
        for pfn in range(NR_PFNS + 40):
            live = self.library.judge_is_live(self.judge, self.base + pfn)
            assert live == bool(used >> pfn & 1)

    def put(self) -> None:
        self.library.judge_put(self.judge)


def history(library: c.CDLL, reserve: str, seed: int) -> None:
    """Random calls in one small space, each held against the model."""
    rng = random.Random(seed)
    low_range = seed >= 3
    base = 0 if low_range else rng.choice([0, 1 << 44])
    judge = Judge(library, reserve, [0, 1, 9][seed % 3], low_range, base)
    most = rng.choice([1, 8, 30])
    for _ in range(300):
        lo, size = rng.randrange(NR_PFNS), rng.randint(1, most)
        action = rng.choice("aaaffr")
        if action == "a":
            judge.add(lo, lo + size - 1)
        elif action == "f":
            judge.free(lo)
        else:
            judge.reserve(lo, lo + 2 * size)
        assert library.inside_is_exact(judge.judge)
        for _ in range(3):
            judge.check_fit(rng.randint(1, 40), rng.choice(ALIGNS), rng.randrange(NR_PFNS + 40))
        judge.check_live()
    judge.put()
    assert library.inside_nr_blocks() == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("reserve", RESERVES)
def test_every_call_agrees_with_brute_force(library: c.CDLL, reserve: str, seed: int) -> None:
    history(library, reserve, seed)


@pytest.mark.parametrize(("nr_aligns", "is_made"), [(64, True), (65, False)])
def test_no_more_alignments_than_there_are_powers_of_two(
    library: c.CDLL, nr_aligns: int, is_made: bool
) -> None:
    judge = library.judge_new(0, False, (c.c_uint64 * nr_aligns)(*[1] * nr_aligns), nr_aligns)
    assert bool(judge) == is_made
    library.judge_put(judge)


def test_more_ranges_than_there_was_room_for(library: c.CDLL) -> None:
    """5,000 ranges of one pfn: the room grows three times, and freed ranges are used again."""
    aligns = (c.c_uint64 * 1)(1)
    judge = library.judge_new(0, False, aligns, 1)
    found = c.c_uint64()
    for _ in range(2):
        for pfn in range(0, 10_000, 2):
            assert library.judge_add(judge, pfn, pfn) is None
        assert library.judge_highest_fit(judge, 1, 1, 9_998, c.byref(found))
        assert found.value == 9_997
        assert not library.judge_highest_fit(judge, 2, 1, 9_998, c.byref(found))
        for pfn in range(0, 10_000, 2):
            library.judge_free(judge, pfn)
        assert not any(library.judge_is_live(judge, pfn) for pfn in range(10_000))
    assert library.inside_nr_room(judge) == 8192  # 5,000 twice would not fit
    library.judge_put(judge)


def test_ranges_in_order_make_no_list(library: c.CDLL) -> None:
    """A treap of n ranges is some 3 log2(n) deep, in whichever order they come."""
    judge = library.judge_new(0, False, (c.c_uint64 * 1)(1), 1)
    for pfn in range(4096):
        assert library.judge_add(judge, 2 * pfn, 2 * pfn) is None
    assert 12 < library.inside_depth(judge) < 48
    library.judge_put(judge)


def test_churn_makes_no_list(library: c.CDLL) -> None:
    """Nor does a treap grow deep by what is taken out of it, from either end or between."""
    judge = library.judge_new(0, False, (c.c_uint64 * 1)(1), 1)
    rng = random.Random(3)
    for pfn in range(4096):
        assert library.judge_add(judge, 2 * pfn, 2 * pfn) is None
    halves = [rng.sample(range(4096), 2048) for _ in range(4)]
    for live in (range(0, 4096, 4), range(4095, 0, -4), *halves):
        for pfn in live:
            library.judge_free(judge, 2 * pfn)
        assert library.inside_depth(judge) < 48
        for pfn in live:
            assert library.judge_add(judge, 2 * pfn, 2 * pfn) is None
        assert library.inside_depth(judge) < 48
    library.judge_put(judge)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_judge_that_gets_no_memory_leaves_none_behind(library: c.CDLL, number: int) -> None:
    library.inside_refuse(number)
    assert library.judge_new(5, True, (c.c_uint64 * 2)(1, 4), 2) is None
    assert library.inside_nr_blocks() == 0
    library.inside_refuse(0)
    library.judge_put(None)


@pytest.mark.parametrize("number", [1, 2])
def test_a_range_without_memory_is_refused_and_changes_nothing(
    library: c.CDLL, number: int
) -> None:
    judge = library.judge_new(0, False, (c.c_uint64 * 2)(1, 4), 2)
    room = library.inside_nr_room(judge)
    for pfn in range(room - 2):  # one is none, one the sentinel
        assert library.judge_add(judge, 2 * pfn, 2 * pfn) is None
    library.inside_refuse(number)
    lo = 2 * room
    assert library.judge_add(judge, lo, lo) == b"is one more than the judge has memory for"
    assert not library.judge_is_live(judge, lo)
    assert library.inside_is_exact(judge)
    library.inside_refuse(0)
    assert library.judge_add(judge, lo, lo) is None
    assert library.inside_nr_room(judge) == 2 * room
    assert library.inside_is_exact(judge)
    assert library.judge_is_live(judge, 0)
    assert library.judge_is_live(judge, lo)
    library.judge_put(judge)
    assert library.inside_nr_blocks() == 0
