"""Which cells are there, which of them can't be had, and what may a replay cost?"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from asv_runner.benchmarks.mark import SkipNotImplemented

import iova_variants
from iova_lab import workloads
from iova_lab.measuring import cells, counts
from iova_lab.measuring.counts import WindowCounts
from iova_variants import Claim, Variant
from iova_variants.opstream import OpStream

ROOT = Path(__file__).resolve().parent.parent

# Listed from this checkout, not asked of the installed package.  asv tells a cell by its index
# alone and installs one commit after the other, so every commit must see the same grid.
VARIANTS = sorted(path.stem for path in ROOT.glob("iova_variants/*.c"))
WORKLOADS = sorted(path.stem for path in ROOT.glob("iova_lab/workloads/[!_]*.py"))
NR_LIVE = [100, 1_000, 10_000, 100_000, 1_000_000]

# Commits of before November 30 have none: asv installs any commit beside the benchmarks of today.
NODE_BUDGET: int = getattr(cells, "NODE_BUDGET", 3_000_000_000)

# Shared by all commits, and by the commands of this checkout.
counts.FOLDER = ROOT / "build" / "counts"


class Cells:
    """The grid, and the reasons to leave a cell out: asv shows it as n/a."""

    params: tuple[list[Any], ...] = (VARIANTS, WORKLOADS, NR_LIVE)
    param_names: tuple[str, ...] = ("variant", "workload", "nr_live")
    version = "1"
    timeout = 600
    fake_too = True

    def exists(self, variant: str, workload: str, nr_live: int) -> bool:
        """Will asv measure this cell, or find at once that there is nothing to measure?"""
        fake = Claim.FAKE in load(variant).claims and not self.fake_too
        return not fake and workloads.get(workload).why_not(nr_live) is None

    def setup(self, variant: str, workload: str, nr_live: int) -> None:
        claims = load(variant).claims
        if Claim.FAKE in claims and not self.fake_too:
            raise NotImplementedError(
                f"{variant} tracks no live ranges: this has no meaning for it"
            )
        try:
            self.stream = generate(workload, nr_live)
        except workloads.SizeError as error:
            raise NotImplementedError(str(error)) from error
        begin_cell()


class ReplayClock:
    """asv's clock is what the replays of the cell have put on it.

    Two processes take four samples each: with eight, the least and the greatest bound the median
    with 99 % confidence.  (asv's ``-a rounds=2`` would measure the counts twice, too.)
    """

    unit = "seconds"
    number = 1
    rounds = 2
    repeat = 4
    warmup_time = 0.0
    timeout = 1800
    seconds = 0.0

    def timer(self) -> float:
        """Seconds that this cell's replays have put on the clock."""
        return self.seconds


def begin_cell() -> None:
    """Tell iova_lab/measuring/asv_progress.py, if that is how asv was started."""
    path = os.environ.get("IOVA_LAB_PROGRESS")
    if path:
        with Path(path).open("a") as file:
            file.write(f"{os.getpid()}\n")


def load(variant: str) -> Variant:
    """Load one variant; NotImplementedError where the installed commit does not have it."""
    try:
        return iova_variants.load(variant)
    except LookupError as error:
        raise NotImplementedError(f"not in this build: {error}") from error


def generate(workload: str, nr_live: int) -> OpStream:
    """Make a stream, once per process; NotImplementedError as for `load`.  Raises `SizeError`."""
    try:
        return workloads.generate(workload, nr_live)
    except LookupError as error:
        raise NotImplementedError(f"not in this build: {error}") from error


def counted(variant: str, stream: OpStream, rcache: str = "off") -> WindowCounts:
    """Count a window, once for all benchmarks; `SkipNotImplemented` if it exceeds the budget.

    Eight of the nine benchmarks ask about the same replay, which takes a minute where a linear
    variant holds a million ranges.
    """
    try:
        return counts.count(variant, stream, NODE_BUDGET, rcache=rcache)
    except iova_variants.TooLongError as error:
        raise SkipNotImplemented(f"more than {NODE_BUDGET:,} nodes: {error}") from error


def counted_live(variant: str, workload: str, stream: OpStream) -> WindowCounts:
    """`counted`, for what is a share of the live ranges: skipped as well where there are none."""
    result = counted(variant, stream)
    if not result.nr_live:
        raise SkipNotImplemented(f"{workload} ends with no live range")
    return result


def warm_up() -> None:
    """Do once what every cell needs: asv forks them all from the process that imports this."""
    with suppress(LookupError, OSError, iova_variants.BuildError):
        iova_variants.load("null", build="timed")  # each asks the compiler for its version
        iova_variants.load("null", build="counted")
    for workload in WORKLOADS:
        with suppress(LookupError, ValueError):
            workloads.generate(workload, NR_LIVE[0])  # keeps the traces


warm_up()
