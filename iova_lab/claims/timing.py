"""How long do two variants take for the same requests, kind by kind?

Each process is fresh, and replays both in turn, as those of a comparison do.  Only ratios within
one process are compared.  Each op is timed by itself, and what that costs is taken off:

- Calls of 100 ns and more: the least of a few replays, op by op, so that an interrupt counts in
  none of them; the least that the clock takes is subtracted, and averages over a kind remain.
- Calls of a few ns (``short``): a clock may tick every 10 ns, and the least of several readings is
  then a tick too low.  Averages of a whole replay are not, for readings begin anywhere between two
  ticks.  What the clock costs is what the ops take by themselves, on average, beyond the same
  replay without a clock inside; so alloc and free together take exactly what that takes.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab.claims.measurement import Measured, Run
from iova_lab.measuring.timing import fastest, in_turn
from iova_variants import REFUSED
from iova_variants.opstream import Op, OpStream
from iova_variants.watch import Limits, run_program

NR_PROCESSES, NR_ROUNDS = 8, 3
#: Windows of a few us cost next to nothing.
NR_SHORT_PROCESSES, NR_SHORT_ROUNDS = 16, 25
NR_REPLAYS = 3  # per sample
#: A process takes seconds; this ends one that does not come back.
_LIMITS = Limits(wall_s=1800.0)

Samples = dict[str, list[float]]
Array = npt.NDArray[np.float64]
#: A stream, and how many of its measured ops fill the domain.
Make = Callable[[], tuple[OpStream, int]]
#: By round, and in that by variant: mean ns of each kind.
Rounds = list[list[dict[str, float]]]


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


def _sample(variant: str, stream: OpStream, nr_fill: int, short: bool) -> dict[str, float]:
    """Mean ns of each kind that occurs; of the longest alloc after the filling, or of all ops."""
    replays = [
        iova_variants.replay(variant, stream, op_ns=True, pfns=True) for _ in range(NR_REPLAYS)
    ]
    taken = [one.op_ns.astype(float) for one in replays]
    window = slice(stream.nr_ageing, None)
    masks = kinds(stream.ops["op"][window], replays[0].pfns[window] == REFUSED, nr_fill)
    if short:
        plain = fastest(lambda: iova_variants.replay(variant, stream).ns_per_op, NR_REPLAYS)
        quietest = min(taken, key=lambda ns: float(ns.sum()))
        ns = quietest - (quietest.mean() - plain)
        extra = {"both": plain}
    else:
        ns = np.min(taken, axis=0) - min(one.clock_ns for one in replays)
        extra = {"longest": float(ns[masks["alloc"]].max())}
    return extra | {kind: float(ns[mask].mean()) for kind, mask in masks.items() if mask.any()}


def _rounds(pair: tuple[str, str], make: Make, nr_rounds: int, short: bool) -> Rounds:
    """Samples of both, by kind, for each round."""
    stream, nr_fill = make()
    takes = [partial(_sample, name, stream, nr_fill, short) for name in pair]
    return [in_turn(takes, turn) for turn in range(nr_rounds)]


def _fresh_process(pair: tuple[str, str], make: Make, nr_rounds: int, short: bool) -> Rounds:
    """`_rounds` in an interpreter that was started for it: another layout of memory each time."""
    with tempfile.TemporaryDirectory(prefix="iova-lab-") as folder:
        job, answer = Path(folder, "job"), Path(folder, "answer")
        job.write_bytes(pickle.dumps((sys.path, pickle.dumps((pair, make, nr_rounds, short)))))
        end = run_program([sys.executable, "-c", _MAIN, job, answer], _LIMITS)
        if end.status or end.broke or not answer.exists():
            raise iova_variants.VariantCrashedError(f"{' or '.join(pair)}: {end.died}")
        found: Rounds | Exception = pickle.loads(answer.read_bytes())
    if isinstance(found, Exception):
        raise found
    return found


#: What the interpreter executes; the path comes first, for the rest of the job to be found by.
_MAIN = """
import pickle, sys
with open(sys.argv[1], "rb") as file:
    sys.path[:], job = pickle.load(file)
from iova_lab.claims.timing import answer
answer(job, sys.argv[2])
"""


def answer(job: bytes, path: str) -> None:
    """Write what came of a pickled job, or the error that ended it, to ``path``."""
    try:
        found: object = _rounds(*pickle.loads(job))
    except Exception as error:
        found = error
    Path(path).write_bytes(pickle.dumps(found))


def paired(run: Run, pair: tuple[str, str], make: Make, *, short: bool) -> Measured:
    """Median ns of both by kind, and per process the median log of the second over the first.

    ``make`` returns a stream, and how many of its measured ops fill the domain; it is called in
    the process that replays.  ``short``: its calls take a few ns.
    """
    for name in pair:
        iova_variants.load(name)  # what is missing shows here, before the long part
    processes = []
    nr_processes = run.least(NR_SHORT_PROCESSES if short else NR_PROCESSES, 2)
    nr_rounds = run.least(NR_SHORT_ROUNDS if short else NR_ROUNDS, 2)
    for done in range(nr_processes):
        processes.append(_fresh_process(pair, make, nr_rounds, short))
        run.on_progress(done + 1, nr_processes)
    ns: dict[str, Samples] = {}
    logs: Samples = {}
    for kind in processes[0][0][0]:
        taken = np.array([[[one[kind] for one in both] for both in p] for p in processes])
        taken = _usable(taken, kind, pair)
        median = np.nanmedian(taken, axis=1)
        ns[kind] = {name: median[:, i].tolist() for i, name in enumerate(pair)}
        logs[kind] = np.nanmedian(np.log(taken[..., 1] / taken[..., 0]), axis=1).tolist()
    return {"pair": list(pair), "ns": ns, "log_ratios": logs}


def _usable(taken: Array, kind: str, pair: tuple[str, str]) -> Array:
    """``taken`` (processes, rounds, variants; ns) with NaN for each round that is not usable.

    Where the clock costs more than the call, a disturbed round leaves nothing of the call, or less.
    Raises `VariantError` for a process in which that is so in half of the rounds.
    """
    lost = np.any(taken <= 0, axis=2)
    if (2 * lost.sum(axis=1) >= lost.shape[1]).any():
        raise iova_variants.VariantError(
            f"{' and '.join(pair)}: {kind} took no time at all in {int(lost.sum())} of {lost.size}"
            f" rounds, once the cost of the clock was taken off: other programs disturb the"
            f" measurement; measure again on an idle machine"
        )
    return np.where(lost[..., np.newaxis], np.nan, taken)
