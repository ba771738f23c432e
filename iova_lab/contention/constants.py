"""Machine constants of the lock-queue model: measured once per run, used for every cell.

What it takes to pass a lock on, and what a hold takes longer because another CPU had the lock
before, are properties of the machine, and of where its host has put the virtual CPUs at that
moment.  Variants measured at different moments can only be compared if both are the same for all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import msgspec
import numpy as np

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError
from iova_lab.contention import plausible

#: Rounds of each measurement, and pairs of a release and an acquisition in a round.
NR_ROUNDS, NR_PAIRS = 15, 4_000
#: The hold whose extra cost after another CPU is measured: the common case on today's allocator.
REFERENCE = ("mainline", "near_empty", 100)
#: Rounds disagree if their upper quartile is more than this many times their lower one.
AGREE = 1.5


class ConstantsError(InvalidValueError):
    """The machine constants can't be measured, or rows of one page were made with several."""


@dataclass(frozen=True)
class Constants:
    """Constants of one machine, in ns.

    ``handoff_ns``: from a release to the next holder's start, where that one waits.
    ``remote_ns``: what a hold takes longer if another CPU held the lock before.
    ``source``: how both were obtained.
    """

    handoff_ns: float
    remote_ns: float
    source: str

    def as_row(self) -> dict[str, Any]:
        """The line of host.jsonl."""
        return {"what": "constants", **asdict(self)}

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """What `as_row` returned."""
        return msgspec.convert(row, cls)


def measure(handoff_ns: float | None = None, remote_ns: float | None = None) -> Constants:
    """Measure what is not given.  Raises `ConstantsError` where the rounds disagree."""
    how = []
    if handoff_ns is None:
        handoff_ns = _agreed(handoffs(NR_ROUNDS), "the hand-over", "--handoff-ns")
        how.append("hand-over")
    if remote_ns is None:
        remote_ns = _agreed(_remotes(), "the remote cache cost", "--remote-ns")
        how.append("remote cache cost")
    measured = f"{' and '.join(how)}: median of {NR_ROUNDS} rounds" if how else ""
    given = "" if len(how) == 2 else f"{'the other ' * len(how)}given on the command line"
    return Constants(handoff_ns, remote_ns, "; ".join(filter(None, (measured, given))))


def digits(value: float) -> float:
    """Four significant digits."""
    return float(f"{value:.4g}")


def handoffs(rounds: int) -> list[float]:
    """Time from a release to the next holder's start, per round in which the threads met.

    Two threads take one lock around nothing; a round counts if most acquisitions had to queue.
    """
    if len(os.sched_getaffinity(0)) < 2:
        return []
    found = []
    for _ in range(rounds):
        result = iova_variants.bare_lock(2, NR_PAIRS)
        lock = result.lock()
        if lock.nr_queued > 0.5 * lock.nr:
            found.append((result.ns - lock.hold_ns) / lock.nr)
    return found


def _remotes() -> list[float]:
    """By round: the median over ops of what a hold takes longer when two threads take turns."""
    if len(os.sched_getaffinity(0)) < 2:
        return []
    variant, workload, nr_live = REFERENCE
    stream = workloads.generate(workload, nr_live)
    found = []
    for _ in range(NR_ROUNDS):
        holds = []
        for threads in (1, 2):
            dealt = iova_variants.deal(stream, threads)
            turns = (np.arange(stream.nr_measured) % threads).astype(np.uint16)
            result = iova_variants.replay_threads(
                variant,
                replace(dealt, thread=turns),
                threads=threads,
                per_op=True,
                in_turn=threads > 1,
                timeout=600,
            )
            holds.append(result.op_hold_ns.astype(np.float64))
        found.append(max(0.0, float(np.median(holds[1] - holds[0]))))
    return found


def _agreed(values: list[float], what: str, option: str) -> float:
    """Median of the rounds.  Raises `ConstantsError` if too few succeeded, or they disagree."""
    remedy = f"measure on an idle machine with two CPUs, or pass {option}"
    if len(values) < max(3, NR_ROUNDS // 2):
        raise ConstantsError(
            f"{what} can't be measured: two threads met on the lock in {len(values)} of"
            f" {NR_ROUNDS} rounds; {remedy}"
        )
    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    if high > AGREE * low + plausible.CLOCK_NS:
        raise ConstantsError(
            f"{what} can't be measured: {low:.0f} to {high:.0f} ns in half of {len(values)}"
            f" rounds; {remedy}"
        )
    return digits(float(middle))


def from_services(rows: Iterable[dict[str, Any]]) -> Constants:
    """Constants of rows that were each measured with their own, for a simulation of all of them.

    The host has had several states.  The one with the shortest hand-overs is taken: all that a
    busy host does makes a hand-over longer.  Each constant is the median over the rows of that
    state.  Raises `ConstantsError` without such rows.
    """
    found = [row for row in rows if "alloc" in row]
    usual = plausible.usual_handoff(row["handoff_ns"] for row in found)
    if not usual:
        raise ConstantsError("no row of services.jsonl has a hand-over: iova-lab contention sweep")
    alike = [row for row in found if plausible.is_near(row["handoff_ns"], usual)]
    taken = [row["handoff_ns"] for row in alike]
    remotes = [
        row[kind]["remote_ns"] for row in alike for kind in plausible.KINDS if row[kind]["nr"]
    ]
    return Constants(
        handoff_ns=digits(float(np.median(taken))),
        remote_ns=digits(float(np.median(remotes))),
        source=(
            f"medians over the {len(alike)} of {len(found)} stored cells in which the hand-over"
            f" took {min(taken):.0f} to {max(taken):.0f} ns"
        ),
    )
