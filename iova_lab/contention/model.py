"""How long do N CPUs wait for one fair lock, and when would a watchdog speak?

A discrete-event simulation (SimPy).  Each CPU maps and unmaps over and over; between two requests
it does something else for a while.  A map holds the lock for as long as the variant's search takes,
with interrupts off from the moment it begins to wait.  An unmap puts the range on the CPU's flush
queue; a full queue is freed at once, without scheduling in between, by that CPU or by a timer for
all of them; each range is a hold of its own, or a magazine of ranges is one hold.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import simpy

from iova_lab.contention.fair_lock import FairLock
from iova_lab.contention.service import Kind, Service
from iova_lab.measuring.cells import HARD_LOCKUP_S, SOFT_LOCKUP_S

#: Linux' flush queue of a CPU (IOVA_FQ_SIZE), and its magazines.
FLUSH_QUEUE, MAGAZINE = 256, 127


StopAt = Literal["", "hard", "soft"]


@dataclass(frozen=True)
class Scenario:
    """What N CPUs do.

    ``think_ns`` is the mean time that a CPU spends elsewhere between two requests, exponential; or
    ``gaps_ns``, drawn at random, are such times of a trace.  ``flush_queue``: ranges that are freed
    in one go, 1 for each by itself.  ``magazine``: ranges freed in one hold.  ``timer``: besides,
    every ``timer_ns`` a timer on one CPU frees what is in all queues; they begin half full.
    ``miss``: share of requests that the rcache does not answer; the others cost ``think_ns`` only.
    """

    nr_cpus: int
    think_ns: float = 10_000.0
    gaps_ns: tuple[float, ...] = ()
    flush_queue: int = 1
    magazine: int = 1
    timer: bool = False
    timer_ns: float = 10e6
    miss: float = 1.0
    handoff_ns: float | None = None


@dataclass(frozen=True)
class Prediction:
    """What a simulation says; times in ns.

    A section is one wait and one hold: interrupts are off.  A stretch is what one CPU does without
    scheduling: a section, or a whole flush.  ``lock_share`` is the share of time in which the lock
    is held or on its way; ``cpu_share`` that of all CPUs' time in sections.  ``hard_at_ns`` and
    ``soft_at_ns``: when the first section, or stretch, had lasted for too long; None if none had.
    ``nr_flushes`` were complete at the end; where there is a flush queue and none was, the longest
    stretch is that of a part of one.  ``finished``: every CPU has made all its cycles.
    """

    nr_cpus: int
    nr_sections: int
    ns: float
    nr_queued: int
    mean_wait_ns: float
    p99_wait_ns: float
    max_wait_ns: float
    mean_hold_ns: float
    max_hold_ns: float
    max_section_ns: float
    max_stretch_ns: float
    lock_share: float
    cpu_share: float
    hard_at_ns: float | None
    soft_at_ns: float | None
    nr_flushes: int
    finished: bool


def _draws(kind: Kind, rng: random.Random) -> Iterator[float]:
    """Holds, at random, as often as they were counted."""
    values, counts = zip(*kind.holds, strict=True) if kind.holds else ((0.0,), (1,))
    while True:
        yield from rng.choices(values, counts, k=4096)


def _thinks(scenario: Scenario, rng: random.Random) -> Iterator[float]:
    while True:
        if scenario.gaps_ns:
            yield from rng.choices(scenario.gaps_ns, k=4096)
        elif scenario.think_ns:
            yield from (rng.expovariate(1 / scenario.think_ns) for _ in range(4096))
        else:
            yield 0.0


class LockQueue:
    """One simulation; `run` returns what it says."""

    def __init__(
        self,
        service: Service,
        scenario: Scenario,
        *,
        seed: int,
        soft_s: float,
        hard_s: float,
        stop_at: StopAt,
    ) -> None:
        self.scenario = scenario
        self.env = simpy.Environment()
        handoff = scenario.handoff_ns
        self.lock = FairLock(self.env, service.handoff_ns if handoff is None else handoff)
        self.lock.hard_ns = hard_s * 1e9
        self.soft_ns, self.soft_at = soft_s * 1e9, math.inf
        self.stops_at_soft = stop_at == "soft"
        self.lock.stops_at_hard = stop_at == "hard"
        self.rng = random.Random(seed)
        self.allocs, self.frees = _draws(service.alloc, self.rng), _draws(service.free, self.rng)
        self.thinks = _thinks(scenario, self.rng)
        self.remote_alloc, self.remote_free = service.alloc.remote_ns, service.free.remote_ns
        # More allocs than frees: some were refused, or stay.
        self.allocs_per_free = service.alloc.nr / service.free.nr if service.free.nr else math.inf
        self.max_stretch, self.nr_flushes = 0.0, 0
        self.queues = [0] * scenario.nr_cpus
        self.running = scenario.nr_cpus
        self.all_done = self.env.event()

    def _stretch(self, began: float) -> None:
        lasted = self.env.now - began
        if lasted > self.max_stretch:
            self.max_stretch = lasted
            if lasted >= self.soft_ns:
                self.soft_at = min(self.soft_at, began + self.soft_ns)
                if self.stops_at_soft:
                    self.lock.stop()

    def _map(self, cpu: int) -> Generator[Any, Any, None]:
        began = self.env.now
        yield self.lock.take(cpu, next(self.allocs), self.remote_alloc)
        self._stretch(began)

    def _flush(self, cpu: int, nr: int) -> Generator[Any, Any, None]:
        """Free ``nr`` ranges in one go, a magazine per hold."""
        began, size = self.env.now, self.scenario.magazine
        while nr > 0:
            hold = sum(next(self.frees) for _ in range(min(size, nr)))
            yield self.lock.take(cpu, hold, self.remote_free)
            nr -= size
            self._stretch(began)  # also of a flush that the end of the simulation cuts off
        self.nr_flushes += 1

    def _missed(self) -> bool:
        miss = self.scenario.miss
        return miss >= 1 or self.rng.random() < miss

    def _cpu(self, cpu: int, nr_cycles: int) -> Generator[Any, Any, None]:
        """So many cycles of one unmap and the maps that go with it."""
        scenario, env = self.scenario, self.env
        owed = 0.0
        # Queues fill at the same pace, and so must not be full at the same moment.
        self.queues[cpu] = cpu * scenario.flush_queue // scenario.nr_cpus
        for _ in range(nr_cycles):
            if math.isfinite(self.allocs_per_free):
                yield env.timeout(next(self.thinks))
                if self._missed():
                    self.queues[cpu] += 1
                if self.queues[cpu] >= scenario.flush_queue:
                    nr, self.queues[cpu] = self.queues[cpu], 0
                    yield from self._flush(cpu, nr)
                owed += self.allocs_per_free
            else:
                owed += 1
            while owed >= 1:
                owed -= 1
                yield env.timeout(next(self.thinks))
                if self._missed():
                    yield from self._map(cpu)
        self.running -= 1
        if not self.running:
            self.all_done.succeed()

    def _timer(self) -> Generator[Any, Any, None]:
        while True:
            yield self.env.timeout(self.scenario.timer_ns)
            nr = sum(self.queues)
            self.queues = [0] * len(self.queues)
            yield from self._flush(-1, nr)

    def run(self, nr_cycles: int, max_sections: int) -> Prediction:
        """Every CPU does ``nr_cycles``; the end comes earlier after ``max_sections``."""
        for cpu in range(self.scenario.nr_cpus):
            self.env.process(self._cpu(cpu, nr_cycles))
        if self.scenario.timer:
            self.env.process(self._timer())
        self.lock.most = max_sections
        self.env.run(self.all_done | self.lock.enough)
        return self._prediction()

    def _prediction(self) -> Prediction:
        lock, nr_cpus = self.lock, self.scenario.nr_cpus
        ns = max(self.env.now, 1.0)
        waits = sorted(lock.waits) or [0.0]
        nr = len(lock.waits)
        return Prediction(
            nr_cpus=nr_cpus,
            nr_sections=nr,
            ns=ns,
            nr_queued=lock.nr_queued,
            mean_wait_ns=sum(waits) / max(nr, 1),
            p99_wait_ns=waits[math.ceil(0.99 * len(waits)) - 1],
            max_wait_ns=waits[-1],
            mean_hold_ns=lock.hold_ns / max(nr, 1),
            max_hold_ns=lock.max_hold,
            max_section_ns=lock.max_section,
            max_stretch_ns=self.max_stretch,
            lock_share=min(lock.busy_ns / ns, 1.0),
            cpu_share=min(lock.section_ns / ns / nr_cpus, 1.0),
            hard_at_ns=lock.hard_at if math.isfinite(lock.hard_at) else None,
            soft_at_ns=self.soft_at if math.isfinite(self.soft_at) else None,
            nr_flushes=self.nr_flushes,
            finished=self.all_done.triggered,
        )


def predict(
    service: Service,
    scenario: Scenario,
    *,
    seed: int = 0,
    max_sections: int = 400_000,
    soft_s: float = SOFT_LOCKUP_S,
    hard_s: float = HARD_LOCKUP_S,
    nr_cycles: int | None = None,
    stop_at: StopAt = "",
) -> Prediction:
    """Simulate until every CPU has flushed its queue, or ``nr_cycles``, or ``max_sections``.

    ``stop_at``: or until this watchdog speaks; what comes after is not in the numbers then.
    A thousand CPUs that each free 256 ranges take the lock a quarter of a million times.
    """
    nr_cycles = nr_cycles or scenario.flush_queue + 64
    queue = LockQueue(service, scenario, seed=seed, soft_s=soft_s, hard_s=hard_s, stop_at=stop_at)
    return queue.run(nr_cycles, max_sections)
