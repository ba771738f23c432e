"""How many nodes does an operation visit?  Exact, and the same on every machine."""

from __future__ import annotations

from benchmarks._common import Cells, counted


class NodesMean(Cells):
    """Nodes visited per op of the window: by searching, descending and updating."""

    unit = "nodes/op"

    def track_nodes_per_op(self, variant: str, workload: str, nr_live: int) -> float:
        return counted(variant, self.stream).nodes_per_op


class NodesWorst(Cells):
    """Nodes visited by the op of the window that visited the most: how long a lock is held."""

    fake_too = False
    unit = "nodes"

    def track_worst_op(self, variant: str, workload: str, nr_live: int) -> float:
        return float(counted(variant, self.stream).worst)
