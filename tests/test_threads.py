"""What must hold when many threads share a domain, whoever is first?

Outcomes differ from run to run; what is asserted here may not: no range in two hands, invariants,
a slot's order, the lock's order, and memory counts that add up.  No test compares times.
"""

from __future__ import annotations

import ctypes as c
import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import iova_variants
from iova_lab import workloads
from iova_variants import Claim, VariantCrashedError, VariantError, _native_threads, building
from iova_variants.opstream import Op, OpStream
from tests.support.lab import (
    REAL,
    SUPPORT,
    Row,
    alloc,
    free,
    random_stream,
    reserve,
    source_of,
    stream_of,
)

NR_LIVE = {"near_empty": 50, "random_replace": 300, "cross_cpu": 200, "full_32bit": 300}

UNLOCKED = """
#include <linux/spinlock.h>
#undef spin_lock_irqsave
#undef spin_unlock_irqrestore
#define spin_lock_irqsave(lock, flags) ((flags) = 0)
#define spin_unlock_irqrestore(lock, flags) ((void)(flags))
"""


def short(workload: str, nr_live: int, nr_ops: int = 240) -> OpStream:
    """Return the beginning of a window: enough to meet in, also on a busy machine."""
    stream = workloads.generate(workload, nr_live)
    return dataclasses.replace(stream, ops=stream.ops[: stream.nr_ageing + nr_ops])


def on_cpus(stream: OpStream, nr_cpus: int, seed: int) -> OpStream:
    """Say at random where each op runs."""
    ops = stream.ops.copy()
    ops["cpu"] = np.random.default_rng(seed).integers(nr_cpus, size=len(ops))
    return OpStream(
        ops, stream.nr_ageing, stream.nr_slots, granule=stream.granule, start_pfn=stream.start_pfn
    )


@pytest.mark.slow
@pytest.mark.parametrize("variant", REAL)
@pytest.mark.parametrize("rcache", iova_variants.RCACHES)
@pytest.mark.parametrize("workload", NR_LIVE)
def test_two_threads_never_own_the_same(variant: str, workload: str, rcache: str) -> None:
    stream = workloads.generate(workload, NR_LIVE[workload])
    result = iova_variants.replay_threads(variant, stream, threads=2, rcache=rcache, judge=True)
    assert result.nr_ops == stream.nr_measured
    assert not result.oversubscribed or len(os.sched_getaffinity(0)) < 2


@pytest.mark.slow
@pytest.mark.parametrize("variant", REAL)
def test_two_threads_through_a_random_history(variant: str) -> None:
    if Claim.ENDLESS in iova_variants.load(variant).claims:
        pytest.skip("which request never returns depends on the order of two threads")
    for seed in range(4):
        stream = on_cpus(random_stream(seed, 800, reserves=0), 2, seed)
        iova_variants.replay_threads(variant, stream, threads=2, judge=True)
        stream = on_cpus(random_stream(seed, 800), 2, seed)
        iova_variants.replay_threads(variant, stream, threads=2)


@pytest.mark.slow
@pytest.mark.parametrize("variant", iova_variants.names())
@pytest.mark.parametrize("workload", NR_LIVE)
def test_in_turn_the_answers_are_those_of_one_thread(variant: str, workload: str) -> None:
    """So the deal loses no op, doubles none, and keeps the order of every slot."""
    stream = short(workload, NR_LIVE[workload])
    alone = iova_variants.replay(variant, stream, pfns=True)
    for threads in (1, 2, 3):
        result = iova_variants.replay_threads(
            variant, stream, threads=threads, in_turn=True, per_op=True
        )
        assert (result.pfns == alone.pfns[stream.nr_ageing :]).all()
        assert result.lock().nr_queued == 0
        assert result.total("nr_failures") == alone.nr_failures
        assert result.nr_live == alone.nr_live


