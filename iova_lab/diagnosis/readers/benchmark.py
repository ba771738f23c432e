"""dma_map_benchmark, fio and iperf: how fast is it, and was it faster before?"""

from __future__ import annotations

import re

from iova_lab.diagnosis.readers import BaseReader
from iova_lab.diagnosis.seen import Place

_HEAD = re.compile(rb"dma mapping benchmark: threads:(?P<threads>\d+)")
_LATENCY = re.compile(rb"average (?P<what>map|unmap) latency\s?\(us\)\s?:\s?(?P<us>\d+(?:\.\d+)?)")
_FIO = re.compile(
    rb"^\s*(?:\[?\w*\]?\s*)?(?P<what>read|write|randread|randwrite|READ|WRITE)\s*: .*?"
    rb"(?:IOPS|iops)=\s?(?P<value>\d+(?:\.\d+)?)(?P<unit>[kKMG]?)"
)
_IPERF = re.compile(
    rb"\bsec\s+\d+(?:\.\d+)? [KMGT]?Bytes\s+"
    rb"(?P<value>\d+(?:\.\d+)?) (?P<unit>[KMGT]?)bits/sec(?P<rest>.*)$"
)
_FACTOR = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SLOW_US, _MOST_RUNS = 10.0, 1000


class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "benchmark"
    WORDS = (
        b"latency(us)",
        b"latency (us)",
        b"dma mapping benchmark",
        b"IOPS=",
        b"iops=",
        b"bits/sec",
    )

    _threads = b""

    def take(self, line: bytes, number: int) -> bool:
        """Read one result."""
        place = self.place(line, number)
        if match := _HEAD.search(line):
            self._threads = match["threads"]
            self.seen.recognised("dma_map_benchmark")
        for match in _LATENCY.finditer(line[:1000]):
            us = float(match["us"][:15])
            threads = f", {int(self._threads[:6])} threads" if self._threads else ""
            text = f"dma_map_benchmark: {us:g} us for each {match['what'].decode()}{threads}"
            self.seen.add("map_slow" if us >= _SLOW_US else "map_fast", text, [place], {"us": us})
        if match := _FIO.match(line):
            self._run("fio " + match["what"].decode().lower(), match, place)
        elif (match := _IPERF.search(line)) and self._is_sum(line, match["rest"]):
            self._run("iperf", match, place)
        return False

    @staticmethod
    def _is_sum(line: bytes, rest: bytes) -> bool:
        """Of iperf's lines, those that are a whole run's, as the receiver saw it."""
        span = re.search(rb"(\d+\.\d+)-\s?(\d+\.\d+)\s+sec", line)
        starts = span is not None and float(span[1][:12]) == 0.0
        return (
            starts and b"sender" not in rest and (b"receiver" in rest or not rest.strip().isdigit())
        )

    def _run(self, what: str, match: re.Match[bytes], place: Place) -> None:
        runs = self.seen.runs.setdefault(what, [])
        if not runs:
            self.seen.recognised(what.partition(" ")[0])
        if len(runs) < _MOST_RUNS:
            runs.append((float(match["value"][:15]) * _FACTOR[match["unit"].decode()], place))
