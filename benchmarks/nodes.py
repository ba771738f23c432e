"""How many nodes does an operation visit?  Exact, and the same on every machine."""

from __future__ import annotations

from benchmarks._common import Cells, counted


class NodesMean(Cells):
    """Nodes visited per op of the window: by searching, descending and updating."""

    unit = "nodes/op"

    def track_nodes_per_op(self, variant: str, workload: str, nr_live: int) -> float:
        result = counted(variant, self.stream)
        return sum((result.visits or {}).values()) / result.nr_ops


class NodesWorst(Cells):
    """Nodes visited by the op of the window that visited the most: how long a lock is held."""

    fake_too = False
    unit = "nodes"

    def track_worst_op(self, variant: str, workload: str, nr_live: int) -> float:
        result = counted(variant, self.stream, op_visits=True)
        return float(result.worst_visits or 0)
