"""Is B slower than A here, and by how much?

Two variants are replayed in turn, A B, B A, A B ..., and only pairs are compared: whatever slows
the machine for a while slows both of a pair.  Measured one after the other, A comes out
"significantly" different from itself on a shared machine; in pairs it does not.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyperf
from scipy import stats

import iova_variants
from iova_lab import workloads
from iova_lab.opstream import OpStream

NR_PROCESSES = 8
NR_PAIRS = 30  # per process
NR_REPLAYS = 3  # the least of these is one sample
CONFIDENCE = 0.99


@dataclass(frozen=True)
class Paired:
    """Samples of two variants taken in turn: ns per op, ``samples[process, pair, variant]``."""

    names: tuple[str, str]
    workload: str
    nr_live: int
    nr_ops: int
    samples: npt.NDArray[np.float64]

    def medians(self) -> tuple[float, float]:
        """Median ns per op of both variants."""
        first, second = np.median(self.samples, axis=(0, 1)).tolist()
        return first, second

    def ratio(self) -> tuple[float, float, float]:
        """B / A and its 99 % interval: Student's t over the processes' median log ratios.

        The process is the unit: memory layout differs between processes and not within one, so the
        pairs of one process are not independent.
        """
        logs = np.median(np.log(self.samples[..., 1] / self.samples[..., 0]), axis=1)
        interval = stats.ttest_1samp(logs, 0.0).confidence_interval(CONFIDENCE)
        return math.exp(logs.mean()), math.exp(interval.low), math.exp(interval.high)


def _least_ns(variant: str, stream: OpStream) -> float:
    return min(iova_variants.replay(variant, stream).ns_per_op for _ in range(NR_REPLAYS))


def _sample(names: tuple[str, str], workload: str, nr_live: int, sender: Connection) -> None:
    """In a fresh process: take pairs, with the order turned round each time, and send them."""
    stream = workloads.generate(workload, nr_live)
    pairs = []
    for index in range(NR_PAIRS):
        order = (0, 1) if index % 2 else (1, 0)
        taken = {which: _least_ns(names[which], stream) for which in order}
        pairs.append((taken[0], taken[1]))
    sender.send(pairs)


def _fresh_process(
    names: tuple[str, str], workload: str, nr_live: int
) -> list[tuple[float, float]]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_sample, args=(names, workload, nr_live, sender), daemon=True)
    # A terminal sends Ctrl-C to every process; the child inherits that it is not to be told.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    process.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    sender.close()
    try:
        pairs: list[tuple[float, float]] = receiver.recv()
    except EOFError:
        raise iova_variants.VariantCrashedError(
            f"{names[0]} or {names[1]} crashed on {workload}: replay each alone to see which"
        ) from None
    finally:
        process.kill()
        process.join()
    return pairs


def compare(
    names: tuple[str, str],
    workload: str,
    nr_live: int,
    advance: Callable[[], None] = lambda: None,
) -> Paired:
    """Measure two variants in pairs; ``advance`` is called after each of `NR_PROCESSES` processes.

    Raises as `iova_variants.replay` and `workloads.generate` do.
    """
    stream = workloads.generate(workload, nr_live)
    for name in names:
        iova_variants.replay(
            name, stream, timeout=60.0
        )  # a mistake shows here, before the long part
    samples = []
    for _ in range(NR_PROCESSES):
        samples.append(_fresh_process(names, workload, nr_live))
        advance()
    return Paired(names, workload, nr_live, stream.nr_measured, np.array(samples))


def dump(paired: Paired, out_dir: Path) -> list[Path]:
    """Write one pyperf file per variant, in seconds per op, for `pyperf hist` and the like."""
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = []
    for which, name in enumerate(paired.names):
        label = f"{paired.workload}, {paired.nr_live} live"
        metadata = {"name": label, "variant": name, "inner_ops": paired.nr_ops}
        runs = [
            pyperf.Run((process[:, which] * 1e-9).tolist(), metadata=metadata)
            for process in paired.samples
        ]
        # Numbered, because both may have one name: a variant and a user's copy of it.
        path = out_dir / f"{which + 1}-{Path(name).stem}.json"
        pyperf.Benchmark(runs).dump(str(path), replace=True)
        paths.append(path)
    return paths
