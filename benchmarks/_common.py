"""Which cells are there, which of them can't be had, and what may a replay cost?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asv_runner.benchmarks.mark import SkipNotImplemented

import iova_variants
from iova_lab import workloads
from iova_lab.opstream import OpStream
from iova_variants import Claim, ReplayResult, Variant

ROOT = Path(__file__).resolve().parent.parent

# Listed from this checkout, not asked of the installed package.  asv tells a cell by its index
# alone and installs one commit after the other, so every commit must see the same grid.
VARIANTS = sorted(path.stem for path in ROOT.glob("iova_variants/*.c"))
WORKLOADS = sorted(path.stem for path in ROOT.glob("iova_lab/workloads/[!_]*.py"))
NR_LIVE = [100, 1_000, 10_000, 100_000, 1_000_000]

#: Nodes that one replay may visit: 10 to 30 s of walking.  Counted, so every machine skips alike.
BUDGET = 3_000_000_000


class Cells:
    """The grid, and the reasons to leave a cell out: asv shows it as n/a."""

    params = (VARIANTS, WORKLOADS, NR_LIVE)
    param_names = ("variant", "workload", "nr_live")
    version = "1"
    timeout = 600
    fake_too = True

    def setup(self, variant: str, workload: str, nr_live: int) -> None:
        claims = load(variant).claims
        if Claim.FAKE in claims and not self.fake_too:
            raise NotImplementedError(f"{variant} keeps no books, so this says nothing of it")
        try:
            self.stream = generate(workload, nr_live)
        except workloads.SizeError as error:
            raise NotImplementedError(str(error)) from error


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


def counted(variant: str, stream: OpStream, **watch: Any) -> ReplayResult:
    """Replay the counted build; `SkipNotImplemented` where it would exceed the budget."""
    try:
        return iova_variants.replay(variant, stream, build="counted", max_visits=BUDGET, **watch)
    except iova_variants.TooLongError as error:
        raise SkipNotImplemented(f"more than {BUDGET:,} nodes: {error}") from error
