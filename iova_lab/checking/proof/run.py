"""All lemmas, each in a process of its own: the solver uses one CPU."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from iova_lab.checking.proof.c_text import Text
from iova_lab.checking.proof.counts import Counts
from iova_lab.checking.proof.lemma import Lemma, Verdict, check
from iova_lab.checking.proof.nodes import Nodes
from iova_lab.checking.proof.rooms import Rooms
from iova_lab.checking.proof.searches import Searches

Parts = tuple[type[Counts | Nodes | Rooms], ...]


def lemmas(
    folder: Path | None = None, parts: Parts = (Nodes, Counts, Rooms, Searches)
) -> Iterator[Lemma]:
    """Every lemma about the C in ``folder``; of the candidate, if none is given."""
    text = Text(folder)
    for part in parts:
        yield from part(text).lemmas()


def lemma_named(name: str, folder: Path | None = None) -> Lemma:
    """One lemma.  The terms of `Nodes` take seconds to make, so these are looked at last."""
    every = lemmas(folder, (Rooms, Searches, Counts, Nodes))
    return next(each for each in every if each.name == name)


def answer(name: str, folder: Path | None = None) -> Verdict:
    """Ask the solver about one lemma."""
    begin = time.process_time()
    verdict = check(lemma_named(name, folder))
    return replace(verdict, seconds=time.process_time() - begin)


def answers(folder: Path | None = None, jobs: int = 1) -> Iterator[Verdict]:
    """Ask about all lemmas, in their order, ``jobs`` at once."""
    names = [lemma.name for lemma in lemmas(folder)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(answer, names, [folder] * len(names))