@given(seed=st.integers(0, 2**16), threads=st.integers(1, 5), named=st.booleans())
def test_a_deal_keeps_every_op_and_every_slots_order(seed: int, threads: int, named: bool) -> None:
    stream = random_stream(seed, 200)
    if named:
        stream = on_cpus(stream, 4, seed)
    dealt = iova_variants.deal(stream, threads)
    iova_variants.check(dealt.stream)
    for field in ("limit_pfn", "size", "dom", "op", "flags"):
        assert (dealt.stream.ops[field] == stream.ops[field]).all()
    assert dealt.thread.max() < threads
    for slot in np.unique(dealt.stream.ops["slot"]):
        turns = dealt.turn[dealt.stream.ops["slot"] == slot]
        assert turns.tolist() == list(range(len(turns)))
    if named:
        assert dealt.by_cpu
        assert (dealt.thread == stream.ops["cpu"] % threads).all()


@pytest.mark.parametrize("workload", ["near_empty", "ring", "random_replace", "large_blocks"])
@pytest.mark.parametrize("threads", [2, 4])
def test_a_stream_of_one_cpu_is_dealt_evenly(workload: str, threads: int) -> None:
    dealt = iova_variants.deal(workloads.generate(workload, 100), threads)
    shares = np.bincount(dealt.thread, minlength=threads)
    assert not dealt.by_cpu
    assert shares.min() > 0.8 * shares.mean()


def test_with_one_thread_a_stream_is_what_it_was() -> None:
    stream = workloads.generate("near_empty", 20)
    assert (iova_variants.deal(stream, 1).stream.ops == stream.ops).all()


def test_what_one_thread_allocates_another_one_frees() -> None:
    rows = []
    for slot in range(200):
        rows.append(alloc(slot, 1, 0xFFFF)._replace(cpu=0))
        rows.append(free(slot)._replace(cpu=1))
    stream = stream_of(rows)
    assert iova_variants.deal(stream, 2).nr_handed_over == 200
    for _ in range(5):
        result = iova_variants.replay_threads("mainline", stream, threads=2, judge=True)
        assert [share.nr_ops for share in result.shares] == [200, 200]
        assert result.nr_live == 0


def test_a_refused_alloc_is_not_freed_by_anybody() -> None:
    """One page for two slots: whoever is second gets nothing, and nothing of its is freed."""
    rows = [Row(7, 1, slot % 2, cpu=slot % 2, op=Op.ALLOC) for slot in range(2)]
    rows += [free(slot)._replace(cpu=1 - slot) for slot in range(2)]
    stream = OpStream(stream_of(rows).ops, start_pfn=7)
    result = iova_variants.replay_threads("mainline", stream, threads=2, judge=True)
    assert result.nr_live == 0
    assert result.total("nr_failures") <= 1


def test_reserved_ranges_and_look_ups_are_dealt_too() -> None:
    rows = [reserve(slot, 100 + slot, 100 + slot) for slot in range(50)]
    rows += [alloc(50 + slot, 1, 0xFFFF) for slot in range(50)]
    rows += [Row(slot=50 + slot, op=Op.FIND) for slot in range(50)]
    result = iova_variants.replay_threads("augmented", stream_of(rows), threads=2, judge=True)
    assert result.nr_ops == 150
    assert result.nr_live == 50


def test_books_of_waits_and_holds_add_up() -> None:
    stream = workloads.generate("random_replace", 500)
    result = iova_variants.replay_threads("mainline", stream, threads=2, per_op=True)
    lock = result.lock()
    assert lock.nr == stream.nr_measured == sum(lock.waits) == sum(lock.holds)
    assert result.op_wait_ns.sum() == lock.wait_ns
    assert result.op_hold_ns.sum() == lock.hold_ns
    assert result.op_ns.sum() == result.total("op_ns")
    assert lock.max_wait_ns == result.op_wait_ns.max()
    assert lock.max_hold_ns == result.op_hold_ns.max()
    assert lock.max_section_ns == (result.op_wait_ns + result.op_hold_ns).max()
    # Bins are powers of two.
    bins = np.array([int(ns).bit_length() for ns in result.op_hold_ns])
    assert np.bincount(bins, minlength=_native_threads.NR_BINS).tolist() == list(lock.holds)
    # Each reading is rounded down by itself.
    assert (result.op_ns + 2 >= result.op_wait_ns + result.op_hold_ns).all()


