"""How long does a window take?

The asv suite, comparisons, claims, the times beside a booted kernel's and `iova-lab replay` take it
from here.  One sample is the fastest of several replays: a short replay is hit whole by whatever
else a machine does.  With eight samples, the least and the greatest bound the median with 99 %
confidence.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeVar

from iova_variants import replay
from iova_variants.opstream import OpStream

T = TypeVar("T")

MOST_REPLAYS, LEAST_REPLAYS = 50, 5
SHORT_S, LONG_S = 0.02, 2.0
NR_SAMPLES = 8


def fastest(take: Callable[[], float], nr_takes: int) -> float:
    """Call ``take`` so often, each a replay that returns its time, and return the least."""
    return min(take() for _ in range(nr_takes))


def fastest_within(take: Callable[[], float], short_s: float = SHORT_S) -> float:
    """Return the least time of up to 50 replays; ``take`` runs one and returns its time.

    More than five only within ``short_s``; fewer only once 2 s have gone by.
    """
    best, started = math.inf, time.perf_counter()
    for nr_replays in range(1, MOST_REPLAYS + 1):
        best = min(best, take())
        spent = time.perf_counter() - started
        if spent > LONG_S or (nr_replays >= LEAST_REPLAYS and spent > short_s):
            break
    return best


def order(nr_takes: int, turn: int) -> list[int]:
    """Return who goes when in this turn: everyone is first equally often, forwards and back."""
    forwards = [(turn + i) % nr_takes for i in range(nr_takes)]
    return forwards[::-1] if turn // nr_takes % 2 else forwards


def in_turn(takes: Sequence[Callable[[], T]], turn: int) -> list[T]:
    """Call each of ``takes`` once in the `order` of this turn; what they return, as they stand.

    What slows the machine for a while slows all of them, so their ratio within a turn compares.
    """
    found = {index: takes[index]() for index in order(len(takes), turn)}
    return [found[index] for index in range(len(takes))]


def best_window(variant: str, stream: OpStream, **options: Any) -> float:
    """Seconds of the fastest replay, each on fresh domains.

    ``options`` are those of `iova_variants.replay`.
    """
    return fastest_within(lambda: replay(variant, stream, **options).ns) / 1e9


@dataclass(frozen=True)
class Timed:
    """Samples of one window, ns per measured op."""

    samples: tuple[float, ...]

    @property
    def ns_per_op(self) -> float:
        """Median of the samples."""
        return median(self.samples)

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds of the median, 99 %; None with fewer than `NR_SAMPLES` samples."""
        if len(self.samples) < NR_SAMPLES:
            return None
        return min(self.samples), max(self.samples)


def timed(
    variant: str,
    stream: OpStream,
    *,
    seconds: float,
    on_progress: Callable[[], object] = lambda: None,
    **options: Any,
) -> Timed:
    """Take a sample to warm up, which does not count, and then `NR_SAMPLES`.

    No sample is begun after ``seconds``, but one is always taken.  ``on_progress`` is called
    after the first and after each sample.  ``options`` are those of `iova_variants.replay`; raises
    as that does.
    """
    ends = time.monotonic() + seconds
    samples: list[float] = []
    best_window(variant, stream, **options)
    on_progress()
    while len(samples) < NR_SAMPLES and not (samples and time.monotonic() > ends):
        samples.append(best_window(variant, stream, **options) * 1e9 / stream.nr_measured)
        on_progress()
    return Timed(tuple(samples))
