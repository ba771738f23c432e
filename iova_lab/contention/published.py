"""What does the model say of lock-ups and lock times that others have published?

Each case lists what was published, what had to be assumed, and what the model then says.  Where a
published figure can't come from a fair lock under the published parameters, that is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from iova_lab.contention.model import FLUSH_QUEUE, MAGAZINE, Prediction, Scenario, predict
from iova_lab.contention.service import Kind, Service


@dataclass(frozen=True)
class Case:
    """One published case.

    ``figure`` names what is compared; ``published`` is its value, None where only a lock-up is
    reported; ``assumed`` says which parameters of the model nobody has published.
    """

    name: str
    figure: str
    unit: str
    published: float | None
    predicted: float
    assumed: str
    says: str


def fixed(alloc_ns: float, free_ns: float, *, handoff_ns: float = 0.0) -> Service:
    """Return a variant whose every alloc, and every free, holds the lock for the same time."""

    def kind(ns: float) -> Kind:
        return Kind(1, ((ns, 1),), ((0.0, 1),), ns, 0.0, 0.0, 0, 0.0, 0.0, 0.0)

    return Service("published", "-", 0, kind(alloc_ns), kind(free_ns), 0.0, 0.0, handoff_ns)


#: One NVMe machine of 448 cores, flush-queue timer: a flush of 31 s, a single wait of 85.6 ms,
#: which was given as about 36,300 hand-overs of the lock at 2.36 us each.
NVME_CPUS, NVME_FLUSH_S, NVME_WAIT_MS = 448, 31, 85.6
NVME_HANDOVER_US, NVME_HANDOVERS = 2.36, 36_300
#: AMD machine that soft lockups were reported on.
AMD_CPUS = 384
#: 16-core EPYC, August 2026: mean hold with mainline and with the maple tree.
EPYC_CPUS, EPYC_MAINLINE_US, EPYC_MAPLE_US = 16, 0.32, 1.56

#: What a hold of one free must be for 447 magazines to last 85.6 ms.
FREE_US = NVME_WAIT_MS * 1e3 / (NVME_CPUS - 1) / MAGAZINE


def _queue(nr_cpus: int, hold_us: float, think_ns: float = 0.0) -> Prediction:
    """CPUs that all take one lock for ``hold_us``, each ``think_ns`` after it released it."""
    service = fixed(hold_us * 1e3, hold_us * 1e3)
    return predict(service, Scenario(nr_cpus, think_ns), max_sections=60_000)


def _fair_queue() -> Iterator[Case]:
    """One wait behind everybody else, each of whom holds the lock for as long as published."""
    found = _queue(NVME_CPUS, NVME_HANDOVER_US)
    yield Case(
        f"NVMe, {NVME_CPUS} cores",
        "longest wait, each hold 2.36 us",
        "ms",
        NVME_WAIT_MS,
        found.max_wait_ns / 1e6,
        "all CPUs make requests all the time; single ranges",
        f"A fair queue of {NVME_CPUS} can't pass {NVME_HANDOVERS:,} holders by one waiter:"
        f" {NVME_CPUS - 1} pass.  So the waiter was behind longer holds, or made"
        f" {NVME_HANDOVERS / NVME_CPUS:.0f} requests.",
    )


def _magazines() -> Iterator[Case]:
    """The depot full: each hold frees a magazine; how long is one free?"""
    found = _queue(NVME_CPUS, MAGAZINE * FREE_US)
    yield Case(
        f"NVMe, {NVME_CPUS} cores",
        f"longest wait, each hold a magazine of {MAGAZINE} frees",
        "ms",
        NVME_WAIT_MS,
        found.max_wait_ns / 1e6,
        f"{FREE_US:.2f} us a free, chosen to fit: {NVME_WAIT_MS} ms / {NVME_CPUS - 1} waiters /"
        f" {MAGAZINE}",
        "Fits by construction; it shows that holds of a whole magazine, 1.5 us a free, are"
        " enough: four to five times the mean hold that others measured on 16 cores.",
    )


def timer_flush(nr_cpus: int, free_ns: float) -> float:
    """Longest stretch, in s, of a timer that frees all queues while the other CPUs overflow too.

    For each magazine it waits behind all CPUs, each of which is about to free one as well.
    """
    scenario = Scenario(
        nr_cpus,
        think_ns=0.0,
        flush_queue=FLUSH_QUEUE,
        magazine=MAGAZINE,
        timer=True,
        handoff_ns=0.0,
    )
    hold = MAGAZINE * free_ns
    nr_magazines = nr_cpus * FLUSH_QUEUE // MAGAZINE
    found = predict(
        fixed(hold, free_ns), scenario, nr_cycles=1 << 20, max_sections=nr_magazines * nr_cpus
    )
    return found.max_stretch_ns / 1e9


def _timer() -> Iterator[Case]:
    assumed = (
        "queues half full, as they are on average when a timer comes; every other CPU in the queue"
        f" for the lock throughout, each to free a magazine; {FREE_US:.2f} us a free"
    )
    yield Case(
        f"NVMe, {NVME_CPUS} cores",
        "one flush by the timer",
        "s",
        NVME_FLUSH_S,
        timer_flush(NVME_CPUS, FREE_US * 1e3),
        assumed,
        f"The published flush is what {NVME_FLUSH_S / NVME_WAIT_MS * 1e3:.0f} waits of"
        f" {NVME_WAIT_MS} ms last: {NVME_FLUSH_S / NVME_WAIT_MS * 1e3 * MAGAZINE / NVME_CPUS:.0f}"
        " ranges a queue.",
    )
    yield Case(
        f"AMD, {AMD_CPUS} CPUs",
        "one flush by the timer",
        "s",
        None,
        timer_flush(AMD_CPUS, FREE_US * 1e3),
        "the same, a free taken as on the other machine: only the lock-up itself is published",
        "Beyond the watchdog's 20 s, as was reported.",
    )


def _epyc() -> Iterator[Case]:
    for name, hold in (("mainline", EPYC_MAINLINE_US), ("maple", EPYC_MAPLE_US)):
        at_a_rate = _queue(EPYC_CPUS, hold, think_ns=10_000.0)
        yield Case(
            f"EPYC, 16 cores, {name}",
            f"mean wait, each hold {hold} us",
            "us",
            None,
            _queue(EPYC_CPUS, hold).mean_wait_ns / 1e3,
            "no time between requests, hand-over free of charge: the published hold has it in it",
            f"(N - 1) holds, as a fair queue that is never empty must give; at 100,000 requests a"
            f" second and CPU it is {at_a_rate.mean_wait_ns / 1e3:.2f} us.",
        )


CASES: tuple[Callable[[], Iterator[Case]], ...] = (_fair_queue, _magazines, _timer, _epyc)


def cases(on_progress: Callable[[], object] = lambda: None) -> Iterator[dict[str, Any]]:
    """All cases, simulated now: same figures at every run."""
    for make in CASES:
        for case in make():
            yield asdict(case)
        on_progress()
