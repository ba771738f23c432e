"""What do a few real threads wait for on a variant's lock, over many rounds?"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import iova_variants
from iova_lab.contention.streams import long_stream
from iova_variants import LockTimes, ThreadsResult

#: Windows in one round, where they fit together: some 20,000 ops.
NR_WINDOWS = 16
MOST_ROUNDS = 200
LOCKS = ("variant", "depot", "cpu_cache")


@dataclass(frozen=True)
class Contention:
    """All rounds of one variant, workload and number of threads; each on fresh domains.

    ``ns_per_op`` is the least of all rounds, by the clock on the wall: N threads that wait for
    nothing make it an Nth.  ``locks`` sum up all rounds.  ``calm`` has those rounds alone in which
    the system took no CPU away, None if there was none: maxima of others are its doing.
    """

    variant: str
    workload: str
    nr_live: int
    threads: int
    rcache: str
    nr_rounds: int
    nr_calm: int
    nr_ops: int
    nr_domains: int
    oversubscribed: bool
    ns_per_op: float
    op_ns: float
    locks: dict[str, LockTimes]
    calm: LockTimes | None
    nr_failures: int
    nr_handoffs: int
    nr_preempted: int
    empty_hold_ns: float


def contend(
    variant: str,
    workload: str,
    nr_live: int,
    *,
    threads: int,
    rcache: str = "off",
    seed: int = 0,
    seconds: float = 1.0,
    timeout: float = 600.0,
    on_progress: Callable[[float], object] = lambda share: None,
) -> Contention:
    """Replay until ``seconds`` have gone by, once at least; every round is checked afterwards.

    ``on_progress`` gets the share of the time that is over.  Raises as
    `iova_variants.replay_threads`.
    """
    stream = long_stream(workload, nr_live, NR_WINDOWS, seed)
    dealt = iova_variants.deal(stream, threads)
    rounds: list[ThreadsResult] = []
    began = time.monotonic()
    while len(rounds) < MOST_ROUNDS:
        rounds.append(
            iova_variants.replay_threads(
                variant, dealt, threads=threads, rcache=rcache, timeout=timeout
            )
        )
        spent = time.monotonic() - began
        on_progress(max(spent / seconds, len(rounds) / MOST_ROUNDS))
        if spent > seconds:
            break
    return _sum_up(rounds, workload, nr_live, rcache, stream.nr_domains)


def _total(rounds: list[ThreadsResult], lock: str) -> LockTimes:
    first, *others = (result.lock(lock) for result in rounds)
    return sum(others, start=first)


def _sum_up(
    rounds: list[ThreadsResult], workload: str, nr_live: int, rcache: str, nr_domains: int
) -> Contention:
    calm = [result for result in rounds if not result.total("nr_preempted")]
    first = rounds[0]
    nr_ops = sum(result.nr_ops for result in rounds)
    return Contention(
        variant=first.variant,
        workload=workload,
        nr_live=nr_live,
        threads=first.nr_threads,
        rcache=rcache,
        nr_rounds=len(rounds),
        nr_calm=len(calm),
        nr_ops=nr_ops,
        nr_domains=nr_domains,
        oversubscribed=first.oversubscribed,
        ns_per_op=min(result.ns / result.nr_ops for result in rounds),
        op_ns=sum(result.total("op_ns") for result in rounds) / nr_ops,
        locks={name: _total(rounds, name) for name in LOCKS},
        calm=_total(calm, "variant") if calm else None,
        nr_failures=sum(result.total("nr_failures") for result in rounds),
        nr_handoffs=sum(result.total("nr_handoffs") for result in rounds),
        nr_preempted=sum(result.total("nr_preempted") for result in rounds),
        empty_hold_ns=min(result.empty_hold_ns for result in rounds),
    )
