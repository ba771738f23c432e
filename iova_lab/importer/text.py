"""What does one line of a tracing tool's output say?

All tools print the same things in the same order: task, CPU, time, event, fields.  tracefs and
``trace-cmd report`` have flags before the time, ``perf script`` a group before the event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

#: Text that is not of this project's making has no event of ours in a line longer than this.
LONGEST_LINE = 4096

_LINE = re.compile(
    r"""^\s*(?P<task>.{1,64}?)[-\s]\s*(?P<pid>\d{1,10})\s+(?:\(.{0,20}\)\s+)?
    \[(?P<cpu>\d{1,5})\]\s+(?:(?P<flags>\S{4,6})\s+)?(?P<time>\d{1,12}\.\d{1,9}):\s+
    (?:[\w.]+:)?(?P<event>\w+):\s*(?:\([^()]*(?:\([^()]*\))?[^()]*\)\s*)?(?P<fields>.*)$""",
    re.VERBOSE,
)
_FIELD = re.compile(r"(\w+)=(\(fault\)|0x[0-9a-fA-F]{1,16}|\d{1,20})(?=\s|$)")
#: trace_pipe; trace-cmd report; perf script.
_LOST = re.compile(
    r"\[LOST (\d+) EVENTS\]|(\d+) EVENTS DROPPED|\[(\d+) events? lost\]|LOST (\d+) events", re.I
)
_IN_INTERRUPT = frozenset("hHsSzZ")


class ImportTextError(ValueError):
    """A line that begins as ours and does not go on so; the message has file and line."""


@dataclass(frozen=True, slots=True)
class Event:
    """One record: ``fields`` are numbers, None where the kernel could not read one."""

    time_ns: int
    cpu: int
    pid: int
    in_interrupt: bool
    name: str
    fields: dict[str, int | None] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        """A field that must be there and readable.  Raises `KeyError`."""
        value = self.fields[name]
        if value is None:
            raise KeyError(name)
        return value


@dataclass(slots=True)
class Tally:
    """What was read: lines of our events, of others, and events that the tool itself lost."""

    nr_lines: int = 0
    nr_events: int = 0
    nr_other: int = 0
    nr_lost: int = 0


def events(lines: Iterable[str], names: frozenset[str], tally: Tally, path: str) -> Iterator[Event]:
    """Yield the events called ``names``; all other lines are counted and passed over.

    A line is ours if its event is.  Raises `ImportTextError` for one of ours that has no number
    where one must be.
    """
    for number, line in enumerate(lines, 1):
        tally.nr_lines = number
        event = _event(line, names)
        if event is not None:
            tally.nr_events += 1
            yield event
        elif match := _LOST.search(line):
            tally.nr_lost += int(next(group for group in match.groups() if group))
        elif line.strip() and not line.startswith("#"):
            tally.nr_other += 1


def _event(line: str, names: frozenset[str]) -> Event | None:
    match = _LINE.match(line) if len(line) <= LONGEST_LINE else None
    if match is None or match["event"] not in names:
        return None
    seconds, _, fraction = match["time"].partition(".")
    flags = match["flags"] or ""
    return Event(
        time_ns=int(seconds) * 10**9 + int(fraction.ljust(9, "0")),
        cpu=int(match["cpu"]),
        pid=int(match["pid"]),
        in_interrupt=bool(_IN_INTERRUPT & set(flags[2:3])),
        name=match["event"],
        fields={key: _number(value) for key, value in _FIELD.findall(match["fields"])},
    )


def _number(text: str) -> int | None:
    return None if text == "(fault)" else int(text, 0)
