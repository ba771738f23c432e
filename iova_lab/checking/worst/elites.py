"""The best genomes that a search has found, each in its niche, and the file that keeps them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from iova_lab.basics.reading import read_json
from iova_lab.basics.writing import write_whole
from iova_lab.checking.worst.genome import Gene, Genome
from iova_lab.checking.worst.score import COSTS, Goal

#: Nodes per live range from which on a cost is pathological (docs/glossary.md).
PATHOLOGICAL = 0.1


@dataclass(frozen=True)
class Elite:
    """The best genome of a niche: the number of genomes tried, and seconds, until it was found.

    ``first_tried`` and ``first_seconds``: until the niche had a genome that is pathological or
    wrong; 0 while it has none.
    """

    value: float
    genome: Genome
    nr_tried: int = 0
    seconds: float = 0.0
    first_tried: int = 0
    first_seconds: float = 0.0

    def after(self, former: Elite | None, goal: Goal) -> Elite:
        """The same, with the first times of ``former``, whose place it takes."""
        if former and former.first_tried:
            first = (former.first_tried, former.first_seconds)
        elif is_pathological(goal, self.value):
            first = (self.nr_tried, self.seconds)
        else:
            first = (0, 0.0)
        return replace(self, first_tried=first[0], first_seconds=first[1])


Elites = dict[Goal, Elite]


def is_pathological(goal: Goal, value: float) -> bool:
    """Whether a value is a fault, or a cost that is a large share of the live ranges."""
    return (goal.is_fault and value > 0) or (goal.name in COSTS and value >= PATHOLOGICAL)


def better(value: float, genome: Genome, than: Elite | None) -> bool:
    """Whether the value is higher, or as high with fewer genes."""
    if than is None or value > than.value:
        return True
    return value == than.value and len(genome.genes) < len(than.genome.genes)


def best_of_each_name(elites: Elites) -> Elites:
    """Of all niches of one goal only the best."""
    best: dict[str, tuple[Goal, Elite]] = {}
    for goal in sorted(elites, key=str):
        if goal.name not in best or elites[goal].value > best[goal.name][1].value:
            best[goal.name] = (goal, elites[goal])
    return dict(best.values())


def write(path: Path, nr_rounds: int, seconds: float, elites: Elites) -> None:
    """Keep the state of a search."""
    rows = [
        _Row(
            *(goal.name, goal.limit, goal.aligned, goal.mix),
            *(elite.value, elite.nr_tried, round(elite.seconds, 3)),
            *(elite.first_tried, round(elite.first_seconds, 3)),
            *(elite.genome.start_pfn, list(elite.genome.genes)),
        )
        for goal, elite in elites.items()
    ]
    state = msgspec.to_builtins(_State(nr_rounds, round(seconds, 3), rows))
    write_whole(path, json.dumps(state, indent=1) + "\n")


def read(path: Path) -> tuple[int, float, Elites]:
    """Rounds, seconds and elites that `write` kept.  Raises `FileError` for another file."""
    state = read_json(path, _State, written_by="`iova-lab worst`")
    return state.nr_rounds, state.seconds, {row.niche(): row.elite() for row in state.elites}


class _Row(msgspec.Struct):
    goal: str
    limit: str
    aligned: bool
    mix: str
    value: float
    nr_tried: int
    seconds: float
    first_tried: int
    first_seconds: float
    start_pfn: int
    genes: list[Gene]

    def niche(self) -> Goal:
        return Goal(self.goal, self.limit, self.aligned, self.mix)

    def elite(self) -> Elite:
        genome = Genome(tuple(self.genes), self.start_pfn)
        when = (self.nr_tried, self.seconds, self.first_tried, self.first_seconds)
        return Elite(self.value, genome, *when)


class _State(msgspec.Struct):
    nr_rounds: int
    seconds: float
    elites: list[_Row]
