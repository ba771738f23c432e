"""How many instructions does an op take, in user space?

Exact, and the same whatever else the machine does: valgrind's callgrind counts them in a process
that only replays (harness/instructions/driver.c), between entry and exit of the measured loop.
The loop itself and the call through the ops table are in the number; `null` shows how much that
is.  Counts depend on the compiler, and do not include caches and branch prediction.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

import numpy as np

import iova_variants
from iova_lab.basics.errors import IovaLabError
from iova_variants import Rcache, building
from iova_variants.driving import with_rcache
from iova_variants.opstream import OpStream
from iova_variants.watch import End, Limits, run_program

#: The functions of harness/replay_loop.c that hold a measured loop, and nothing else.
LOOPS = ("measured_loop", "sized_loop", "cached_loop")

DRIVER = building.HARNESS_DIR / "instructions" / "driver.c"

#: Valgrind takes some fifty times as long as the replay; a linear walk of 10^6 nodes an op is slow.
_LIMITS = Limits(wall_s=3600.0)

_COLLECTED = re.compile(r"Collected : (\d+)")


class ToolError(IovaLabError, OSError):
    """The program that counts instructions is missing, or failed; the message has the remedy."""


def valgrind() -> str:
    """Path of valgrind."""
    path = shutil.which("valgrind")
    if path is None:
        raise ToolError("valgrind is missing: apt install valgrind")
    return path


def count(variant: str, stream: OpStream, rcache: Rcache | str = "off") -> int:
    """Count the instructions of the measured window of ``stream`` on one variant, timed build.

    ``rcache`` is as of `iova_variants.replay`; its timer does not fire.

    Raises `ToolError`; `NotFoundError` for an unknown variant; `StreamError` for an impossible one.
    """
    iova_variants.check(stream)
    variant, config = with_rcache(variant, stream, rcache)
    loaded = iova_variants.load(variant, build="timed")
    iova_variants.check_returns(variant, loaded, stream)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stream")
        write_stream(stream, path)
        end = run_program(
            [
                *(valgrind(), "--vgdb=no", "--tool=callgrind", "--callgrind-out-file=/dev/null"),
                *("--collect-atstart=no", *(f"--toggle-collect={loop}*" for loop in LOOPS)),
                *(building.compile_program(DRIVER, "timed"), loaded.path, path),
                *config,
            ],
            _LIMITS,
        )
    found = _COLLECTED.search(end.stderr.decode(errors="replace"))
    if end.status or end.broke or not found:
        raise ToolError(f"{variant}: {last_words(end)}")
    return int(found[1])


def per_op(variant: str, stream: OpStream, rcache: Rcache | str = "off") -> float:
    """Instructions per op of the measured window."""
    return count(variant, stream, rcache) / stream.nr_measured


def write_stream(stream: OpStream, path: Path) -> None:
    """Write what the programs of harness/instructions read: six numbers, then the ops."""
    header = np.array(
        [
            *(len(stream.ops), stream.nr_ageing, stream.nr_slots),
            *(stream.nr_domains, stream.granule, stream.start_pfn),
        ],
        np.uint64,
    )
    path.write_bytes(header.tobytes() + stream.ops.tobytes())


def last_words(end: End) -> str:
    """What the program printed last, or how it ended where that is not its own doing."""
    printed = end.stderr.decode(errors="replace").splitlines()
    lines = [line for line in printed if line and not line.startswith("==")]
    if end.broke or not lines:
        return end.words or "callgrind collected nothing"
    return lines[-1]
