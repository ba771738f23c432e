"""What was left out of a trace, how often, why, and where for the first time?"""

from __future__ import annotations

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

    counts: dict[str, int] = field(default_factory=dict)
    _first: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def add(self, reason: str, number: int, text: bytes, count: int = 1) -> None:
        """Count ``reason``, seen in line ``number``, which is ``text``."""
        if reason not in self.counts:
            self._first[reason] = number, text[: 4 * _SHOWN]
            self.counts[reason] = 0
        self.counts[reason] += count

    def __iter__(self) -> Iterator[Dropped]:
        for reason, count in self.counts.items():
            number, text = self._first[reason]
            yield Dropped(reason, count, number, shown(text))


def shown(text: bytes) -> str:
    """A line as it can stand in a message: short, and without what a terminal would obey."""
    words = " ".join(text.decode("utf-8", errors="replace").split())
    printable = "".join(char if char.isprintable() else "?" for char in words)
    return printable if len(printable) <= _SHOWN else printable[: _SHOWN - 3] + "..."
