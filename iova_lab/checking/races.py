"""Do threads of a variant use the same memory without a lock in common?

ThreadSanitizer sees a race wherever two accesses are not ordered by a lock, also if they were far
apart in this run.  The streams let every member of the ops table run beside every other one.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import iova_variants
from iova_lab.basics.errors import IovaLabError
from iova_lab.checking.standalone import own_frames, stream_bytes, temporary_files
from iova_variants import Deal, building
from iova_variants.making import DMA_32BIT_PFN, LIMIT_32BIT
from iova_variants.opstream import Op, OpFlag, OpStream, new_ops
from iova_variants.watch import End, Limits, run_program

NR_THREADS, NR_SEEDS = 2, 4
_NR_OPS, _NR_SLOTS = 600, 24
_RACE, _WRONG = 66, 3
#: Without the first, a tree that threads have corrupted may be searched for ever.
_OPTIONS = f"halt_on_error=1:exitcode={_RACE}:color=never"
_LIMITS = Limits(wall_s=60.0, cpu_s=20.0)


class UnavailableError(IovaLabError, OSError):
    """ThreadSanitizer does not run on this machine."""


@dataclass(frozen=True)
class Race:
    """What is wrong, in one line, and the places in the user's own files."""

    says: str
    frames: tuple[str, ...] = ()


def stream_of(seed: int) -> OpStream:
    """Each thread fills, looks up and frees slots of its own; some are reserved, apart."""
    rng = np.random.default_rng(seed)
    ops = new_ops(_NR_OPS, limit_pfn=LIMIT_32BIT)
    filled: set[int] = set()
    for index in range(_NR_OPS):
        slot = int(rng.integers(_NR_SLOTS))
        ops["slot"][index] = slot
        ops["cpu"][index] = slot % NR_THREADS
        if slot not in filled:
            filled.add(slot)
            ops["size"][index] = rng.integers(1, 5)
            ops["flags"][index] = OpFlag.SIZE_ALIGNED * int(rng.integers(2))
            if rng.random() < 0.1:
                ops["op"][index] = Op.RESERVE
                ops["flags"][index] = 0
                ops["limit_pfn"][index] = DMA_32BIT_PFN + 8 * (slot + 1)
        elif rng.random() < 0.4:
            ops["op"][index] = Op.FIND
        else:
            ops["op"][index] = Op.FREE
            filled.remove(slot)
    return OpStream(ops, nr_slots=_NR_SLOTS)


def run(source: Path, stream: OpStream) -> Race | None:
    """Replay one stream by `NR_THREADS` threads.  Raises `BuildError`, `UnavailableError`."""
    source = source.resolve()
    program = building.compile_standalone(source, "tsan")
    dealt = iova_variants.deal(stream, NR_THREADS)
    with temporary_files(stream=stream_bytes(dealt.stream), plan=_plan(dealt)) as (asked, plan):
        command = [str(program), str(asked), str(plan)]
        environment = {**os.environ, "TSAN_OPTIONS": _OPTIONS}
        end = run_program(command, _LIMITS, env=environment)
        if _does_not_fit(end) and (setarch := shutil.which("setarch")):
            end = run_program([setarch, "-R", *command], _LIMITS, env=environment)
    if _does_not_fit(end):
        raise UnavailableError("ThreadSanitizer does not run on this machine")
    return _race(source, end)


def _does_not_fit(end: End) -> bool:
    """Addresses are more random than this version of ThreadSanitizer can map, or it is missing."""
    return b"FATAL: ThreadSanitizer" in end.stderr or b"error while loading shared" in end.stderr


def _plan(dealt: Deal) -> bytes:
    """Which thread makes which op, in which turn, and on which CPU each runs."""
    cpus = np.resize(sorted(os.sched_getaffinity(0)), NR_THREADS).astype(np.uint32)
    head = np.uint64(NR_THREADS).tobytes()
    return head + dealt.turn.tobytes() + cpus.tobytes() + dealt.thread.tobytes()


def _race(source: Path, end: End) -> Race | None:
    said = end.stderr.decode(errors="replace")
    if end.status == 0 and not end.broke:
        return None
    if end.status == _RACE or "WARNING: ThreadSanitizer" in said:
        kind = re.search(r"ThreadSanitizer: ([^(\n]+)", said)
        what = kind[1].strip() if kind else "data race"
        accesses = re.split(r"\n  (?:Previous|As if)", said)
        places = [found[0] for part in accesses[:2] if (found := own_frames(source, part))]
        where = " and ".join(dict.fromkeys(places)) or "the lab's headers, called from the file"
        return Race(
            f"two threads use the same memory without a lock in common ({what}): {where}",
            tuple(own_frames(source, said)),
        )
    if end.status == _WRONG and (wrong := re.search(r"^threads: (.*)", said, re.M)):
        return Race(f"with {NR_THREADS} threads: {wrong[1]}")
    return Race(f"with {NR_THREADS} threads: {end.words}", tuple(own_frames(source, said)))
