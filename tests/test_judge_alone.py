"""Does judge.c, compiled alone, keep the books that brute force keeps, call by call?

No variant is near: every call of judge.h is made here, also those that a correct variant never
leads to.
"""

from __future__ import annotations

import ctypes as c
import random
import subprocess
from pathlib import Path

import pytest

from iova_lab.checking.books import Books, MergingBooks, SizedBooks
from iova_variants import building

NR_PFNS = 260
ALIGNS = [1, 2, 4, 16, 64]
#: How a request is reserved: the function, and the books that define it.
RESERVES: dict[str, type[Books]] = {
    "judge_reserve": Books,
    "judge_reserve_merged": MergingBooks,
    "judge_reserve_free": SizedBooks,
}


def library_of(source: Path, target: Path) -> c.CDLL:
    """Compile judge.c into a shared object of its own."""
    flags = [flag for flag in building.CFLAGS if "visibility" not in flag]
    command = [building.compiler(), *flags, "-shared", f"-I{building.HARNESS_DIR}", str(source)]
    subprocess.run([*command, "-o", str(target)], check=True)
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
    for name in ("judge_add", *RESERVES):
        function = getattr(library, name)
        function.argtypes = [c.c_void_p, c.c_uint64, c.c_uint64]
        function.restype = c.c_char_p
    return library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> c.CDLL:
    folder = tmp_path_factory.mktemp("judge")
    return library_of(building.HARNESS_DIR / "judge.c", folder / "judge.so")


class Judge:
    """A judge beside its books; every call is made of both.  Pfns count from ``base``."""

    def __init__(
        self, library: c.CDLL, reserve: str, start_pfn: int, low_range: bool, base: int = 0
    ) -> None:
        self.library, self.base, self.start_pfn = library, base, start_pfn
        self.reserve_call = getattr(library, reserve)
        self.books = RESERVES[reserve](start_pfn=start_pfn)
        if low_range and start_pfn:
            self.books.add(0, start_pfn - 1)
        aligns = (c.c_uint64 * len(ALIGNS))(*ALIGNS)
        self.judge = library.judge_new(base + start_pfn, low_range, aligns, len(ALIGNS))
        assert self.judge

    def add(self, lo: int, hi: int) -> None:
        expected = b"overlaps a live range" if self.books.overlaps(lo, hi) else None
        assert self.library.judge_add(self.judge, self.base + lo, self.base + hi) == expected
        if expected is None:
            self.books.add(lo, hi)

    def free(self, pfn: int) -> None:
        self.library.judge_free(self.judge, self.base + pfn)
        Books.free(self.books, pfn)

    def reserve(self, lo: int, hi: int) -> None:
        assert self.reserve_call(self.judge, self.base + lo, self.base + hi) is None
        self.books.reserve(lo, hi)

    def used(self) -> int:
        """A bit for each pfn that is live."""
        return sum(((1 << (hi - lo + 1)) - 1) << lo for lo, hi in self.books.live())

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
    """Random calls in one small space, each held against the books."""
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
        for _ in range(3):
            judge.check_fit(rng.randint(1, 40), rng.choice(ALIGNS), rng.randrange(NR_PFNS + 40))
        judge.check_live()
    judge.put()


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
    library.judge_put(judge)
