"""Ftrace's function_graph tracer and function profiler: how long do calls take?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from iova_lab.diagnosis.functions import IOVA, class_of, plain
from iova_lab.diagnosis.readers import BaseReader
from iova_lab.diagnosis.seen import Place

_GRAPH = re.compile(
    rb"^\s*(?:\d+\.\d+\s+\|\s+)?(?P<cpu>\d+)\)\s+(?:[^|\s]+-\d+\s+\|\s+)?[+!#*@$]?\s*"
    rb"(?P<us>\d+\.\d+) us\s+\|\s+"
    rb"(?:(?P<leaf>[A-Za-z_][\w.]*)\(\);|\}\s+/\* (?P<end>[A-Za-z_][\w.]*))"
)
_PROFILE = re.compile(
    rb"^\s+(?P<name>[A-Za-z_][\w.]*)\s+(?P<hits>\d+)\s+(?P<time>\d+\.\d+) us\s+(?P<avg>\d+\.\d+) us"
)
_SLOW_US = 100.0


@dataclass
class _Calls:
    place: Place
    nr: int = 0
    sum_us: float = 0.0
    most_us: float = 0.0


@dataclass(eq=False)
class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "function times"
    WORDS = (b"iova",)

    _graph: dict[str, _Calls] = field(default_factory=dict)

    def take(self, line: bytes, number: int) -> bool:
        """Read one call, or one row of the profiler."""
        if match := _GRAPH.match(line):
            name = plain((match["leaf"] or match["end"]).decode())
            if class_of(name) in IOVA and len(match["us"]) < 16:
                self.seen.cpu(int(match["cpu"][:6]))
                self._call(name, float(match["us"]), line, number)
        elif match := _PROFILE.match(line):
            name = plain(match["name"].decode())
            if class_of(name) in IOVA and len(match["avg"]) < 16:
                self._row(name, int(match["hits"][:15]), float(match["avg"]), line, number)
        return False

    def _call(self, name: str, us: float, line: bytes, number: int) -> None:
        calls = self._graph.setdefault(name, _Calls(self.place(line, number)))
        calls.nr += 1
        calls.sum_us += us
        if us > calls.most_us:
            calls.most_us, calls.place = us, self.place(line, number)

    def _row(self, name: str, hits: int, average: float, line: bytes, number: int) -> None:
        self.seen.recognised("function profiler")
        text = f"{name}(): {hits:,} calls, {average:g} us on average"
        sign = "slow_calls" if average >= _SLOW_US else "fast_calls"
        self.seen.add(sign, text, [self.place(line, number)], {"calls": hits, "us": average})

    def end(self) -> None:
        """Note the calls of the graph tracer."""
        for name, calls in self._graph.items():
            self.seen.recognised("function_graph")
            average = calls.sum_us / calls.nr
            text = f"{name}(): {calls.nr:,} calls, {average:.3g} us on average"
            text += f", {calls.most_us:g} us at most"
            sign = "slow_calls" if calls.most_us >= _SLOW_US else "fast_calls"
            self.seen.add(sign, text, [calls.place], {"calls": calls.nr, "us": calls.most_us})
