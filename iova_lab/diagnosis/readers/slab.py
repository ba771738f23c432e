"""Slab caches, by slabtop, /proc/slabinfo or vmstat -m: live ranges and magazines."""

from __future__ import annotations

import re

from iova_lab.diagnosis.readers import BaseReader

_NAME = rb"(?P<name>iommu_iova(?:_magazine)?|iova_magazine)"
_SLABTOP = re.compile(
    rb"^\s*(?P<objects>\d+)\s+(?P<active>\d+)\s+\d+%\s+(?P<size>\d+\.\d+)K\s+\d+\s+\d+\s+\d+K\s+"
    + _NAME
    + rb"\s*$"
)
_SLABINFO = re.compile(
    rb"^" + _NAME + rb"\s+(?P<active>\d+)\s+(?P<objects>\d+)\s+(?P<size>\d+)\s+\d+(?:\s|$)"
)
#: Of the report that the kernel prints when it is out of memory: used and all KiB.
_OUT_OF_MEMORY = re.compile(rb"\s" + _NAME + rb"\s+(?P<used>\d+)KB\s+(?P<all>\d+)KB\s*$")
_NODE, _MAGAZINE_BYTES = 64, 1024
_MANY, _FEW, _MANY_BYTES = 100_000, 10_000, 16 << 20
_MAGAZINE = 127
_MOST = 1 << 40


class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "slab caches"
    WORDS = (b"iommu_iova", b"iova_magazine", b"OBJ/SLAB", b"slabinfo - version", b"<objperslab>")

    _is_listed = False

    def take(self, line: bytes, number: int) -> bool:
        """Read the row of one of the two caches."""
        if match := _OUT_OF_MEMORY.search(line):
            return self._out_of_memory(match, line, number)
        match = _SLABTOP.match(line) or _SLABINFO.match(line)
        if not self._is_listed and (match or b"OBJ/SLAB" in line or b"slabinfo - v" in line):
            self._is_listed = True
            self.seen.recognised(self.KIND)
        if match is None:
            return False
        active, size = int(match["active"][:14]), float(match["size"][:14])
        if b"." in match["size"]:
            size *= 1024
        nr_bytes = int(match["objects"][:14]) * size
        if active < _MOST and nr_bytes < 1 << 60:
            note = self._magazines if b"magazine" in match["name"] else self._ranges
            note(active, nr_bytes, line, number)
        return False

    def _out_of_memory(self, match: re.Match[bytes], line: bytes, number: int) -> bool:
        """Take a number of bytes for as many objects of today's size."""
        self.seen.recognised("slab caches, out of memory")
        is_magazine = b"magazine" in match["name"]
        used, every = int(match["used"][:12]) << 10, int(match["all"][:12]) << 10
        note = self._magazines if is_magazine else self._ranges
        note(used // (_MAGAZINE_BYTES if is_magazine else _NODE), every, line, number)
        return False

    def _ranges(self, active: int, nr_bytes: float, line: bytes, number: int) -> None:
        machine = self.seen.machine
        machine.live_ranges = max(machine.live_ranges or 0, active)
        text = f"{active:,} ranges in the trees of all domains, {_size(nr_bytes)}"
        numbers = {"live_ranges": active, "bytes": nr_bytes}
        sign = "many_live_ranges" if active >= _MANY else "machine"
        sign = "few_live_ranges" if active < _FEW else sign
        self.seen.add(sign, text, [self.place(line, number)], numbers)

    def _magazines(self, active: int, nr_bytes: float, line: bytes, number: int) -> None:
        text = (
            f"{active:,} magazines, {_size(nr_bytes)}; they have room for"
            f" {active * _MAGAZINE:,} ranges that are in the tree and in no one's use"
        )
        numbers = {"magazines": active, "bytes": nr_bytes}
        sign = "many_magazines" if nr_bytes >= _MANY_BYTES else "machine"
        self.seen.add(sign, text, [self.place(line, number)], numbers)


def _size(nr_bytes: float) -> str:
    return f"{nr_bytes / (1 << 20):,.1f} MiB"
