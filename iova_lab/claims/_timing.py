"""How long do two variants take for the same requests, kind by kind?

Each process is fresh, and replays both in turn, with the order turned round each time; a sample is
the least that each op took in a few replays, averaged over the ops of its kind.  Only ratios within
one process are compared.  Each op is timed by itself: the least that the clock itself takes
is subtracted, and what remains of it is the same for both.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np

import iova_variants
from iova_lab.claims._claim import Measured
from iova_lab.claims._run import Run
from iova_lab.opstream import Op, OpStream

REFUSED = 2**64 - 1
NR_PROCESSES, NR_ROUNDS, NR_REPLAYS = 8, 9, 3

Samples = dict[str, list[float]]


def kinds(ops: np.ndarray, refused: np.ndarray, nr_fill: int) -> dict[str, np.ndarray]:
    """Which measured ops are of which kind; the first ``nr_fill`` fill the domain."""
    fills = np.arange(len(ops)) < nr_fill
    is_alloc = ops == Op.ALLOC
    return {
        "fill": fills,
        "alloc": is_alloc & ~fills & ~refused,
        "refused": is_alloc & ~fills & refused,
        "free": ops == Op.FREE,
    }


def _sample(variant: str, stream: OpStream, nr_fill: int) -> dict[str, float]:
    """Mean ns of each kind that occurs, and of the longest alloc after the filling."""
    taken, clocks, refused = [], [], np.zeros(0, bool)
    for _ in range(NR_REPLAYS):
        result = iova_variants.replay(variant, stream, op_ns=True, pfns=True)
        assert result.op_ns is not None
        assert result.pfns is not None
        taken.append(result.op_ns)
        clocks.append(result.clock_ns)
        refused = result.pfns[stream.nr_ageing :] == REFUSED
    least = np.min(taken, axis=0).astype(float) - min(clocks)
    masks = kinds(stream.ops["op"][stream.nr_ageing :], refused, nr_fill)
    found = {kind: float(least[mask].mean()) for kind, mask in masks.items() if mask.any()}
    if masks["alloc"].any():
        found["longest"] = float(least[masks["alloc"]].max())
    return found


def _rounds(
    pair: tuple[str, str], make: Callable[[], tuple[OpStream, int]], nr_rounds: int, out: Connection
) -> None:
    """In a fresh process: samples of both, by kind; or the error that ended it."""
    try:
        stream, nr_fill = make()
        rounds = []
        for index in range(nr_rounds):
            order = pair if index % 2 else pair[::-1]
            taken = {name: _sample(name, stream, nr_fill) for name in order}
            rounds.append([taken[name] for name in pair])
        out.send(rounds)
    except Exception as error:
        out.send(error)


def _fresh_process(
    pair: tuple[str, str], make: Callable[[], tuple[OpStream, int]], nr_rounds: int
) -> list[list[dict[str, float]]]:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_rounds, args=(pair, make, nr_rounds, sender), daemon=True)
    # A terminal sends Ctrl-C to every process; the child inherits that it is not to be told.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    process.start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError:
        raise iova_variants.VariantCrashedError(f"{' or '.join(pair)} crashed") from None
    finally:
        process.kill()
        process.join()
    if isinstance(answer, Exception):
        raise answer
    rounds: list[list[dict[str, float]]] = answer
    return rounds


def paired(
    run: Run,
    pair: tuple[str, str],
    make: Callable[[], tuple[OpStream, int]],
    nr_rounds: int = NR_ROUNDS,
) -> Measured:
    """Median ns of both by kind, and per process the median log of the second over the first.

    ``make`` returns a stream, and how many of its measured ops fill the domain; it is called in
    the process that replays.
    """
    for name in pair:
        iova_variants.load(name)  # what is missing shows here, before the long part
    processes = []
    nr_processes = run.least(NR_PROCESSES, 2)
    for done in range(nr_processes):
        processes.append(_fresh_process(pair, make, run.least(nr_rounds, 2)))
        run.tick(done + 1, nr_processes)
    ns: dict[str, Samples] = {}
    logs: Samples = {}
    for kind in processes[0][0][0]:
        taken = np.array([[[one[kind] for one in both] for both in p] for p in processes])
        ns[kind] = {name: np.median(taken[..., i], axis=1).tolist() for i, name in enumerate(pair)}
        logs[kind] = np.median(np.log(taken[..., 1] / taken[..., 0]), axis=1).tolist()
    return {"pair": list(pair), "ns": ns, "log_ratios": logs}
