"""What the NVMe workloads share: a queue on every CPU, and requests that complete in any order.

Where a disk offers a queue for each CPU, drivers/nvme/host/pci.c takes them, and a request
completes on the CPU that submitted it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

NR_CPUS = 16

#: Replaced before the window, so that the cached node is not where filling left it.
NR_AGEING_OPS = 128


def on_their_queues(ops: npt.NDArray[np.void], nr_segments: int = 1) -> None:
    """Put each op on the CPU of its request, which has ``nr_segments`` slots in a row."""
    ops["cpu"] = ops["slot"] // nr_segments % NR_CPUS