@pytest.mark.slow
def test_a_hold_contains_what_is_done_under_the_lock(tmp_path: Path) -> None:
    """A variant that stays inside for 50 us by the system's clock: no hold can be shorter."""
    slow = """
#include <time.h>
#include <linux/spinlock.h>
static inline void stay(void)
{
	struct timespec begin, now;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	do clock_gettime(CLOCK_MONOTONIC, &now);
	while ((now.tv_sec - begin.tv_sec) * 1000000000L + now.tv_nsec - begin.tv_nsec < 50000);
}
#undef spin_unlock_irqrestore
#define spin_unlock_irqrestore(lock, flags) \\
	do { stay(); (void)(flags); spin_unlock(lock); } while (0)
"""
    path = write(tmp_path, "slow", slow)
    stream = workloads.generate("near_empty", 10)
    result = iova_variants.replay_threads(path, stream, threads=2)
    assert result.lock().hold_ns > 0.99 * 50_000 * stream.nr_measured


def test_the_rcache_takes_its_own_locks() -> None:
    """Sixteen CPUs' caches, two threads: the tree sees misses and overflows only."""
    stream = workloads.generate("cross_cpu", 2_000)
    off = iova_variants.replay_threads("mainline", stream, threads=2)
    on = iova_variants.replay_threads("mainline", stream, threads=2, rcache="pre-6.7")
    assert on.rcache is not None
    assert off.lock("depot").nr == off.lock("cpu_cache").nr == 0
    assert on.lock("cpu_cache").nr >= stream.nr_measured
    assert on.lock("depot").nr > 0
    assert on.lock().nr == on.rcache.nr_tree_allocs + on.rcache.nr_tree_frees
    assert sum(on.rcache.nr_allocs) + sum(on.rcache.nr_frees) == stream.nr_measured


def test_more_threads_than_cpus_is_said() -> None:
    threads = len(os.sched_getaffinity(0)) + 1
    stream = workloads.generate("near_empty", 10)
    result = iova_variants.replay_threads("mainline", stream, threads=threads, judge=True)
    assert result.oversubscribed
    assert result.nr_threads == threads


# ---- variants that are wrong ----


def write(folder: Path, name: str, prologue: str, edit: Callable[[str], str] = str) -> str:
    """Write mainline under another name, with something in front of it."""
    path = folder / f"{name}.c"
    path.write_text(prologue + edit(source_of("mainline")).replace('"mainline"', f'"{name}"'))
    return str(path)


def test_a_variant_that_takes_no_lock_is_caught(tmp_path: Path) -> None:
    """It gives a range away twice, loses one, breaks its tree, or dies: within a few tries."""
    path = write(tmp_path, "unlocked", UNLOCKED)
    stream = workloads.generate("random_replace", 300)

    def try_it() -> None:
        for _ in range(200):
            iova_variants.replay_threads(path, stream, threads=2, judge=True, timeout=20)

    with pytest.raises(VariantError):
        try_it()


def test_a_variant_that_gives_a_range_away_twice_is_caught(tmp_path: Path) -> None:
    def twice(text: str) -> str:
        return text.replace("	.name		=", "	.alloc = same,\n	.name		=").replace(
            "RANGE_VARIANT(\n",
            "static unsigned long same(struct iova_domain *iovad, unsigned long size,\n"
            "	unsigned long limit_pfn, bool aligned)\n{\n"
            "	range_alloc(iovad, size, limit_pfn, aligned);\n	return 64;\n}\n\nRANGE_VARIANT(\n",
        )

    path = write(tmp_path, "twice", '#pragma GCC diagnostic ignored "-Woverride-init"\n', twice)
    stream = stream_of([alloc(slot, 1, 100) for slot in range(4)])
    with pytest.raises(VariantError, match=r"measured op \d+: twice, pfn 0x40 .* overlaps"):
        iova_variants.replay_threads(path, stream, threads=2, judge=True)


@pytest.mark.slow
def test_a_variant_that_never_unlocks_is_given_up(tmp_path: Path) -> None:
    stuck = UNLOCKED.replace("((flags) = 0)", "do { (flags) = 0; spin_lock(lock); } while (0)")
    path = write(tmp_path, "stuck", stuck)
    stream = workloads.generate("near_empty", 10)
    with pytest.raises(
        VariantCrashedError, match=r"stuck: does not return within 1 s in a replay by 2"
    ):
        iova_variants.replay_threads(path, stream, threads=2, timeout=1)


