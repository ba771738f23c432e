"""Histograms of bpftrace and bcc: how long do calls of the allocator take?"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from iova_lab.diagnosis.readers import BaseReader
from iova_lab.diagnosis.seen import Place

_NAME = re.compile(rb"^@(?P<name>\w*)(?:\[(?P<key>[^\]]{0,200})\])?:\s*$")
_FUNCTION = re.compile(rb"^Function = (?:b')?(?P<name>[\w.]+)")
_ROW = re.compile(
    rb"^[\[(](?P<low>\d+[KMGT]?)(?:, (?P<high>\d+[KMGT]?))?[\])]\s+(?P<count>\d+) \|@* *\|?"
)
_BCC_HEAD = re.compile(rb"^\s+(?P<unit>[num]?secs)\s+: count\s+distribution")
_BCC_ROW = re.compile(rb"^\s+(?P<low>\d+)\s+-> (?P<high>\d+)\s+: (?P<count>\d+)\s+\|")
_FACTOR = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_UNITS = {"nsecs": 1, "usecs": 1000, "msecs": 1_000_000, "secs": 1_000_000_000}
_TAIL_NS, _MOST_ROWS = 1_000_000, 256


@dataclass
class _Histogram:
    name: str
    place: Place
    unit: float
    rows: list[tuple[float, float, int]] = field(default_factory=list)


class Reader(BaseReader):
    """See the package's docstring."""

    KIND = "histogram"
    WORDS = (b"@", b"Function = ", b": count ", b" -> ", b"probe:")

    _open: _Histogram | None = None
    _is_of_iova = False
    _function: tuple[bytes, int] | None = None

    def take(self, line: bytes, number: int) -> bool:
        """Read a name, or a row below it."""
        if self._open is not None:
            if match := _ROW.match(line) or _BCC_ROW.match(line):
                low = _number(match["low"])
                high = _number(match["high"]) if match["high"] else low + 1
                if len(self._open.rows) < _MOST_ROWS:
                    self._open.rows.append((low, high, int(match["count"][:15])))
                return True
            if not line.strip() and not self._open.rows:
                return True
            self.end()
        if b"probe:" in line and b"iova" in line:
            self._is_of_iova = True
            return False
        if match := _NAME.match(line):
            name = match["name"] + b" " + (match["key"] or b"")
            self._open = _Histogram(_text(name), self.place(line, number), _unit(match["name"]))
            return True
        if match := _FUNCTION.match(line):
            self._function = line, number
            return True
        if match := _BCC_HEAD.match(line):
            at = self._function or (line, number)
            self._open = _Histogram(_text(at[0]), self.place(*at), _UNITS[_text(match["unit"])])
            return True
        return False

    def end(self) -> None:
        """Note the histogram that is open."""
        one, self._open = self._open, None
        if one is None or not any(count for _, _, count in one.rows):
            return
        self.seen.recognised(self.KIND)
        total = sum(count for _, _, count in one.rows)
        highest = max(high for _, high, count in one.rows if count)
        name = " ".join(one.name.split()).removeprefix("Function = ")
        if self._is_of_iova and "iova" not in name:
            name = f"{name}, in a script that probes the allocator"
        if "iova" not in name and not self._is_of_iova:
            text = f"a histogram ({name or 'without a name'}) of {total:,} values names no function"
            self.seen.add("unnamed_histogram", text, [one.place])
            return
        if "page" in name or "size" in name or "limit" in name:
            return
        tail = sum(count for low, _, count in one.rows if low * one.unit >= _TAIL_NS)
        mode = max(one.rows, key=lambda row: row[2])
        text = (
            f"{name}: {total:,} calls, most in {_time(mode[0] * one.unit)} to"
            f" {_time(mode[1] * one.unit)}; {tail:,} of 1 ms or more, up to"
            f" {_time(highest * one.unit)}"
        )
        numbers = {"calls": total, "tail": tail}
        self.seen.add("latency_tail" if tail else "latency_flat", text, [one.place], numbers)


def _unit(name: bytes) -> float:
    if b"ms" in name or b"msec" in name:
        return 1_000_000
    return 1000 if b"us" in name else 1


def _number(text: bytes) -> float:
    factor = _text(text[-1:]) if text[-1:].isalpha() else ""
    digits = text[:-1] if factor else text
    return float(int(digits[:18])) * _FACTOR[factor]


def _time(ns: float) -> str:
    for limit, unit in ((1e3, "ns"), (1e6, "us"), (1e9, "ms")):
        if ns < limit:
            return f"{ns * 1e3 / limit:,.3g} {unit}"
    return f"{ns / 1e9:,.3g} s"


def _text(text: bytes) -> str:
    return text.decode("utf-8", errors="replace")
