"""All lemmas, each in a process of its own: the solver uses one CPU."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from iova_lab.checking.proof import counts, nodes, rooms, searches
from iova_lab.checking.proof.c_text import Text
from iova_lab.checking.proof.lemma import Lemma, check


@dataclass(frozen=True)
class Answer:
    """What the solver made of one lemma, in words."""

    name: str
    says: str
    holds: bool
    needed: bool
    reason: str
    values: Mapping[str, str]
    seconds: float

    def text(self) -> str:
        """Two lines, or three."""
        verdict = "NOT PROVED" if not self.holds else "refuted" if self.needed else "proved"
        values = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        lines = [f"{verdict:10} {self.name}, {self.seconds:.1f} s of CPU", f"    {self.says}"]
        if values:
            lines.append(f"    counterexample: {values}")
        elif self.reason:
            lines.append(f"    {self.reason}")
        return "\n".join(lines)


def lemmas(folder: Path | None = None) -> Iterator[Lemma]:
    """Every lemma about the C in ``folder``; of the candidate, if none is given."""
    text = Text(folder)
    for part in (nodes, counts, rooms, searches):
        yield from part.lemmas(text)


def lemma_named(name: str, folder: Path | None = None) -> Lemma:
    """One lemma.  The terms of `nodes` take seconds to make, so these are looked at last."""
    text = Text(folder)
    parts = (rooms, searches, counts, nodes)
    every: Iterator[Lemma] = (each for part in parts for each in part.lemmas(text))
    return next(each for each in every if each.name == name)


def answer(name: str, folder: Path | None = None) -> Answer:
    """Ask the solver about one lemma."""
    begin = time.process_time()
    lemma = lemma_named(name, folder)
    verdict = check(lemma)
    seconds = time.process_time() - begin
    return Answer(
        name,
        lemma.says,
        verdict.holds,
        lemma.refuted,
        verdict.reason,
        dict(verdict.values),
        seconds,
    )


def answers(folder: Path | None = None, jobs: int = 1) -> Iterator[Answer]:
    """Ask about all lemmas, in their order, ``jobs`` at once."""
    names = [lemma.name for lemma in lemmas(folder)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(answer, names, [folder] * len(names))
