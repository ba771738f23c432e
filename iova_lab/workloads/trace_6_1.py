"""Recorded on Debian's kernel 6.1: disks, network cards and USB behind an emulated VT-d IOMMU.

The requests that reached the tree (the rcache had answered the others), in ten domains, with NVMe
direct I/O of 4K to 512K, virtio, AHCI, USB storage, ext4, and TCP with 9000-byte frames.
How it was recorded: docs/traces.md.  A trace has its own number of live ranges.
"""

from __future__ import annotations

from iova_lab.opstream import OpStream
from iova_lab.trace import TRACE_DIR, read_trace

MAX_NR_LIVE = 100  # a name for "the trace's own": it is run once, not once per size


def generate(nr_live: int, *, seed: int = 0) -> OpStream:
    """Return the trace's tree-level requests; ``nr_live`` and ``seed`` have no effect."""
    return read_trace(TRACE_DIR / "debian-6.1.npz").stream
