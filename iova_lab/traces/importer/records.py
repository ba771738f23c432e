"""Records of converted perf data, which have fields only, as lines of perf script.

perf's converters write the fields of an event, and not its printed form: addresses and sizes are
numbers of any base, and an unmap calls its address ``addr``.
"""

from __future__ import annotations

from collections.abc import Mapping

from iova_lab.traces.importer.approximate import DMA_MAPS
from iova_lab.traces.importer.text import whole

_MOST = 1 << 64
#: Fields of an event that are read.
NAMES = ("perf_tid", "iova", "size", "device", "dma_addr", "addr", "phys_addr")


def number(value: bytes) -> int | None:
    """A number with or without 0x, None if it is none that 64 bits hold."""
    value = value.strip()
    if not (value.isdigit() or (value[:2] == b"0x" and value[2:].isalnum())) or len(value) > 20:
        return None
    try:
        found = whole(value)
    except ValueError:
        return None
    return found if found < _MOST else None


def script_line(
    name: str, tid: int, cpu: int, time: bytes, fields: Mapping[str, bytes]
) -> bytes | None:
    """The line of perf script for an event of iommu or dma, None without what it needs.

    ``time`` is in seconds with a point.
    """
    size = number(fields.get("size", b""))
    if size is None:
        return None
    head = b"perf-%d [%03d] %s: %s: " % (tid % (1 << 31), cpu, time, name.encode())
    if name in ("map", "unmap"):
        start = number(fields.get("iova", b""))
        if start is None:
            return None
        return head + b"IOMMU: iova=0x%x - 0x%x size=%d" % (start, start + size, size)
    start = number(fields.get("dma_addr") or fields.get("addr", b""))
    device = fields.get("device", b"").strip(b'"')
    if start is None or not device or b" " in device:
        return None
    line = head + b"%s dma_addr=%x size=%d" % (device, start, size)
    physical = number(fields.get("phys_addr", b""))
    if name in DMA_MAPS and physical is not None:
        line += b" phys_addr=%x" % physical
    return line
