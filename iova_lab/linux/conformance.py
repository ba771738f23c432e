"""Does a file offer the kernel's IOVA API as its callers use it?

harness/api/conformance.c asks it, in user space behind the file itself (`run`), and in a booted
kernel (`iova_lab.kernel.api`).  Both print the lines that `Parser` reads.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from iova_lab.basics.errors import InvalidValueError
from iova_lab.linux import PREFIX, unit
from iova_variants import building
from iova_variants.watch import End, Limits, run_program

FOLDER = building.HARNESS_DIR / "api"
#: What every line of the test begins with.
MARK = "iova_api: "
#: A run of all cases takes a second.
CPU_S = 60.0
_SANITIZER = 99
_ENVIRONMENT = {
    "ASAN_OPTIONS": f"exitcode={_SANITIZER}:detect_leaks=0:color=never",
    "UBSAN_OPTIONS": f"exitcode={_SANITIZER}:color=never",
}
#: What a kernel writes, and goes on.
_SPLAT = re.compile(r"(?:WARNING|BUG)\b.*")
_COMPLAINT = re.compile(r"kernel BUG at .*|ERROR: AddressSanitizer: .*|\S*: runtime error: .*")
#: What is in front of a path in a kernel tree.
_ABOVE_TREE = re.compile(r"\S*/(?=(?:drivers|include|lib)/)")


@dataclass(frozen=True)
class Outcome:
    """What one case showed.

    ``callers`` are files of the kernel that do what the case does: none for a call by itself; and
    ``is_used`` is false for what no caller does.  ``reason`` says why a case failed.
    """

    case: str
    calls: tuple[str, ...]
    callers: tuple[str, ...] = ()
    is_used: bool = True
    reason: str = ""

    @property
    def passed(self) -> bool:
        return not self.reason


class Parser:
    """Makes outcomes of the lines that a run prints, one at a time.

    A warning of the kernel fails the case that it comes in, unless no caller does what that does.
    """

    def __init__(self) -> None:
        #: The case under way.
        self.begun: Outcome | None = None
        self.is_done = False
        self._splat = ""

    def line(self, line: str) -> Outcome | None:
        """Take one line; return the outcome of the case that it ends."""
        _, _, rest = line.partition(MARK)
        word, _, rest = rest.partition(" ")
        if word == "begins":
            name, calls, callers = rest.split("|")
            is_used = callers != "-"
            files = tuple(callers.split()) if is_used else ()
            self.begun = Outcome(name, tuple(calls.split()), files, is_used)
            self._splat = ""
        elif word in ("passes", "fails") and self.begun:
            ended, self.begun = self.begun, None
            return replace(ended, reason=rest or self._splat * ended.is_used)
        elif word == "all":
            self.is_done = True
        elif found := _SPLAT.search(line):
            self._splat = self._splat or found[0]
        return None


#: Runs the cases from one on, and yields what it prints; at its end, what it died of, or "".
Run = Callable[[int, Parser], Iterator[str]]


def outcomes(run: Run) -> Iterator[Outcome]:
    """Outcomes of all cases: behind one that ends the run, another run goes on."""
    nr_done = 0
    while True:
        parser = Parser()
        last = ""
        for last in run(nr_done, parser):
            if outcome := parser.line(last):
                nr_done += 1
                yield outcome
        if parser.is_done:
            return
        if parser.begun is None:
            raise InvalidValueError(f"the conformance test did not begin: {last}")
        nr_done += 1
        yield replace(parser.begun, reason=last)


def run(name: str) -> Iterator[Outcome]:
    """Outcomes of all cases in user space, with sanitizers.

    Raises `InvalidValueError` for a name other than ``linux:SOURCE``, and what `unit.resolve` does.
    """
    if not name.startswith(PREFIX):
        raise InvalidValueError(
            f"{name} has no kernel API in user space: only linux:SOURCE has one, such as "
            "linux:debian-6.12+candidate"
        )
    program = building.compile_behind(unit.resolve(name), FOLDER / "user/main.c")

    def once(first: int, parser: Parser) -> Iterator[str]:
        limits = Limits(wall_s=600.0, cpu_s=CPU_S, last_words=signal.SIGABRT)
        end = run_program([program, str(first)], limits, env=os.environ | _ENVIRONMENT)
        yield from end.stdout.decode(errors="replace").splitlines()
        yield _died_of(end)

    return outcomes(once)


def _died_of(end: End) -> str:
    """What a run died of, in one line."""
    found = _COMPLAINT.search(end.stderr.decode(errors="replace"))
    return _ABOVE_TREE.sub("", found[0]) if found else end.died
