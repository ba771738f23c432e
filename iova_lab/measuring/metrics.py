"""What the suite's benchmarks measure: asv's names for it, the lab's, and the units."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One question of the suite: asv's name for it, ours, and the unit."""

    benchmark: str
    name: str
    unit: str


def _by_benchmark(*metrics: Metric) -> dict[str, Metric]:
    return {metric.benchmark: metric for metric in metrics}


#: Of a variant alone.
METRICS = _by_benchmark(
    Metric("latency.Latency.time_window", "ns_per_op", "ns/op"),
    Metric("nodes.NodesMean.track_nodes_per_op", "nodes_per_op", "nodes/op"),
    Metric("nodes.NodesWorst.track_worst_op", "worst_nodes", "nodes"),
    Metric("refusals.Failures.track_failures", "failures", "requests"),
    Metric("refusals.SpuriousFailures.track_spurious_failures", "spurious_failures", "requests"),
    Metric("refusals.AboveLimit.track_above_limit", "above_limit", "requests"),
    Metric("memory.BytesPerRange.track_bytes_per_range", "bytes_per_range", "bytes"),
    Metric("span.Span.track_span_per_pfn", "span_per_pfn", "pfns/live pfn"),
    Metric("drift.Drift.time_window", "ns_again", "ns/op"),
    Metric("drift.Load.track_load", "load", "processes"),
    Metric("coverage.Coverage.track_why_not", "why_not", "reason"),
)
#: Of a variant behind the per-CPU caches of v6.7 or v7.3, up to `MOST_BEHIND` live ranges.
RCACHE_METRICS = _by_benchmark(
    Metric("rcache.HitRate.track_hit_rate", "hit_rate", "hits/request"),
    Metric("rcache.Nodes.track_nodes_per_op", "nodes_behind", "nodes/op"),
    Metric("rcache.Worst.track_worst_op", "worst_behind", "nodes"),
    Metric("rcache.LatencyBehind67.time_window", "ns_behind_6_7", "ns/op"),
    Metric("rcache.LatencyBehind73.time_window", "ns_behind_7_3", "ns/op"),
)
MOST_BEHIND = 10_000

TIMES = ("ns_per_op", "ns_again", "ns_behind_6_7", "ns_behind_7_3")
#: What a variant has that keeps no ranges.
OF_FAKES = ("ns_per_op", "ns_again", "nodes_per_op", "why_not", "load")
#: What needs a live range after the window.
OF_LIVE = ("bytes_per_range", "span_per_pfn")
