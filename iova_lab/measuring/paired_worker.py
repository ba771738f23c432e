"""What does one fresh process of a comparison measure?

Run by `iova_lab.comparison.process`, and outside of that package, whose imports take longer than
many a cell.

A worker process of `pyperf.Runner`, which counts loops, discards warm-ups, collects the metadata
and writes the file.  One worker measures ALL variants of a cell, because only what ran side by side
compares: the first benchmark that pyperf asks for a value makes all variants be replayed in turn,
and the values of the others wait until it asks for theirs.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import msgspec
import numpy as np
import numpy.typing as npt
import pyperf

import iova_variants
from iova_lab import workloads
from iova_lab.measuring.timing import fastest, in_turn, order
from iova_variants.opstream import Op, OpStream

#: The least time of so many replays is one loop of pyperf's: what disturbs hits one of them.
NR_REPLAYS = 3

#: So often every op is timed by itself, per process.
NR_OP_REPLAYS = 5


@dataclass(frozen=True)
class Task:
    """What one worker is told: the variants by path or name, with pyperf's loops for each.

    ``ops_path`` is where the times of single allocs and frees go, ``status_path`` where the
    variant at work is noted, for whoever outlives a crash.  ``turn`` numbers the process and
    turns its order round.
    """

    variants: tuple[str, ...]
    which: tuple[int, ...]
    loops: tuple[int, ...]
    workload: str
    nr_live: int
    seed: int
    rcache: str
    turn: int
    ops_path: str | None
    status_path: str

    def write(self, path: Path) -> None:
        path.write_bytes(msgspec.json.encode(self))

    @classmethod
    def read(cls, path: Path) -> Self:
        return msgspec.json.decode(path.read_bytes(), type=cls)


class Sampler:
    """Replays of all variants of a task, in turn."""

    def __init__(self, task: Task, stream: OpStream) -> None:
        self.task, self.stream = task, stream
        self._status = os.open(task.status_path, os.O_WRONLY | os.O_CREAT, 0o600)
        self._taken = [0] * len(task.variants)
        self._rounds: list[list[float]] = []

    def _replay(self, which: int, *, op_ns: bool = False) -> iova_variants.TimedReplay:
        os.pwrite(self._status, b"%8d" % self.task.which[which], 0)
        variant = self.task.variants[which]
        return iova_variants.replay(variant, self.stream, op_ns=op_ns, rcache=self.task.rcache)

    def seconds(self, loops: int, which: int) -> float:
        """Replay one variant ``loops`` times `NR_REPLAYS` times; seconds in the window."""
        loop = partial(fastest, lambda: self._replay(which).ns, NR_REPLAYS)
        return sum(loop() for _ in range(loops)) / 1e9

    def in_turn(self, loops: int, which: int) -> float:
        """As `seconds`, but all variants were measured when the first was asked for."""
        index = self._taken[which]
        self._taken[which] += 1
        if index == len(self._rounds):
            takes = [partial(self.seconds, nr, i) for i, nr in enumerate(self.task.loops)]
            self._rounds.append(in_turn(takes, self.task.turn + index))
        return self._rounds[index][which]

    def _order(self, index: int) -> list[int]:
        return order(len(self.task.variants), self.task.turn + index)

    def op_times(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """Time every op of the window by itself, in ns; for each variant ``which``:

        ``which.alloc.least`` is the least time of each alloc, in ascending order, and
        ``which.alloc.longest`` the longest reading of all; ``which.free.*`` the same of the frees.
        """
        taken: dict[int, list[npt.NDArray[np.uint32]]] = {i: [] for i in self._order(0)}
        clock_ns = []
        for index in range(NR_OP_REPLAYS):
            for which in self._order(index):
                result = self._replay(which, op_ns=True)
                taken[which].append(result.op_ns)
                clock_ns.append(result.clock_ns)
        yield "clock_ns", np.array(min(clock_ns))
        ops = self.stream.ops["op"][self.stream.nr_ageing :]
        for which, replays in taken.items():
            ns = np.stack(replays)
            for op in (Op.ALLOC, Op.FREE):
                of_kind, name = ns[:, ops == op], f"{self.task.which[which]}.{op.name.lower()}"
                yield f"{name}.least", np.sort(of_kind.min(axis=0))
                yield f"{name}.longest", of_kind.max(initial=0)


def main() -> None:
    """Run one task under pyperf's worker protocol."""
    runner = pyperf.Runner()
    runner.argparser.add_argument("--task", type=Path, required=True)
    arguments = runner.parse_args()
    task = Task.read(arguments.task)
    stream = workloads.generate(task.workload, task.nr_live, task.seed)
    sampler = Sampler(task, stream)
    sample = sampler.seconds if arguments.calibrate_loops else sampler.in_turn
    for index, which in enumerate(task.which):
        if not arguments.calibrate_loops:
            arguments.loops = task.loops[index]
        runner.bench_time_func(
            str(which),
            sample,
            index,
            inner_loops=stream.nr_measured,
            metadata={"variant": task.variants[index], "turn": task.turn},
        )
    if task.ops_path:
        arrays: dict[str, Any] = dict(sampler.op_times())
        np.savez(task.ops_path, **arrays)


if __name__ == "__main__":
    main()
