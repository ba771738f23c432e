"""Perf report and perf top: a row for each function, with its share."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from iova_lab.diagnosis.functions import ALLOC, FREE, INVALIDATION, LOCK, class_of
from iova_lab.diagnosis.profiles import Shares, note
from iova_lab.diagnosis.readers import BaseReader

_ROW = re.compile(
    rb"^[|\s]*[-+]?\s*(?P<share>\d{1,3}\.\d+)%\s+(?:(?P<self>\d{1,3}\.\d+)%\s+)?(?P<rest>.*?)"
    rb"\[(?P<space>[k.gu])\]\s+(?P<name>[\w.+~:@$<>*&(), -]+?)\s*(?:=?$|- -|  )"
)
#: perf top --stdio without a [k] column, and one that names only object and symbol.
_BARE = re.compile(
    rb"^\s*(?P<share>\d{1,3}\.\d+)%\s+\[(?:kernel|kernel\.kallsyms|k)\]\s+(?P<name>[A-Za-z_][\w.]+)\s*$"
)
_GRAPH = re.compile(
    rb"(?:--(?P<share>\d{1,3}\.\d+)%--|^[|\s]*[-+ ] ?(?P<shown>\d{1,3}\.\d+)% )"
    rb"(?P<name>[A-Za-z_][\w.]+)"
)
_RELEASE = re.compile(rb"^# os ?release\s*: (\S{1,64})")
_SAMPLES = re.compile(rb"^# Samples: (\d{1,9})([KMG]?)\s")
_POWER = {b"": 1e0, b"K": 1e3, b"M": 1e6, b"G": 1e9}
_CPUS = re.compile(rb"^# nrcpus (?:online|avail)\s*: (\d{1,5})")


@dataclass(eq=False)
class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "perf report"
    WORDS = (b"%", b"# os release", b"# nrcpus", b"# Samples")

    _shares: Shares = field(init=False, default_factory=Shares)
    _lock_share: float = field(init=False, default=0.0)

    def take(self, line: bytes, number: int) -> bool:
        """Read a row, a line of a call graph, or a line of the header."""
        if line.startswith(b"#"):
            self._header(line, number)
            return False
        match = _ROW.match(line) or _BARE.match(line)
        if match is None:
            if self._lock_share and b"%" in line:
                self._caller(line, number)
            return False
        share, name = float(match["share"]), match["name"].decode("ascii", errors="replace").strip()
        own = match.groupdict().get("self")
        place = self.place(line, number)
        part = class_of(name)
        self._lock_share = share if part == LOCK else 0.0
        if own is not None:
            if part in (ALLOC, FREE) and share <= 100:
                self._shares.at_least(part, name, share, place)
                self._shares.add("", float(own), place)
                return False
            share = float(own)
        if share <= 100:
            self._shares.add(name, share, place)
        return False

    def _header(self, line: bytes, number: int) -> None:
        if match := _RELEASE.match(line):
            self.named(match[1], line, number)
        if match := _SAMPLES.match(line):
            self._shares.nr_samples = int(match[1]) * _POWER[match[2]]
        if (match := _CPUS.match(line)) and int(match[1]):
            self.seen.machine.cpus = int(match[1])

    def _caller(self, line: bytes, number: int) -> None:
        """A caller of the lock's slow path, in the call graph below its row."""
        for match in _GRAPH.finditer(line):
            name = match["name"].decode()
            part, share = class_of(name), float(match["share"] or match["shown"])
            if part in (ALLOC, FREE, INVALIDATION):
                share = min(share, self._lock_share)
                self._shares.at_least(part, name, share, self.place(line, number))

    def end(self) -> None:
        """Note the profile."""
        note(self.seen, self._shares, self.KIND)
