"""Errors of the model against one and two real threads.

Nothing of the runs that are compared goes into the prediction: holds come from one thread alone,
the lock's way from one CPU to the next from the machine's constants.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

import iova_variants
from iova_lab.contention import plausible
from iova_lab.contention import service as services
from iova_lab.contention.constants import Constants
from iova_lab.contention.model import Scenario, predict
from iova_lab.contention.service import Service
from iova_lab.contention.streams import long_stream
from iova_lab.measuring.load import Watch

#: Cells of the validation: the common case, rings, random ones, hand-overs, long holds, large ones.
WORKLOADS = (
    ("near_empty", 100),
    ("ring", 10_000),
    ("cross_cpu", 10_000),
    ("random_replace", 1_000),
    ("random_replace", 10_000),
    ("large_blocks", 10_000),
    ("full_32bit", 10_000),
)
VARIANTS = ("mainline", "augmented", "maple", "candidate")
THREADS = (1, 2)

NR_WINDOWS = 8


class Compared(NamedTuple):
    """What is compared; all in ns but the share of acquisitions that queued."""

    hold: float
    wait: float
    queued: float
    p99_wait: float
    max_wait: float
    max_hold: float
    wall: float

    def columns(self, side: str) -> dict[str, float]:
        """Columns of a stored row; ``side`` is one of `SIDES`."""
        return {f"{side}_{name}": round(value, 3) for name, value in self._asdict().items()}


SIDES = ("measured", "predicted")


@dataclass(frozen=True)
class Measured:
    """What threads did: means of the rounds that took least on the wall, maxima of calm ones."""

    compared: Compared
    nr_rounds: int
    nr_calm: int


def replayed(
    variant: str, workload: str, nr_live: int, threads: int, *, seconds: float
) -> Measured:
    """Replay for about ``seconds``; rounds are short, so that some are undisturbed."""
    dealt = iova_variants.deal(long_stream(workload, nr_live, NR_WINDOWS), threads)
    rounds: list[iova_variants.ThreadsResult] = []
    spent = 0.0
    while spent < seconds * 1e9 or len(rounds) < 4:
        result = iova_variants.replay_threads(
            variant, dealt, threads=threads, per_op=True, timeout=600
        )
        rounds.append(result)
        spent += max(result.ns, 20e6)  # building and ageing take their time as well
    rounds.sort(key=lambda result: result.ns)
    best = rounds[: -(-len(rounds) // 4)]
    calm = [result for result in rounds if not result.total("nr_preempted")] or best
    locks = [result.lock() for result in best]
    nr = sum(lock.nr for lock in locks)
    waits = np.concatenate([result.op_wait_ns for result in best])
    compared = Compared(
        hold=sum(lock.hold_ns for lock in locks) / nr,
        wait=sum(lock.wait_ns for lock in locks) / nr,
        queued=sum(lock.nr_queued for lock in locks) / nr,
        p99_wait=float(np.quantile(waits, 0.99)),
        # The least disturbed one's: an interrupt in any round would decide.
        max_wait=float(min(result.lock().max_wait_ns for result in calm)),
        max_hold=float(min(result.lock().max_hold_ns for result in calm)),
        wall=sum(result.ns for result in best) / nr,
    )
    nr_calm = sum(not result.total("nr_preempted") for result in rounds)
    return Measured(compared, len(rounds), nr_calm)


def predicted(service: Service, threads: int) -> Compared:
    """The same of the model: CPUs that do nothing between two ops but what the replay does."""
    scenario = Scenario(threads, gaps_ns=(service.think_ns,))
    found = predict(service, scenario, max_sections=40_000)
    nr_cycles = found.nr_sections
    return Compared(
        hold=found.mean_hold_ns,
        wait=found.mean_wait_ns + service.lock_ns,
        queued=found.nr_queued / nr_cycles,
        p99_wait=found.p99_wait_ns + service.lock_ns,
        max_wait=found.max_wait_ns + service.lock_ns,
        max_hold=found.max_hold_ns,
        wall=found.ns / nr_cycles + service.lock_ns / threads,
    )


def compare(
    constants: Constants,
    variants: Iterable[str] = VARIANTS,
    workloads: Iterable[tuple[str, int]] = WORKLOADS,
    *,
    seconds: float = 0.4,
    on_progress: Callable[[], object] = lambda: None,
) -> Iterable[dict[str, Any]]:
    """Yield one row per cell and number of threads: measured and predicted."""
    able = [threads for threads in THREADS if threads <= len(os.sched_getaffinity(0))]
    for workload, nr_live in workloads:
        for variant in variants:
            watch = Watch()
            service = services.measure(
                variant, workload, nr_live, constants=constants, seconds=seconds
            )
            for threads in able:
                measured = replayed(variant, workload, nr_live, threads, seconds=seconds)
                yield {
                    "variant": variant,
                    "workload": workload,
                    "nr_live": nr_live,
                    "threads": threads,
                    "handoff_ns": constants.handoff_ns,
                    "remote_alloc_ns": service.alloc.remote_ns,
                    "remote_free_ns": service.free.remote_ns,
                    "nr_rounds": measured.nr_rounds,
                    "nr_calm": measured.nr_calm,
                    "load": watch.load().as_row(),
                    **measured.compared.columns(SIDES[0]),
                    **predicted(service, threads).columns(SIDES[1]),
                }
            on_progress()


def key(row: dict[str, Any]) -> str:
    """What a row is of."""
    return json.dumps([row[name] for name in ("workload", "nr_live", "variant", "threads")])


def doubted(found: Iterable[dict[str, Any]]) -> dict[str, list[str]]:
    """Reasons by cell of the rows that aren't plausible."""
    return {
        f"{row['variant']} on {row['workload']} at {row['nr_live']:,}, {row['threads']}"
        f" thread{'s' * (row['threads'] > 1)}": why
        for row in found
        if (why := plausible.validation_doubts(row))
    }


def foreign_caches(frame: pd.DataFrame) -> dict[str, float]:
    """By variant: what a hold takes longer with most threads than with one, median of cells, ns."""
    holds = frame.pivot_table(
        index=["variant", "workload", "nr_live"], columns="threads", values="measured_hold"
    ).dropna()
    longer = holds[holds.columns.max()] - holds[1]
    return {str(name): float(ns) for name, ns in longer.groupby("variant").median().items()}


def errors(frame: pd.DataFrame) -> pd.DataFrame:
    """Relative error of the model per number of threads: median and worst, over all cells."""
    rows = []
    for threads, group in frame.groupby("threads"):
        for name in Compared._fields:
            measured, model = group[f"measured_{name}"], group[f"predicted_{name}"]
            usable = measured > 0
            relative = (model[usable] / measured[usable] - 1).to_numpy()
            if len(relative):
                worst = relative[np.argmax(np.abs(relative))]
                rows.append(
                    (threads, name, float(np.median(relative)), float(worst), len(relative))
                )
    return pd.DataFrame(rows, columns=["threads", "what", "median", "worst", "cells"])
