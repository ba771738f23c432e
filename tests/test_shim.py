"""Does the user-space kernel API do what the kernel's does?  The tree, the slabs, bits and lock.

tests/support/shim.c is compiled like a variant, against the same headers, and driven from here.
"""

from __future__ import annotations

import ctypes as c
import random
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iova_variants import building
from tests.support.lab import SUPPORT

PLAIN, MAX, SUM = range(3)
SLAB_HWCACHE_ALIGN = 1
NR_ITEMS = 4096


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> c.CDLL:
    target = tmp_path_factory.mktemp("shim") / "shim.so"
    userspace = building.HARNESS_DIR / "userspace"
    sources = [SUPPORT / "shim.c", *sorted(userspace.glob("*.c"))]
    flags = [flag for flag in building.CFLAGS if "visibility" not in flag]
    command = [building.compiler(), *flags, "-pthread", "-shared", f"-I{userspace}"]
    subprocess.run([*command, *map(str, sources), "-o", str(target)], check=True)
    library = c.CDLL(str(target))
    library.tree_insert.argtypes = [c.c_int, c.c_uint, c.c_ulong, c.c_ulong]
    library.tree_is_outside.restype = c.c_bool
    library.object_stride.restype = c.c_long
    library.kmalloc_bytes.argtypes, library.kmalloc_bytes.restype = [c.c_size_t], c.c_uint64
    library.bit_op.argtypes, library.bit_op.restype = [c.c_int, c.c_ulong], c.c_ulong
    library.count_together.argtypes = [c.c_uint, c.c_ulong]
    library.count_together.restype = c.c_ulong
    library.zalloc_clears.restype = c.c_bool
    return library


def walk(shim: c.CDLL, order: int) -> list[int]:
    keys = (c.c_ulong * NR_ITEMS)()
    return list(keys[: shim.tree_walk(order, keys)])


def assert_holds(shim: c.CDLL, kind: int, expected: list[int]) -> None:
    """Shape, colours, augmented values by brute force, and the order of keys."""
    assert shim.tree_check(kind) >= 0
    assert walk(shim, 0) == expected
    assert walk(shim, 1) == expected[::-1]


@pytest.mark.slow
@pytest.mark.parametrize("kind", [PLAIN, MAX, SUM])
@given(ops=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 9)), max_size=60))
def test_any_short_history_keeps_the_tree(
    shim: c.CDLL, kind: int, ops: list[tuple[int, int]]
) -> None:
    shim.tree_reset()
    live: set[int] = set()
    for key, weight in ops:
        if key in live:
            shim.tree_erase(kind, key)
        else:
            shim.tree_insert(kind, key, key, weight)
        live ^= {key}
        assert_holds(shim, kind, sorted(live))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", [PLAIN, MAX, SUM])
def test_long_histories_keep_the_tree(shim: c.CDLL, kind: int, seed: int) -> None:
    rng = random.Random(seed)
    shim.tree_reset()
    live: list[int] = []
    for step in range(1500):
        if live and rng.random() < (0.3 if step < 900 else 0.7):
            nr = live.pop(rng.randrange(len(live)))
            shim.tree_erase(kind, nr)
            assert shim.tree_is_outside(nr)
        else:
            nr = rng.choice(sorted(set(range(600)) - set(live)))
            shim.tree_insert(kind, nr, nr, rng.randrange(1000))
            live.append(nr)
        assert shim.tree_check(kind) >= 0
        if step % 50 == 0:
            assert_holds(shim, kind, sorted(live))


@pytest.mark.parametrize("order", ["up", "down", "inside out"])
def test_the_height_is_logarithmic(shim: c.CDLL, order: str) -> None:
    keys = list(range(2048))
    if order == "down":
        keys.reverse()
    elif order == "inside out":
        keys = [key for pair in zip(keys[1023::-1], keys[1024:], strict=True) for key in pair]
    shim.tree_reset()
    for key in keys:
        shim.tree_insert(PLAIN, key, key, 0)
    blacks = shim.tree_check(PLAIN)
    assert 5 <= blacks <= 11  # every path has between blacks and 2 * blacks nodes


