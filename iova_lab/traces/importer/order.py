"""In which order did it happen?

tracefs, trace-cmd and perf print records by their time; bpftrace empties the buffer of one CPU
after the other, so that its lines are out of order by as much as such a buffer holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter

from iova_lab.traces.importer.text import Event

#: Events that are kept to be sorted: what comes later than so many is late.
WINDOW = 1 << 15
#: A time that falls by more is another recording's, or another CPU's file.
FALLS_NS = 10**9


@dataclass
class Order:
    """Sorts by time what lies within a window, and counts what was not in order.

    ``nr_sorted`` records came after a later one, the worst of them by ``most_ns``; ``nr_breaks``
    times the clock fell by more than a second, and everything before that stays before it.
    """

    nr_sorted: int = 0
    most_ns: int = 0
    nr_breaks: int = 0
    _kept: list[Event] = field(default_factory=list)

    def events(self, events: Iterable[Event]) -> Iterator[Event]:
        """The same events, by time; those of the same time as they came."""
        latest_ns = 0
        for event in events:
            if event.time_ns >= latest_ns:
                latest_ns = event.time_ns
            elif latest_ns - event.time_ns > FALLS_NS:
                self.nr_breaks += 1
                yield from self._sorted()
                latest_ns = event.time_ns
            else:
                self.nr_sorted += 1
                self.most_ns = max(self.most_ns, latest_ns - event.time_ns)
            self._kept.append(event)
            if len(self._kept) >= 2 * WINDOW:
                yield from self._sorted(WINDOW)
        yield from self._sorted()

    def _sorted(self, most: int | None = None) -> Iterator[Event]:
        self._kept.sort(key=attrgetter("time_ns"))
        yield from self._kept[:most]
        del self._kept[:most]
