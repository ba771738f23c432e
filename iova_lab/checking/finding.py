"""What is wrong with a file, said so that its author can mend it?"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iova_lab.checking import drawing
from iova_lab.checking.standalone import Verdict
from iova_lab.traces.history import History
from iova_variants import REFUSED

WIDTH = 78
#: Lines of a compiler, calls, or requests that are shown; the rest is counted.
MOST_LINES = 24


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    ``check`` is the name of the check that found it, ``says`` one line of text.  ``lines`` are the
    compiler's, or the calls that led there, or places in the file; ``history`` the shortest op
    stream that does it (``shrunk``: nothing shorter was left to try), ``saved`` where that lies,
    ``drawn`` its gaps, ``again`` the command that shows it again.
    """

    file: str
    check: str
    says: str
    lines: tuple[str, ...] = ()
    history: History | None = None
    saved: Path | None = None
    drawn: str = ""
    again: str = ""
    shrunk: bool = True

    def __str__(self) -> str:
        """The whole of it, for a terminal."""
        head = textwrap.fill(f"{self.file}: {self.says}", WIDTH, subsequent_indent="  ")
        parts = [head, *map(_wrapped, _shortened(self.lines))]
        if self.drawn:
            parts += ["", textwrap.indent(self.drawn, "  ")]
        elif self.history:
            parts += ["", f"  Domain from pfn {self.history.start_pfn:#x}:"]
            parts += [_wrapped(line) for line in _shortened(tuple(self.history.described()))]
        if not self.shrunk:
            parts += ["", "  not shrunk to the end: the time was up, a shorter stream may do"]
        if self.again:
            parts += ["", f"  again: {self.again}"]
        return "\n".join(parts)

    def as_json(self) -> dict[str, Any]:
        """What a script wants to know."""
        return {
            "file": self.file,
            "check": self.check,
            "says": self.says,
            "lines": list(self.lines),
            "ops": self.history.described() if self.history else [],
            "saved": str(self.saved) if self.saved else None,
            "again": self.again or None,
        }


def _wrapped(line: str) -> str:
    """One line, indented, in as many as it takes; what a compiler shows keeps its columns."""
    if len(line) + 2 <= WIDTH:
        return f"  {line}"
    return textwrap.fill(line, WIDTH, initial_indent="  ", subsequent_indent="      ")


def _shortened(lines: tuple[str, ...]) -> list[str]:
    if len(lines) <= MOST_LINES:
        return list(lines)
    head, tail = MOST_LINES // 2, MOST_LINES // 2 - 1
    return [*lines[:head], f"... {len(lines) - head - tail} more ...", *lines[-tail:]]


def says_of(history: History, verdict: Verdict) -> str:
    """One line: what is wrong, and at which op of how many."""
    nr_ops = len(history.steps)
    if verdict.op >= nr_ops:
        return f"after {nr_ops:,} op{'s' * (nr_ops != 1)}, at the end of the domain: {verdict.says}"
    fails = f", if request {history.fail_alloc_at} for memory is refused"
    return f"op {verdict.op} of {nr_ops}{fails * bool(history.fail_alloc_at)}: {verdict.says}"


def draw(history: History, verdict: Verdict) -> str:
    """Draw the gaps after each request, or nothing where that takes more than 26 letters."""
    too_many = history.nr_domains > 1 or history.nr_slots > drawing.MOST_LETTERS
    if too_many or len(history.steps) > MOST_LINES // 2:
        return ""
    pfns = [int(pfn) for pfn in verdict.pfns[: len(history.steps)]]
    pfns += [REFUSED] * (len(history.steps) - len(pfns))
    return drawing.draw_steps(
        history.steps, pfns, history.start_pfn, wrong=(verdict.op, verdict.says)
    )