def test_postorder_is_that_of_the_textbook(shim: c.CDLL) -> None:
    rng = random.Random(1)
    shim.tree_reset()
    for nr, key in enumerate(rng.sample(range(1000), 200)):
        shim.tree_insert(PLAIN, nr, key, 0)
        keys = (c.c_ulong * NR_ITEMS)()
        assert walk(shim, 2) == list(keys[: shim.tree_postorder(keys)])


def test_an_empty_tree_has_no_nodes(shim: c.CDLL) -> None:
    shim.tree_reset()
    assert [walk(shim, order) for order in range(3)] == [[], [], []]


def test_a_node_can_be_replaced_in_place(shim: c.CDLL) -> None:
    shim.tree_reset()
    for nr in range(100):
        shim.tree_insert(SUM, nr, nr, nr)
    for nr in range(100):
        shim.tree_replace(nr, 1000 + nr)
        assert shim.tree_is_outside(nr)
        assert shim.tree_check(SUM) >= 0
    assert walk(shim, 0) == list(range(100))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("size", "align", "flags", "stride"),
    [
        (40, 0, SLAB_HWCACHE_ALIGN, 64),
        (72, 0, SLAB_HWCACHE_ALIGN, 128),
        (24, 0, SLAB_HWCACHE_ALIGN, 32),
        (16, 0, SLAB_HWCACHE_ALIGN, 16),
        (64, 0, SLAB_HWCACHE_ALIGN, 64),
        (65, 0, SLAB_HWCACHE_ALIGN, 128),
        (8, 0, SLAB_HWCACHE_ALIGN, 8),
        (40, 0, 0, 40),
        (41, 0, 0, 48),
        (1, 0, 0, 8),
        (40, 32, 0, 64),
        (24, 128, SLAB_HWCACHE_ALIGN, 128),
        (4096, 0, 0, 4096),
        (9000, 0, 0, 9000),
    ],
)
def test_slab_objects_have_the_kernels_sizes(
    shim: c.CDLL, size: int, align: int, flags: int, stride: int
) -> None:
    assert abs(shim.object_stride(size, align, flags)) == stride


@pytest.mark.parametrize(("size", "nr"), [(64, 1), (64, 64), (64, 65), (40, 102), (40, 103)])
def test_slab_bytes_are_whole_slabs(shim: c.CDLL, size: int, nr: int) -> None:
    counts = (c.c_uint64 * 6)()
    shim.slab_bytes(size, nr, counts)
    in_use, live, live_after_free, last_in_first_out, left, lost = counts
    assert in_use == -(-nr // (4096 // size)) * 4096
    assert (live, live_after_free, last_in_first_out) == (nr, 0, 1)
    assert left == 0
    assert lost == 1  # the one object that was never freed is still told


def test_zeroed_objects_are_zero(shim: c.CDLL) -> None:
    assert shim.zalloc_clears()


def test_kmalloc_rounds_to_the_kernels_classes(shim: c.CDLL) -> None:
    classes = [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192]
    for size in range(1, 8193):
        assert shim.kmalloc_bytes(size) == min(each for each in classes if each >= size)


POWERS = sorted({edge for bit in range(64) for edge in (2**bit - 1, 2**bit, 2**bit + 1)})


def test_bit_operations_at_every_power_of_two(shim: c.CDLL) -> None:
    for x in POWERS:
        assert shim.bit_op(0, x) == (x & 0xFFFFFFFF).bit_length()
        assert shim.bit_op(1, x) == x.bit_length()
        assert shim.bit_op(7, x) == (x.bit_count() == 1)
        if x:
            assert shim.bit_op(2, x) == shim.bit_op(4, x) == x.bit_length() - 1
            assert shim.bit_op(3, x) == (x & -x).bit_length() - 1
            assert shim.bit_op(6, x) == 1 << (x.bit_length() - 1)
        if 0 < x <= 2**63:
            assert shim.bit_op(5, x) == 1 << (x - 1).bit_length()


def test_the_lock_keeps_threads_apart(shim: c.CDLL) -> None:
    assert shim.count_together(2, 100_000) == 200_000
    assert shim.count_together(4, 200) == 800
