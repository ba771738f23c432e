"""Result files as asv writes them: its own writer makes them, so a test's file is a real one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from asv import util
from asv.results import Results

from iova_lab.measuring.metrics import METRICS, RCACHE_METRICS

DAY_MS = 86_400_000
VARIANTS = ["anchor", "cached32", "cached64", "mainline", "null"]
WORKLOADS = ["lost_space", "near_empty", "random_replace", "ring", "startup"]
SIZES = [100, 1_000, 10_000, 100_000]
NR_MEASURED = 1200

BENCHMARKS = {
    metric.name: metric.benchmark for metric in (*METRICS.values(), *RCACHE_METRICS.values())
}

#: A value, or samples in seconds; NaN is skipped, None failed.
Value = float | list[float] | None
Cell = tuple[str, str, int]
Cost = Callable[[str, str, int], Value]


@dataclass(frozen=True)
class Suite:
    """One run to be written: a function of (variant, workload, nr_live) per metric."""

    costs: Mapping[str, Cost]
    variants: list[str]
    workloads: list[str]
    sizes: list[int]
    machine: str = "lab-1"
    commit: str = "c0ffee" + "0" * 34
    day: int = 20_000

    def write(self, root: Path) -> Path:
        """Write machine.json, benchmarks.json and the result file; the path of the last."""
        params = [[repr(value) for value in axis] for axis in self._axes()]
        about = {"machine": self.machine, "cpu": "a <fast> one", "arch": "x86_64"}
        results = Results(
            about, {}, self.commit, self.day * DAY_MS, "3.11", "virtualenv-py3.11", {}
        )
        known: dict[str, Any] = {}
        for metric, cost in self.costs.items():
            name = BENCHMARKS.get(metric, metric)
            known[name] = {"name": name, "version": "1", "params": params}
            results.add_result(known[name], self._measure(cost))
        results.save(str(root))
        util.write_json(str(root / "benchmarks.json"), known, 2)
        util.write_json(str(root / self.machine / "machine.json"), about, 1)
        return next((root / self.machine).glob(f"{self.commit[:8]}-*.json"))

    def _axes(self) -> tuple[list[str], list[str], list[int]]:
        return self.variants, self.workloads, self.sizes

    def _measure(self, cost: Cost) -> SimpleNamespace:
        variants, sources, sizes = self._axes()
        values = [cost(v, w, n) for v in variants for w in sources for n in sizes]
        samples = [value if isinstance(value, list) else None for value in values]
        return SimpleNamespace(
            result=[0.0 if isinstance(value, list) else value for value in values],
            samples=samples,
            number=[1 if sample else None for sample in samples],
            stderr="",
            errcode=0,
            profile=None,
        )


def exists(workload: str, nr_live: int) -> bool:
    """Is there such a cell in the lab's suite?"""
    return workload != "near_empty" or nr_live == 100


def nodes(variant: str, workload: str, nr_live: int) -> float:
    """Made-up nodes per op, of the shapes that the lineage has."""
    if not exists(workload, nr_live):
        return math.nan
    if variant == "null":
        return 0.0
    if workload == "random_replace" or (workload == "startup" and variant == "cached32"):
        return nr_live / 6 + 20
    if workload == "ring":
        return 2 + math.log2(nr_live)
    return 2.0


def seconds(variant: str, workload: str, nr_live: int) -> Value:
    """Eight samples of a window, within 1 %: 10 ns an op and 2 ns a node."""
    count = nodes(variant, workload, nr_live)
    if math.isnan(count):
        return math.nan
    window = (10 + 2 * count) * 1e-9 * NR_MEASURED
    return [window * (1 + 0.01 * math.sin(index)) for index in range(8)]


def again(variant: str, workload: str, nr_live: int) -> Value:
    """Mainline a second time, 1 % slower or faster."""
    window = seconds(variant, workload, nr_live)
    if variant != "mainline" or not isinstance(window, list):
        return math.nan
    return [sample * (1.01 if len(workload) % 2 else 0.99) for sample in window]


def spurious(variant: str, workload: str, nr_live: int) -> float:
    """lost_space loses space, but for mainline; 150 requests of the window."""
    if not exists(workload, nr_live):
        return math.nan
    return 150.0 * (workload == "lost_space" and variant not in ("mainline", "null"))


def above_limit(variant: str, workload: str, nr_live: int) -> float:
    """cached32 answers above the limit on ring; 7 requests of the window."""
    if not exists(workload, nr_live):
        return math.nan
    return 7.0 * (workload == "ring" and variant == "cached32")


def why_not(variant: str, workload: str, nr_live: int) -> float:
    """0: measured; 1: no such size."""
    return float(not exists(workload, nr_live))


def suite(**replaced: Any) -> Suite:
    """Make the whole suite, with some of it replaced: metrics by name, or fields of `Suite`."""
    costs: dict[str, Cost] = {
        "nodes_per_op": nodes,
        "ns_per_op": seconds,
        "ns_again": again,
        "failures": spurious,
        "spurious_failures": spurious,
        "above_limit": above_limit,
        "why_not": why_not,
    }
    costs |= {name: replaced.pop(name) for name in BENCHMARKS if name in replaced}
    fields: dict[str, Any] = {"variants": VARIANTS, "workloads": WORKLOADS, "sizes": SIZES}
    return Suite(costs=costs, **(fields | replaced))
