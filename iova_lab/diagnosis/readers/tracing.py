"""Text of a tracing tool: requests of the lab's probes, of iommu:map, or of the DMA API."""

from __future__ import annotations

import re

from iova_lab.diagnosis.readers import BaseReader
from iova_lab.diagnosis.seen import Place
from iova_lab.traces.importer.text import whole

_PROBE = re.compile(rb"\biova_(?P<what>alloc|free|reserve)\w*: .*?dom=")
_SIZE = re.compile(rb"\bsize=(?P<size>0x[0-9a-f]{1,12}|\d{1,14})")
_LIMIT = re.compile(rb"\blimit=(?P<limit>0x[0-9a-f]{1,16}|\d{1,20})")
_MAP = re.compile(rb"\b(?P<what>map|unmap): +IOMMU: iova=0x[0-9a-f]+.*?size=(?P<size>\d{1,14})")
_DMA = re.compile(
    rb"\bdma_(?:un)?map_(?:phys|page|sg|resource)\w*: |\bdma_(?:alloc|free)\w*: \S+(?: |$)"
)
_CACHED_PAGES, _32BIT = 32, (1 << 20) - 1
_SHARE = 0.02


class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "trace of requests"
    WORDS = (
        b"iova=",
        b"iova_alloc",
        b"iova_free",
        b"dma_map_",
        b"dma_unmap_",
        b"dma_alloc",
        b"dma_free",
    )

    _nr_maps = _nr_large = _nr_events = 0
    _first: Place | None = None
    _large: Place | None = None
    _is_ours = False

    def take(self, line: bytes, number: int) -> bool:
        """Count one event."""
        pages = 0
        if match := _PROBE.search(line):
            self._is_ours = True
            if match["what"] == b"alloc":
                size = _SIZE.search(line)
                pages = whole(size["size"]) if size else 0
                self._limit(line, number)
        elif match := _MAP.search(line):
            pages = -(-int(match["size"]) // 4096) if match["what"] == b"map" else 0
        elif not _DMA.search(line):
            return False
        self._nr_events += 1
        self._first = self._first or self.place(line, number)
        if pages:
            self._nr_maps += 1
            if pages > _CACHED_PAGES:
                self._nr_large += 1
                self._large = self._large or self.place(line, number)
        return False

    def _limit(self, line: bytes, number: int) -> None:
        match = _LIMIT.search(line)
        if match is None:
            return
        limit = whole(match["limit"]) + 1
        if 1 < limit <= _32BIT:
            text = f"a limit of {limit.bit_length() + 11} bits"
            self.seen.add("short_limit", text, [self.place(line, number)])

    def end(self) -> None:
        """Note the counts."""
        if self._first is None:
            return
        self.seen.recognised(self.KIND)
        how = "" if self._is_ours else " --assume-limit auto"
        text = f"{self._nr_events:,} events: `iova-lab trace import{how}` makes a trace of them"
        self.seen.add("trace", text, [self._first])
        if not self._nr_maps:
            return
        share = self._nr_large / self._nr_maps
        text = f"{self._nr_large:,} of {self._nr_maps:,} mappings are larger than 32 pages"
        text += f" ({share:.1%})"
        if share >= _SHARE and self._large:
            self.seen.add("large_requests", text, [self._large])
        else:
            self.seen.add("small_requests", text, [self._first])
