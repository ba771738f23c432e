"""Ask the importer or `iova-lab diagnose` many times, in one process, without guidance by coverage.

    python -m tests.support.fuzz_blind diagnose --runs 1000000 --seed 1
    python -m tests.support.fuzz_blind importer --runs 1000000 --start 250000

An input follows from the seed and its number alone, so a run that was stopped goes on at --start,
and a find is made again by its number.  What breaks, or takes more than a few seconds of CPU time,
is written into build/fuzz/finds/; the first of each place in the code is printed.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

import click

from tests.support import fuzz_diagnose, fuzz_importer

#: CPU time of one input, in seconds: a thousand times the usual.
MOST_S = 5.0
_EVERY_S = 10.0
#: One trace in so many is read again, and one diagnosis printed: that takes longer than the rest.
_ALL_OF = 8


class Subject(NamedTuple):
    """What is asked: ``make`` an input, ``check`` it; True if it still has a meaning."""

    make: Callable[[random.Random], bytes]
    check: Callable[[bytes, int, Path], bool]


class TooLongError(Exception):
    """An input took too long."""


def _importer(data: bytes, number: int, folder: Path) -> bool:
    if not data.isascii() and fuzz_importer.is_bomb(data):
        return False
    return fuzz_importer.check_input(data, folder / "t.npz", read=number % _ALL_OF == 0)


def _diagnose(data: bytes, number: int, folder: Path) -> bool:
    return fuzz_diagnose.check_input(data, printed=number % _ALL_OF == 0)


SUBJECTS = {
    "importer": Subject(fuzz_importer.mutated, _importer),
    "diagnose": Subject(fuzz_diagnose.mutated, _diagnose),
}


def made(subject: str, seed: int, number: int) -> bytes:
    """The input of this number."""
    return SUBJECTS[subject].make(random.Random(f"{seed}:{number}"))


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise `TooLongError` in what takes more than so much CPU time."""

    def over(signum: int, frame: FrameType | None) -> None:
        raise TooLongError(f"more than {seconds:g} s of CPU time")

    before = signal.signal(signal.SIGVTALRM, over)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def ask(
    subject: str, seed: int, numbers: range, finds: Path, report: Callable[[str], object]
) -> int:
    """Ask for each number; returns how many inputs broke it."""
    places: Counter[str] = Counter()
    nr_meant, begun = 0, time.monotonic()
    told = begun
    with tempfile.TemporaryDirectory(prefix="iova-lab-fuzz-") as folder:
        for number in numbers:
            data = made(subject, seed, number)
            try:
                with limited(MOST_S):
                    nr_meant += SUBJECTS[subject].check(data, number, Path(folder))
            except Exception as error:  # whatever it is, it is a find
                last = traceback.extract_tb(error.__traceback__)[-1]
                place = f"{type(error).__name__} in {last.name}, {last.filename}:{last.lineno}"
                places[place] += 1
                if places[place] == 1:
                    finds.mkdir(parents=True, exist_ok=True)
                    (finds / f"{subject}-{seed}-{number}").write_bytes(data)
                    report(f"{subject} {number}: {place}: {str(error)[:200]}")
            if (now := time.monotonic()) - told > _EVERY_S:
                told = now
                done = number + 1 - numbers.start
                report(f"{done:,} of {len(numbers):,}, {done / (now - begun):,.0f}/s")
    report(
        f"{subject}, seed {seed}, {numbers.start:,} to {numbers.stop:,}: {nr_meant:,} inputs had a"
        f" meaning, {places.total():,} broke it, in {len(places)} places"
    )
    return places.total()


@click.command()
@click.argument("subject", type=click.Choice(list(SUBJECTS)))
@click.option("--runs", default=1_000_000, show_default=True)
@click.option("--start", default=0, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--finds", default="build/fuzz/finds", type=click.Path(path_type=Path))
def main(subject: str, runs: int, start: int, seed: int, finds: Path) -> None:
    """Ask SUBJECT so many times."""
    sys.exit(bool(ask(subject, seed, range(start, start + runs), finds, click.echo)))


if __name__ == "__main__":
    main()
