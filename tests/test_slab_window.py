"""Is memory taken from the system inside a measured window?  Counted, not timed."""

from __future__ import annotations

import pytest

import iova_variants
from iova_lab import workloads


@pytest.mark.slow
@pytest.mark.parametrize("workload", [w for w in workloads.names() if not w.startswith("trace_")])
def test_no_arena_is_taken_within_a_window(workload: str) -> None:
    for nr_live in (100, 1000, 3500):
        if workloads.get(workload).why_not(nr_live):
            continue
        stream = workloads.generate(workload, nr_live)
        for variant in iova_variants.names():
            result = iova_variants.replay(variant, stream)
            assert result.nr_arenas == 0, (variant, nr_live)


@pytest.mark.slow
@pytest.mark.parametrize("rcache", ["off", "6.7"])
def test_no_arena_is_taken_within_a_window_of_threads(rcache: str) -> None:
    """An arena of nodes of 64 bytes ends at 4096, in the middle of this window."""
    stream = workloads.generate("startup", 4000)
    for variant in iova_variants.names():
        result = iova_variants.replay_threads(variant, stream, threads=2, rcache=rcache)
        assert result.nr_arenas == 0, variant
