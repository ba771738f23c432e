"""What does one line of a tracing tool's output say?

All tools print the same things in the same order: task, CPU, time, event, fields.  tracefs and
``trace-cmd report`` have flags before the time, ``perf script`` a group before the event.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from iova_lab.traces.importer.dropped import Drops
from iova_lab.traces.importer.foreign import kind_of
from iova_lab.traces.importer.source import CUT, ImportTextError

__all__ = ["Event", "ImportTextError", "Tally", "events"]

#: Text that is not of this project's making has no event of ours in a line longer than this.
LONGEST_LINE = 4096

#: Why a line was left out.
OTHER = "lines are no records of ours: passed over"
CUT_LINE = "last lines without an end: the text was cut there"
TOO_LONG = f"lines with more than {LONGEST_LINE} bytes"
NO_CPU = "records without a [CPU]: perf record -a and tracefs' own format have it"
NO_SECONDS = "records whose time is not in seconds: echo mono > trace_clock gives them"
UNREADABLE = "records of ours in another form than those of docs/recording.md"

#: A record that is read.
EXAMPLE = "fio-7 [000] 1.000002: iova_alloc_fast: dom=0xa size=0x1 limit=0xfffff pfn=0xffffe"

#: Where a record's task ends: its name may hold anything.
_RECORD = re.compile(
    rb"""[-\s/](?P<pid>\d{1,10})\s+(?:\([^()]{0,20}\)\s+)?
    \[(?P<cpu>\d{1,5})\]\s+(?:(?P<flags>[^\s:]{4,8})\s+)?(?P<seconds>\d{1,12})\.(?P<fraction>\d{1,9}):\s+
    (?:[\w.]{1,64}:)?(?P<event>\w{1,64}):(?P<fields>.*)""",
    re.VERBOSE | re.DOTALL,
).search
_FIELD = re.compile(rb"[\s)](\w{1,20})=(\(fault\)|0x[0-9a-fA-F]{1,16}|\d{1,20})(?=\s|$)").findall
#: An event's name in a line that is no record as above.
_NAMED = re.compile(rb"\b(iova_[a-z_]{1,20}\d?):").search
_HAS_CPU = re.compile(rb"\[\d{1,5}\]").search
_HAS_SECONDS = re.compile(rb"\s\d{1,12}\.\d{1,9}:").search
#: trace_pipe; trace-cmd report; perf script; bpftrace.
_LOST = re.compile(
    rb"\[LOST (\d+) EVENTS\]|(\d+) EVENTS DROPPED|\[(\d+) events? lost\]|LOST (\d+) events"
    rb"|Lost (\d+) events",
    re.IGNORECASE,
).search
#: perf script --header.
_RELEASE = re.compile(rb"# os ?release\s*: ([!-~]{1,64})").match
_IN_INTERRUPT = frozenset(b"hHsSzZ")
#: What a mail puts before a line that it quotes, and colours of a terminal.
_AROUND = re.compile(rb"^(?:> ?)+|\x1b\[[0-9;]*[A-Za-z]").sub
_FAULT = b"(fault)"
#: Between the place that a function returned to and the function, in a probe of its end.
_RETURNED = b" <- "
_KEYS = {key.encode(): key for key in "dom size limit aligned pfn ret lo hi granule start".split()}
#: Nanoseconds of one in the last of so many digits.
_NS = [10 ** (9 - digits) for digits in range(10)]


@dataclass(slots=True)
class Event:
    """One record: ``fields`` are numbers, None where the kernel could not read one.

    ``thread`` tells apart what can be interrupted but not mixed: a task by its id, an idle CPU by
    one below zero.  ``text`` is the line, ``number`` its place.
    """

    time_ns: int
    cpu: int
    thread: int
    in_interrupt: bool
    name: str
    fields: dict[str, int | None]
    number: int = 0
    text: bytes = b""

    def __getitem__(self, name: str) -> int:
        """A field that must be there and readable.  Raises `KeyError`."""
        value = self.fields[name]
        if value is None:
            raise KeyError(name)
        return value


@dataclass(slots=True)
class Tally:
    """What was read: lines, records of ours, events that the tool itself lost, what was left out.

    ``release`` is the kernel that the text itself names, None if it names none; ``whole_call`` the
    number of the first record that has a call's arguments and its end; ``foreign`` what
    another file has such lines, by the first that is known; ``nr_cleaned`` lines were quoted as in
    a mail, or coloured.
    """

    nr_lines: int = 0
    nr_events: int = 0
    nr_lost: int = 0
    release: str | None = None
    whole_call: int | None = None
    foreign: str | None = None
    nr_cleaned: int = 0
    drops: Drops = field(default_factory=Drops)


def events(lines: Iterable[bytes], names: frozenset[str], tally: Tally) -> Iterator[Event]:
    """Yield the events called ``names``; all other lines are counted and passed over."""
    known = {name.encode(): name for name in names}
    for number, line in enumerate(lines, 1):
        tally.nr_lines = number
        if line[:1] == b">" or b"\x1b" in line:
            tally.nr_cleaned += 1
            line = _AROUND(b"", line)
        line = line.removesuffix(b"\r")
        if len(line) > LONGEST_LINE:
            tally.drops.add(TOO_LONG, number, line)
            continue
        match = _RECORD(line)
        name = known.get(match["event"]) if match else None
        if match is None or name is None or line.endswith(CUT):
            _pass_over(line, number, known, tally)
            continue
        tally.nr_events += 1
        event = _event(match, name, number, line)
        if tally.whole_call is None and _RETURNED in match["fields"] and "dom" in event.fields:
            tally.whole_call = number
        yield event


def _event(match: re.Match[bytes], name: str, number: int, line: bytes) -> Event:
    pid, cpu, flags, seconds, fraction, _, text = match.groups()
    cpu_number = int(cpu)
    fields = {
        _KEYS[key]: None if value == _FAULT else whole(value)
        for key, value in _FIELD(text)
        if key in _KEYS
    }
    return Event(
        int(seconds + fraction) * _NS[len(fraction)],
        cpu_number,
        int(pid) or -1 - cpu_number,
        flags is not None and any(flag in _IN_INTERRUPT for flag in flags[2:4]),
        name,
        fields,
        number,
        line,
    )


def whole(value: bytes) -> int:
    """A hexadecimal number with 0x, or a decimal one, which may begin with zeros."""
    return int(value, 16 if value[:2] == b"0x" else 10)


def _pass_over(line: bytes, number: int, known: dict[bytes, str], tally: Tally) -> None:
    """Say what a line is that is no record of ours."""
    drops = tally.drops
    if line.endswith(CUT):
        drops.add(CUT_LINE, number, line.removesuffix(CUT))
    elif match := _LOST(line):
        tally.nr_lost += int(next(group for group in match.groups() if group))
    elif line.startswith(b"#"):
        release = _RELEASE(line)
        tally.release = release[1].decode(errors="replace") if release else tally.release
    elif (match := _NAMED(line)) and match[1] in known:
        reason = NO_CPU if not _HAS_CPU(line) else UNREADABLE
        drops.add(reason if _HAS_SECONDS(line) else NO_SECONDS, number, line)
    elif line.strip():
        drops.add(OTHER, number, line)
        tally.foreign = tally.foreign or kind_of(line)
