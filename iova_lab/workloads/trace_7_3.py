"""Recorded on Debian's kernel 7.3: an NVMe disk behind an emulated VT-d IOMMU, at 100 live ranges.

What the driver asked for direct I/O, in the order of the recording and before any rcache.  All
calls since boot age the domain.  The window is of the load with blocks of 4K.
docs/traces.md describes the recording.
"""

from __future__ import annotations

from iova_lab.workloads._recorded import NR_LIVE, Disk

MIN_NR_LIVE = MAX_NR_LIVE = NR_LIVE

#: The calls for larger blocks have fewer live ranges than the window begins and ends with.
_DISK = Disk("debian-7.3.npz", dom=0, first=4000)
recorded, generate = _DISK.recorded, _DISK.generate
