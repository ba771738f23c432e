"""Requests from events that have no limit: iommu:map and unmap, dma:dma_map and unmap.

What is known is made into the events of the lab's own probes, at the fast level: address, size,
time and CPU.  What is not known is assumed, and the trace says that it is approximate:

- the limit: a number of bits that a user gives, or the bits of the addresses themselves;
- the domain: one for each device; iommu:map names no device, so two ranges that are live at one
  address belong to two domains;
- when a range was freed: its unmap, although a flush queue frees it up to 10 ms later;
- one range for each run of pieces that follow one another: iommu:map has an event a piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from iova_lab.traces.importer.assumed import SHIFT, Assumed, pages_of
from iova_lab.traces.importer.dropped import Drops
from iova_lab.traces.importer.text import Event, whole

#: Pieces of one range are mapped within so much time, by one task.
_PIECE_NS = 100_000
_MOST_PENDING, _MOST_DEVICES, _MOST_KNOWN = 4096, 1 << 15, 1 << 20
_NO_ADDRESS = (1 << 64) - 1

_IOMMU = ("map", "unmap")
ATTACH = "attach_device_to_domain"
DMA_MAPS = ("dma_map_page", "dma_map_phys", "dma_map_resource", "dma_alloc", "dma_alloc_pages")
_DMA_UNMAPS = (
    "dma_unmap_page",
    "dma_unmap_phys",
    "dma_unmap_resource",
    "dma_free",
    "dma_free_pages",
)
_DMA_SG, _DMA_UNSG = "dma_map_sg", "dma_unmap_sg"
DMA_NAMES = frozenset([*DMA_MAPS, *_DMA_UNMAPS, _DMA_SG, _DMA_UNSG])
IOMMU_NAMES = frozenset([*_IOMMU, ATTACH])

UNREADABLE = "events of iommu or dma without the address or size that they need"
AT_ZERO = "ranges at address 0, which no kernel's DMA layer hands out: VFIO's, or one to one"
DIRECT = "mappings without an IOMMU: the device's address is the physical one"
TRUNCATED = "scatter lists of which the kernel printed a part only"
UNKNOWN_LIST = "unmaps of scatter lists that were mapped before the recording"
TOO_MANY = "events of more devices than one trace can have"

_RANGE = re.compile(
    rb"IOMMU: iova=(?P<start>0x[0-9a-f]{1,16})(?: - (?P<end>0x[0-9a-f]{1,16}))?(?=\s|$)"
)
_SIZE = re.compile(rb"\bsize=(?P<size>0x[0-9a-f]{1,16}|\d{1,19})(?=\s|$)")
_DEVICE = re.compile(rb"\bdma_\w+: +(?P<device>\S{1,100}) ")
_ADDRESS = re.compile(rb"\bdma_addr=(?:0x)?(?P<address>[0-9a-f]{1,16})(?=\s|$)")
_PHYSICAL = re.compile(rb"\bphys_addr=(?:0x)?(?P<address>[0-9a-f]{1,16})(?=\s|$)")
_NUMBER = re.compile(rb"\d+|0x[0-9a-f]{1,16}")
_LIST = re.compile(rb"\b(?P<name>dma_addrs|sizes|phys_addrs)=\{(?P<values>[0-9a-fx,]{0,4000})\}")


@dataclass
class _Piece:
    event: Event
    start: int
    end: int
    last_ns: int


@dataclass
class Approximate:
    """Events of the lab's probes from those of iommu or dma."""

    assumed: Assumed
    drops: Drops
    _pending: dict[int, _Piece] = field(default_factory=dict)  # by thread
    _unmapped: dict[int, int] = field(default_factory=dict)  # end of the last unmap by its start
    _live: list[dict[int, int]] = field(default_factory=list)  # by domain that addresses tell
    _devices: dict[bytes, int] = field(default_factory=dict)
    _lists: dict[tuple[int, int], list[int]] = field(default_factory=dict)

    def events(self, found: Iterable[Event]) -> Iterator[Event]:
        """Allocations and frees, a little out of order."""
        for event in found:
            name = event.name
            if name in _IOMMU:
                yield from self._iommu(event)
            elif name == ATTACH:
                self._attach(event)
            else:
                yield from self._dma(event)
        yield from self._all_pending()

    # ---- iommu:map and unmap ----

    def _attach(self, event: Event) -> None:
        device = event.text.partition(b"device=")[2].split()[:1]
        if device and len(self.assumed.devices) < _MOST_DEVICES:
            self.assumed.devices.add(device[0])

    def _iommu(self, event: Event) -> Iterator[Event]:
        match, size = _RANGE.search(event.text), _SIZE.search(event.text)
        if match is None or (match["end"] is None and size is None):
            self.drops.add(UNREADABLE, event.number, event.text)
            return
        start = int(match["start"], 16)
        end = int(match["end"], 16) if match["end"] else start + whole(size["size"]) if size else 0
        if not start < end <= 1 << 64:
            self.drops.add(UNREADABLE, event.number, event.text)
            return
        if not start >> SHIFT:
            self.drops.add(AT_ZERO, event.number, event.text)
            return
        if event.name == "unmap":
            yield from self._all_pending()
            yield from self._unmap(event, start, end)
            return
        self.assumed.nr_pieces += 1
        before = self._pending.get(event.thread)
        if before and self._is_next(before, event, start, end):
            before.end, before.last_ns = end, event.time_ns
            return
        if before:
            yield from self._whole(self._pending.pop(event.thread))
        if len(self._pending) >= _MOST_PENDING:
            yield from self._all_pending()
        self._pending[event.thread] = _Piece(event, start, end, event.time_ns)

    def _is_next(self, before: _Piece, event: Event, start: int, end: int) -> bool:
        """Is this the next piece of the range ``before``, and no range of its own?

        An earlier unmap at the same address tells; else the range that both would be must be
        aligned as dma-iommu aligns.
        """
        if before.end != start or event.time_ns - before.last_ns >= _PIECE_NS:
            return False
        if before.start in self._unmapped:
            return end <= self._unmapped[before.start]
        if start in self._unmapped:
            return False
        pages = pages_of(0, end - before.start)
        return (before.start >> SHIFT) % (1 << (pages - 1).bit_length()) == 0

    def _unmap(self, event: Event, start: int, end: int) -> Iterator[Event]:
        if start in self._unmapped or len(self._unmapped) < _MOST_KNOWN:
            self._unmapped[start] = end
        dom = next((k for k, live in enumerate(self._live) if start in live), 0)
        mapped = self._live[dom].pop(start, end) if self._live else end
        yield self._free(event, dom, start, end - start)
        if mapped > end:  # two ranges were taken for one
            self._live[dom][end] = mapped
            yield self._alloc(event, dom, end, mapped - end)

    def _all_pending(self) -> Iterator[Event]:
        pieces, self._pending = list(self._pending.values()), {}
        for piece in pieces:
            yield from self._whole(piece)

    def _whole(self, piece: _Piece) -> Iterator[Event]:
        """All pieces of a range have been mapped."""
        dom = next((k for k, live in enumerate(self._live) if piece.start not in live), None)
        if dom is None:
            dom = len(self._live)
            self._live.append({})
        self._live[dom][piece.start] = piece.end
        yield self._alloc(piece.event, dom, piece.start, piece.end - piece.start)

    # ---- dma:dma_map and unmap ----

    def _dma(self, event: Event) -> Iterator[Event]:
        match = _DEVICE.search(event.text)
        if match is None:
            self.drops.add(UNREADABLE, event.number, event.text)
            return
        dom = self._devices.setdefault(match["device"], len(self._devices))
        if dom >= _MOST_DEVICES:
            del self._devices[match["device"]]
            self.drops.add(TOO_MANY, event.number, event.text)
            return
        if event.name in (_DMA_SG, _DMA_UNSG):
            yield from self._list(event, dom)
            return
        address, size = _ADDRESS.search(event.text), _SIZE.search(event.text)
        if address is None or size is None:
            self.drops.add(UNREADABLE, event.number, event.text)
            return
        start, length = int(address["address"], 16), whole(size["size"])
        if not start >> SHIFT:
            self.drops.add(AT_ZERO, event.number, event.text)
            return
        if event.name in _DMA_UNMAPS:
            yield self._free(event, dom, start, length)
            return
        physical = _PHYSICAL.search(event.text)
        if physical and int(physical["address"], 16) == start:
            self.drops.add(DIRECT, event.number, event.text)
            return
        yield self._alloc(event, dom, start, length)

    def _list(self, event: Event, dom: int) -> Iterator[Event]:
        lists = {one["name"]: _numbers(one["values"]) for one in _LIST.finditer(event.text)}
        physical = lists.get(b"phys_addrs") or [0]
        key = dom, physical[0]
        if event.name == _DMA_UNSG:
            starts = self._lists.pop(key, None)
            if starts is None:
                self.drops.add(UNKNOWN_LIST, event.number, event.text)
            for start in starts or ():
                yield self._free(event, dom, start, 1)
            return
        starts, sizes = lists.get(b"dma_addrs") or [], lists.get(b"sizes") or []
        if not starts or len(starts) != len(sizes):
            self.drops.add(UNREADABLE, event.number, event.text)
            return
        if b"TRUNCATED" in event.text:
            self.drops.add(TRUNCATED, event.number, event.text)
        if starts[0] == physical[0]:
            self.drops.add(DIRECT, event.number, event.text)
            return
        if not min(starts) >> SHIFT:
            self.drops.add(AT_ZERO, event.number, event.text)
            return
        ranges = list(_joined(starts, sizes))
        for start, length in ranges:
            yield self._alloc(event, dom, start, length)
        self._lists[key] = [start for start, _ in ranges]

    # ---- both ----

    def _alloc(self, event: Event, dom: int, start: int, length: int) -> Event:
        self.assumed.nr_ranges += 1
        refused = start == _NO_ADDRESS
        end = 0 if refused else start + max(length, 1)
        fields = _range(dom, 0 if refused else start, length)
        fields["limit"] = self.assumed.limit(dom, end, refused=refused)
        return replace(event, name="iova_alloc_fast", fields=fields)

    def _free(self, event: Event, dom: int, start: int, length: int) -> Event:
        return replace(event, name="iova_free_fast", fields=_range(dom, start, length))


def _range(dom: int, start: int, length: int) -> dict[str, int | None]:
    return {"dom": dom, "pfn": start >> SHIFT, "size": pages_of(start, length)}


def _numbers(text: bytes) -> list[int]:
    """Numbers of a list: addresses have 0x, sizes are decimal."""
    found = [whole(part) for part in text.split(b",") if _NUMBER.fullmatch(part)]
    return [number for number in found if number < 1 << 64]


def _joined(starts: list[int], sizes: list[int]) -> Iterator[tuple[int, int]]:
    """Ranges of a scatter list: what follows at the next page belongs to the same one."""
    first, end = starts[0], starts[0] + sizes[0]
    mask = (1 << SHIFT) - 1
    for start, size in zip(starts[1:], sizes[1:], strict=True):
        if start == (end + mask) & ~mask or start == end:
            end = start + size
            continue
        yield first, end - first
        first, end = start, start + size
    yield first, end - first
