"""Texts that a machine in trouble leaves, in the exact shapes of real ones.

All names, addresses and times are made up.  Each `Text` has what `iova-lab diagnose` is to make of
it: a kind that is recognised, the verdict, and the pathologies of which one comes first.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from iova_lab.diagnosis import Verdict


class Text(NamedTuple):
    """One text, and what is right."""

    kind: str
    verdict: Verdict
    first: tuple[str, ...]
    text: str
    kernel: str | None = None


FOLDER = Path(__file__).parents[1] / "golden" / "symptoms"
SEARCHES = ("full_32bit", "random_replace", "sac_first")
_FOUND, _SEVERAL, _OTHER, _UNKNOWN = Verdict


def _read(name: str) -> str:
    return (FOLDER / f"{name}.txt").read_text(encoding="utf-8")


SOFT_LOCKUP, SLABTOP, SLABINFO = map(_read, ("soft-lockup", "slabtop", "slabinfo"))
NOTHING = "Nov 29 10:00:00 host systemd[1]: Started a session.\n"

TEXTS = {
    "soft lockup": Text("soft lockup", _SEVERAL, SEARCHES, _read("soft-lockup")),
    "soft lockup of an old kernel": Text(
        "soft lockup",
        _SEVERAL,
        ("startup_64bit", "random_replace"),
        _read("soft-lockup").replace("5.15.74", "4.9.300"),
    ),
    "hard lockup": Text("hard lockup", _FOUND, ("depot_overflow",), _read("hard-lockup")),
    "hung task": Text("hung task", _OTHER, (), _read("hung-task")),
    "RCU stall": Text("RCU stall", _SEVERAL, SEARCHES, _read("rcu-stall")),
    "endless search": Text("soft lockup", _FOUND, ("cve_2023_52910",), _read("endless")),
    "invalidation": Text("soft lockup", _OTHER, ("iotlb_invalidation",), _read("invalidation")),
    "KASAN": Text("KASAN report", _FOUND, ("stale_cached_node",), _read("kasan")),
    "kmemleak": Text("kmemleak report", _FOUND, ("kmemleak_anchor",), _read("kmemleak"), "5.4.0"),
    "kmemleak of a magazine": Text(
        "kmemleak report", _FOUND, ("kmemleak_depot",), _read("kmemleak-magazine"), "6.11.2"
    ),
    "null magazine": Text("oops", _FOUND, ("null_magazine",), _read("null-magazine")),
    "bug in a magazine": Text("oops", _FOUND, ("freed_twice",), _read("bug-magazine")),
    "slab oops": Text("oops", _OTHER, ("memory_in_alloc",), _read("slab-oops")),
    "stack only": Text("stack without its report", _UNKNOWN, (), _read("stack-only")),
    "perf report": Text("perf report", _SEVERAL, SEARCHES, _read("perf-report")),
    "perf top": Text("perf report", _SEVERAL, SEARCHES, _read("perf-top")),
    "perf elsewhere": Text("perf report", _OTHER, (), _read("perf-elsewhere")),
    "perf script": Text("perf script", _SEVERAL, ("depot_overflow",), _read("perf-script")),
    "perf JSON": Text("perf data as JSON", _SEVERAL, ("depot_overflow",), _read("perf-json")),
    "folded stacks": Text("folded stacks", _SEVERAL, SEARCHES, _read("folded")),
    "lock_stat": Text("lock_stat", _FOUND, ("large_blocks",), _read("lock-stat")),
    "lock_stat of a search": Text(
        "lock_stat", _SEVERAL, (*SEARCHES, "depot_overflow"), _read("lock-stat-search"), "6.1.9"
    ),
    "slabtop": Text("slab caches", _FOUND, ("magazines_memory",), _read("slabtop")),
    "slabinfo": Text(
        "slab caches", _UNKNOWN, ("random_replace", "flush_leaves_depot"), _read("slabinfo")
    ),
    "bpftrace": Text("histogram", _SEVERAL, SEARCHES, _read("bpftrace")),
    "funclatency": Text("histogram", _SEVERAL, SEARCHES, _read("funclatency")),
    "function_graph": Text(
        "function_graph", _SEVERAL, ("random_replace",), _read("function-graph")
    ),
    "function profiler": Text(
        "function profiler", _SEVERAL, ("random_replace",), _read("function-profile")
    ),
    "dma_map_benchmark": Text("dma_map_benchmark", _OTHER, (), _read("dma-map-benchmark")),
    "fio": Text("fio", _UNKNOWN, ("second_pass",), _read("fio"), "5.12.1"),
    "iperf": Text("iperf", _UNKNOWN, (), _read("iperf")),
    "boot": Text("kernel messages", _UNKNOWN, (), _read("boot")),
    "completion": Text(
        "kernel messages of the IOMMU", _OTHER, ("iotlb_invalidation",), _read("completion")
    ),
    "fault": Text("kernel messages of the IOMMU", _OTHER, ("io_page_fault",), _read("fault")),
    "swiotlb": Text("kernel messages of the IOMMU", _OTHER, ("swiotlb",), _read("swiotlb")),
    "failures": Text("kernel messages", _FOUND, ("stale_failed_size",), _read("fails")),
    "failures of an old kernel": Text(
        "kernel messages", _FOUND, ("lost_space",), _read("fails").replace("5.15.20", "4.19.8")
    ),
    "a driver's failures": Text(
        "kernel messages of the IOMMU",
        _UNKNOWN,
        ("lost_space", "stale_failed_size"),
        _read("driver-fails"),
    ),
    "a driver of its own": Text(
        "stack without its report", _FOUND, ("mixed_routes",), _read("npu"), "6.1.55"
    ),
    "trace": Text("trace of requests", _UNKNOWN, (), _read("trace")),
    "nothing": Text("", _UNKNOWN, (), NOTHING),
}
