"""Recorded on Debian's kernel 6.1: an NVMe disk behind an emulated VT-d IOMMU, at 100 live ranges.

The driver's requests for direct I/O, in the order of the recording and before any rcache.  All
calls since boot age the domain.  The window is the middle of the load: some 12,000 calls for blocks
of 16K and 64K, half of them frees.  It begins and ends with 100 live ranges; the median is 75.
docs/traces.md describes the recording.
"""

from __future__ import annotations

from iova_lab.workloads._recorded import NR_LIVE, Disk

MIN_NR_LIVE = MAX_NR_LIVE = NR_LIVE

_DISK = Disk("debian-6.1.npz")
recorded, generate = _DISK.recorded, _DISK.generate
