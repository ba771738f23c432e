"""Which stored rows are of a window that its workload no longer has?

The window of a recorded workload was another one before; a row of it is about other requests.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from iova_lab import workloads
from iova_lab.measuring.counts import count

#: Whose nodes tell windows apart where a row does not store the number of its ops.
_COUNTED = "mainline"


def is_present(workload: str, nr_live: int, nr_measured: float) -> bool:
    """Is this the number of ops in the window that the workload has now?"""
    try:
        if workloads.get(workload).recorded is None:
            return True
        return workloads.generate(workload, nr_live).nr_measured == nr_measured
    except (LookupError, ValueError):
        return False


def present(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows of windows that there are; ``column`` has the number of ops, or NaN."""
    keys = zip(frame["workload"], frame["nr_live"], frame[column], strict=True)
    kept = [pd.isna(nr_ops) or is_present(name, int(size), nr_ops) for name, size, nr_ops in keys]
    return frame[np.array(kept, bool)].reset_index(drop=True)


def present_by_nodes(frame: pd.DataFrame) -> pd.DataFrame:
    """As `present`, for rows that have nodes per op in place of the number of ops.

    A recorded window is the one that there is if mainline visits as many nodes in it now.
    """
    counted = frame[frame["variant"] == _COUNTED].dropna(subset="nodes")
    cells = counted[["workload", "nr_live", "nodes"]].itertuples(index=False)
    then = {(name, int(size)): nodes for name, size, nodes in cells}
    stale = {cell for cell, nodes in then.items() if _nodes(*cell) not in (None, nodes)}
    keys = zip(frame["workload"], frame["nr_live"], strict=True)
    kept = [(name, int(size)) not in stale for name, size in keys]
    return frame[np.array(kept, bool)].reset_index(drop=True)


@cache
def _nodes(workload: str, nr_live: int) -> float | None:
    """Nodes per op of `_COUNTED` in a recorded window; None for any other workload."""
    found = workloads.find(workload)
    if found is None or found.recorded is None:
        return None
    return count(_COUNTED, workloads.generate(workload, nr_live)).nodes_per_op
