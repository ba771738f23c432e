"""What does asv measure of the kernel's text at one commit?

The benchmarks of the folder that `iova_lab.linux.asv_folder` writes inherit from `Cells` through
these; the folder names the tree, the workloads and their sizes.  Counts are exact.  A text that
does not compile, or does not return, is a failed cell, with its reason.
"""

from __future__ import annotations

import os
from typing import ClassVar

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError
from iova_lab.measuring.cells import NODE_BUDGET
from iova_lab.measuring.counts import WindowCounts, count
from iova_lab.measuring.timing import best_window
from iova_variants.opstream import OpStream


def stream(cell: str) -> OpStream:
    """Make the op stream of NAME@N.  Raises as `workloads.generate` does, and without a number."""
    name, nr_live = workloads.split(cell)
    if nr_live is None:
        raise InvalidValueError(f"{cell}: how many live ranges?  Name it {name}@1000, for one")
    return workloads.generate(name, nr_live)


class Cells:
    """A workload at a size; the text is that of the commit that asv has named."""

    tree: ClassVar[str]
    params: tuple[list[str]] = ([],)
    param_names = ("workload",)
    version = "1"
    timeout = 600.0

    def setup(self, workload: str) -> None:
        self.stream = stream(workload)
        self.text = f"{iova_variants.LINUX}{self.tree}@{os.environ['ASV_COMMIT']}"
        iova_variants.load(self.text)  # compiled outside what is timed

    def counted(self) -> WindowCounts:
        """Count and judge the window, once for all of these benchmarks."""
        return count(self.text, self.stream, NODE_BUDGET)


class NodesMean(Cells):
    """Nodes visited per op of the window."""

    unit = "nodes/op"

    def track_nodes_per_op(self, workload: str) -> float:
        return self.counted().nodes_per_op


class NodesWorst(Cells):
    """Most nodes that one op of the window visited."""

    unit = "nodes"

    def track_worst_op(self, workload: str) -> float:
        return float(self.counted().worst)


class Refusals(Cells):
    """Requests of the window that were refused."""

    unit = "requests"

    def track_refusals(self, workload: str) -> float:
        return float(self.counted().nr_failures)


class NeedlessRefusals(Cells):
    """Requests of the window that were refused although an exhaustive search finds a fit."""

    unit = "requests"

    def track_needless_refusals(self, workload: str) -> float:
        return float(self.counted().nr_spurious or 0)


class Latency(Cells):
    """Seconds inside the window; each sample is the fastest of several replays."""

    number = 1
    rounds = 4
    repeat = (2, 4, 4.0)
    warmup_time = 0.0
    timeout = 1800.0

    def setup(self, workload: str) -> None:
        super().setup(workload)
        self.seconds = 0.0

    def timer(self) -> float:
        """Seconds that this cell's replays have put on the clock."""
        return self.seconds

    def time_window(self, workload: str) -> None:
        self.seconds += best_window(self.text, self.stream)
