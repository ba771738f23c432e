"""What was left out of a trace, how often, why, and where for the first time?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

#: So much of a line is shown.
_SHOWN = 100


@dataclass(frozen=True)
class Dropped:
    """One reason: how many records or lines, and the first of them."""

    reason: str
    count: int
    line: int
    example: str

    def __str__(self) -> str:
        return f"{self.count:,} {self.reason}; the first is line {self.line:,}: {self.example}"


@dataclass
class Drops:
    """Counts by reason; only the first line of each is kept."""

    counts: Counter[str] = field(default_factory=Counter)
    _first: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def add(self, reason: str, number: int, text: bytes) -> None:
        """Count ``reason``, seen in line ``number``, which is ``text``."""
        self._first.setdefault(reason, (number, text[: 4 * _SHOWN]))
        self.counts[reason] += 1

    def __iter__(self) -> Iterator[Dropped]:
        for reason, count in self.counts.items():
            number, text = self._first[reason]
            yield Dropped(reason, count, number, shown(text))


def shown(text: bytes, most: int = _SHOWN) -> str:
    """A line as it can stand in a message: short, and without what a terminal would obey."""
    words = printable(" ".join(text[: 4 * most].decode("utf-8", errors="replace").split()))
    return words if len(words) <= most else words[: most - 3] + "..."


def printable(text: str) -> str:
    """The text with a question mark for each character that a terminal would obey."""
    return "".join(char if char.isprintable() else "?" for char in text)
