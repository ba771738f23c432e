"""Do kernels' own caches, and threads, do with magazines what the lab's rcache does?

No test here runs with sanitizers: other builds are compared, and texts that Debian has packaged.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import iova_variants
from iova_variants import CountedReplay, Rcache, RcacheReport
from iova_variants._rcache import Kernel
from iova_variants.opstream import OpStream
from tests.support.debian_texts import RCACHES, text_of
from tests.support.lab import REAL, alloc, free, stream_of
from tests.support.rcache_streams import (
    KERNELS,
    fill_and_free,
    report_of,
    waves,
    with_some_past,
)


def report(result: CountedReplay) -> RcacheReport:
    assert result.rcache is not None
    return result.rcache


# ---- kernels' own texts ----


def wide(seed: int) -> OpStream:
    """Thousands of ranges of two sizes on one CPU: whole magazines go to the depot and back."""
    rng = np.random.default_rng(seed)
    rows = [alloc(slot, int(rng.integers(1, 3)), 2**20 - 1) for slot in range(1500)]
    rows += [free(int(slot)) for slot in rng.permutation(1500)]
    rows += [alloc(slot, int(rng.integers(1, 3)), 2**20 - 1) for slot in range(1500, 2500)]
    return stream_of(rows)


def own_and_labs(
    series: str,
    stream: OpStream,
    *,
    nr_cpus: int = 0,
    nr_possible: int = 0,
    fail_alloc_at: int = 0,
) -> list[CountedReplay]:
    """A text with its own caches, and `mainline` with the lab's of that kernel; no time passes."""
    kernels: list[tuple[str, Kernel]] = [(text_of(series), "own"), ("mainline", RCACHES[series])]
    return [
        iova_variants.replay(
            name,
            stream,
            pfns=True,
            build="counted",
            rcache=Rcache(kernel, nr_cpus=nr_cpus, nr_possible=nr_possible, ns_per_op=0),
            fail_alloc_at=fail_alloc_at,
        )
        for name, kernel in kernels
    ]


def small_space(seed: int) -> OpStream:
    """As `waves`, in a space of 1000 pfns: with magazines of 127 they hold it all back."""
    stream = waves(seed, 6000, 3)
    ops = stream.ops.copy()
    ops["limit_pfn"] = np.where(ops["limit_pfn"] > 0, 1000, 0)
    return replace(stream, ops=ops, granule=2**22)


def like_the_labs(text: CountedReplay, lab: CountedReplay) -> None:
    np.testing.assert_array_equal(text.pfns, lab.pfns)
    # The lab counts a magazine that a full depot sends to the tree as held until it is empty.
    names = ("peak_held_pfns", "peak_magazine_bytes")
    peaks = {name: getattr(report(lab), name) for name in names}
    assert replace(report(text), **peaks) == report(lab)
    assert all(getattr(report(text), name) <= peaks[name] for name in names)


@pytest.mark.parametrize("series", RCACHES)
@pytest.mark.parametrize("seed", range(3))
def test_a_texts_own_magazines_are_as_the_labs(series: str, seed: int) -> None:
    """Addresses, magazines, their bytes, and how often a flush takes the lock of the tree."""
    text, lab = own_and_labs(series, small_space(seed), nr_cpus=3, nr_possible=5)
    like_the_labs(text, lab)
    assert report(lab).nr_flush_locks > 0


@pytest.mark.slow
@pytest.mark.parametrize("series", ["6.12", "7.3"])
def test_a_text_without_memory_does_what_the_lab_does(series: str) -> None:
    """Each request for memory is refused once: a node's or a magazine's."""
    stream = replace(small_space(4), ops=small_space(4).ops[:600])
    nr_requests = [one.nr_memory_requests for one in own_and_labs(series, stream)]
    assert nr_requests[0] == nr_requests[1]
    for number in range(1, nr_requests[0] + 1):
        like_the_labs(*own_and_labs(series, stream, fail_alloc_at=number))


@pytest.mark.parametrize("series", RCACHES)
@pytest.mark.parametrize("seed", range(3))
def test_its_calls_past_the_caches_are_as_the_labs(series: str, seed: int) -> None:
    """alloc_iova() and free_iova() of the text, beside its fast API on the same domains."""
    for stream in (waves(seed, 1500, 2), wide(seed), small_space(seed)):
        like_the_labs(*own_and_labs(series, with_some_past(stream, seed)))


# ---- threads ----


def test_in_turn_a_mixed_stream_is_answered_as_by_one() -> None:
    stream = with_some_past(waves(3, 1200, 2), 3)
    alone = iova_variants.replay("mainline", stream, rcache="6.7", pfns=True)
    for threads in (1, 2):
        result = iova_variants.replay_threads(
            "mainline", stream, threads=threads, rcache="6.7", in_turn=True, per_op=True
        )
        assert result.rcache is not None
        assert alone.rcache is not None
        assert result.rcache.nr_allocs == alone.rcache.nr_allocs
        assert result.rcache.nr_frees == alone.rcache.nr_frees
        if threads == 2:
            assert (result.pfns == alone.pfns).all()


@pytest.mark.slow
@pytest.mark.parametrize("variant", REAL)
@pytest.mark.parametrize("kernel", KERNELS)
def test_two_threads_that_go_past_it_never_own_the_same(variant: str, kernel: Kernel) -> None:
    stream = with_some_past(waves(4, 1500, 2), 4)
    result = iova_variants.replay_threads(variant, stream, threads=2, rcache=kernel, judge=True)
    assert result.nr_ops == stream.nr_measured


def test_threads_report_the_magazines_that_are_there() -> None:
    stream = fill_and_free(300)
    for kernel in KERNELS:
        alone = report_of(stream, Rcache(kernel))
        threads = iova_variants.replay_threads("mainline", stream, threads=1, rcache=kernel)
        assert threads.rcache is not None
        assert threads.rcache.magazine_bytes == alone.magazine_bytes
        assert threads.rcache.peak_magazine_bytes == 0
