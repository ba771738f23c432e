"""How many instructions does each op take, and how many of them under the lock?

`instructions.count` has the sum of a window; this has every op, and its longest section under the
lock.  harness/instructions/steps.c lets the processor stop after each instruction of the timed
build, so the counts are exact, and the same whatever else the machine does.  They depend on the
compiler and, where a variant moves memory, on the C library and the processor that it is for.
"""

from __future__ import annotations

import math
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab.measuring.instructions import ToolError, last_words, write_stream
from iova_variants import building
from iova_variants.opstream import OpStream
from iova_variants.watch import Limits, run_program

STEPS = building.HARNESS_DIR / "instructions" / "steps.c"
#: A step takes microseconds.
_LIMITS = Limits(wall_s=3600.0)


@dataclass(frozen=True)
class Steps:
    """Instructions of each op of a stream, and of its longest section under the lock.

    0 for ops that were not stepped.
    """

    instructions: npt.NDArray[np.uint32]
    holds: npt.NDArray[np.uint32]


def possible() -> bool:
    """Whether this machine's instructions are known here."""
    return platform.machine() == "x86_64"


def costliest(
    stream: OpStream,
    visits: npt.NDArray[np.uint32],
    most: int,
    nodes: float = math.inf,
) -> npt.NDArray[np.bool_]:
    """For each op of a stream, whether it is among ``most`` of its kind that visit the most nodes.

    Of each kind it is one at least, and no more once they visit so many ``nodes``.  ``visits`` are
    those of the window.
    """
    kinds = stream.ops["op"][stream.nr_ageing :]
    chosen = np.zeros(len(stream.ops), np.bool_)
    for kind in np.unique(kinds):
        rows = np.flatnonzero(kinds == kind)
        rows = rows[np.argsort(-visits[rows].astype(np.int64), kind="stable")][:most]
        before = np.cumsum(visits[rows], dtype=np.int64) - visits[rows]
        chosen[stream.nr_ageing + rows[(before < nodes) | (rows == rows[0])]] = True
    return chosen


def steps(variant: str, stream: OpStream, chosen: npt.NDArray[np.bool_] | None = None) -> Steps:
    """Step through the ops of ``stream`` that are ``chosen``, all of them without it.

    Raises `ToolError` where the machine or the program fails; otherwise as
    `iova_lab.measuring.instructions.count`.
    """
    if not possible():
        raise ToolError(f"instructions of single ops need x86-64, and this is {platform.machine()}")
    iova_variants.check(stream)
    loaded = iova_variants.load(variant, build="timed")
    iova_variants.check_returns(variant, loaded, stream)
    if chosen is None:
        chosen = np.ones(len(stream.ops), np.bool_)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stream(stream, folder / "stream")
        (folder / "chosen").write_bytes(chosen.astype(np.uint8).tobytes())
        program = building.compile_program(STEPS, "timed")
        files = [folder / part for part in ("stream", "chosen", "counts")]
        end = run_program([program, loaded.path, *files], _LIMITS)
        if end.status or end.broke:
            raise ToolError(f"{variant}: {last_words(end)}")
        counts = np.fromfile(folder / "counts", np.uint32).reshape(-1, 2)
    return Steps(counts[:, 0], counts[:, 1])
