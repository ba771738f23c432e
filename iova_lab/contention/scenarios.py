"""What do the CPUs of a machine do with an allocator?  Named, so that results can say it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import NotFoundError
from iova_lab.contention.model import FLUSH_QUEUE, MAGAZINE, Scenario

#: Mean time between two requests of one CPU: 100,000 a second, a fast disk's share.
THINK_NS = 10_000.0

#: Each with its reason; numbers of CPUs and think times are put in by whoever asks.
SCENARIOS: dict[str, tuple[str, Scenario]] = {
    "strict": (
        "every unmap frees its range at once (iommu.strict=1)",
        Scenario(1, THINK_NS),
    ),
    "lazy": (
        "a CPU frees 256 ranges in one go, each a hold of its own: larger than the rcache takes",
        Scenario(1, THINK_NS, flush_queue=FLUSH_QUEUE),
    ),
    "magazines": (
        "as lazy, the depot full: 127 ranges are freed in one hold",
        Scenario(1, THINK_NS, flush_queue=FLUSH_QUEUE, magazine=MAGAZINE),
    ),
    "timer": (
        "as magazines, but one CPU's timer frees the queues of all every 10 ms",
        Scenario(1, THINK_NS, flush_queue=FLUSH_QUEUE, magazine=MAGAZINE, timer=True),
    ),
}


def scenario(name: str, nr_cpus: int, workload: str, think_ns: float | None = None) -> Scenario:
    """One of `SCENARIOS` for so many CPUs; a trace brings its own times between requests.

    Raises `NotFoundError` for an unknown name.
    """
    if name not in SCENARIOS:
        raise NotFoundError(f"no scenario named {name!r}; there are: {', '.join(SCENARIOS)}")
    found = replace(SCENARIOS[name][1], nr_cpus=nr_cpus)
    if think_ns is not None:
        return replace(found, think_ns=think_ns)
    return replace(found, gaps_ns=trace_gaps(workload))


def miss(variant: str, workload: str, nr_live: int, rcache: str) -> float:
    """Share of requests that reach the tree through ``rcache``, counted in a replay; at most 1."""
    if rcache == "off":
        return 1.0
    stream = workloads.generate(workload, nr_live)
    # Of a text's own caches only this build counts what they let through.
    counted = iova_variants.replay(
        variant, stream, rcache=rcache, build="counted", timeout=600
    ).rcache
    return min(1.0, counted.tree_ops_per_request) if counted else 1.0


def trace_gaps(workload: str, most: int = 2_000) -> tuple[float, ...]:
    """Times between two requests of one CPU in a recorded trace; () for what is no trace.

    Quantiles of all of them: as many as fit into a simulation's draws.
    """
    found = workloads.get(workload)
    if found.recorded is None:
        return ()
    recorded = found.recorded()
    cpu = recorded.stream.ops["cpu"]
    gaps = [np.diff(recorded.t_ns[cpu == one].astype(np.int64)) for one in np.unique(cpu)]
    all_gaps = np.concatenate(gaps)
    all_gaps = all_gaps[all_gaps >= 0]
    if len(all_gaps) > most:
        all_gaps = np.quantile(all_gaps, np.linspace(0, 1, most))
    return tuple(float(gap) for gap in all_gaps)