@pytest.mark.parametrize("threads", [0, -1, 65537])
def test_impossible_numbers_of_threads_are_refused(threads: int) -> None:
    stream = workloads.generate("near_empty", 10)
    with pytest.raises(ValueError, match=r"threads are not within 1\.\.65536"):
        iova_variants.replay_threads("mainline", stream, threads=threads)


# ---- the lock ----


@pytest.fixture(scope="module")
def fair_lock(tmp_path_factory: pytest.TempPathFactory) -> c.CDLL:
    target = tmp_path_factory.mktemp("lock") / "fair_lock.so"
    sources = [SUPPORT / "fair_lock.c", building.HARNESS_DIR / "threaded/crew.c"]
    include = [f"-I{folder}" for folder in building.include_dirs("threaded")]
    flags = [flag for flag in building.CFLAGS if "visibility" not in flag]
    flags += building.BUILD_CFLAGS["threaded"]
    command = [building.compiler(), *flags, "-shared", *include, *map(str, sources)]
    subprocess.run([*command, "-o", str(target)], check=True)
    return c.CDLL(str(target))


@pytest.mark.parametrize("nr", [1, 2, 7])
def test_the_lock_serves_first_who_came_first(fair_lock: c.CDLL, nr: int) -> None:
    order, stats = (c.c_int * nr)(), (_native_threads.LockStats * nr)()
    assert fair_lock.serve(nr, order, stats) == nr
    assert list(order) == list(range(nr))
    for lock in stats:
        assert (lock.nr, lock.nr_queued) == (1, 1)
        assert lock.max_section_ns == lock.wait_ns + lock.hold_ns


@pytest.mark.parametrize("threads", [1, 2])
def test_the_bare_lock_is_held_by_one_at_a_time(threads: int) -> None:
    result = iova_variants.bare_lock(threads, 5_000)
    assert result.nr_ops == result.lock().nr == threads * 5_000


# ---- thread sanitizer ----

RACE = """
import sys
import iova_variants
from iova_lab import workloads
for variant in sys.argv[2:]:
    for workload, nr_live in (("random_replace", 100), ("cross_cpu", 200)):
        for rcache in sys.argv[1].split(","):
            stream = workloads.generate(workload, nr_live)
            iova_variants.replay_threads(variant, stream, threads=2, build="tsan", rcache=rcache)
    print(variant, "done")
"""


#: Ends at the first race: a tree that threads have corrupted may be searched for ever.
TSAN_OPTIONS = "halt_on_error=1:exitcode=66"


def run_with_tsan(rcaches: str, *variants: str) -> subprocess.CompletedProcess[str]:
    """Run without the judge, whose own lock would hide a missing one."""
    library = subprocess.check_output(
        [building.compiler(), "-print-file-name=libtsan.so"], text=True
    ).strip()
    environment = os.environ | {"LD_PRELOAD": library, "TSAN_OPTIONS": TSAN_OPTIONS}
    environment |= {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-c", RACE, rcaches, *variants],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=Path(__file__).parent.parent,
    )


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("part", range(3))
def test_no_variant_has_a_data_race(part: int) -> None:
    """A third of them in one process: it takes longer to start than to run."""
    variants = REAL[part::3]
    done = run_with_tsan("off,pre-6.7", *variants)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert done.stdout == "".join(f"{variant} done\n" for variant in variants)
    assert "ThreadSanitizer" not in done.stderr


@pytest.mark.slow
def test_the_sanitizer_sees_a_missing_lock(tmp_path: Path) -> None:
    done = run_with_tsan("off", write(tmp_path, "unlocked", UNLOCKED))
    assert "WARNING: ThreadSanitizer: data race" in done.stderr
    assert done.returncode == 66


def test_a_domain_outlives_a_replay_by_threads() -> None:
    """Both in one process: the domain's memory is the harness's thread's, before and after."""
    with iova_variants.Domain("mainline", build="threaded") as domain:
        first = domain.alloc(1, 0xFFFF)
        iova_variants.replay_threads(
            "mainline", workloads.generate("near_empty", 10), threads=2, judge=True
        )
        pfns = {domain.alloc(1, 0xFFFF) for _ in range(200)}
        assert first not in pfns
        assert len(pfns) == 200
        domain.verify()
