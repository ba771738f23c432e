"""The search: islands that mutate the best genomes of each niche, and exchange them every round.

What is found depends on the seed and on the number of rounds, and not on the machine: a round has
the same islands with the same numbers of tries everywhere.  After each round the state is written,
so a search that was stopped continues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from time import monotonic
from typing import Literal

import iova_variants
from iova_lab.checking.worst import elites as stored
from iova_lab.checking.worst.chance import mutated, random_genome
from iova_lab.checking.worst.elites import Elite, Elites
from iova_lab.checking.worst.genome import Genome
from iova_lab.checking.worst.score import (
    INSTRUCTIONS,
    NR_LIVE,
    Scores,
    confirmed,
    instructions,
    score,
)
from iova_lab.measuring.workers import local

#: Genomes that are tried in a round, by all islands: they see each other's finds after it.
TRIES = 60
ISLANDS = 4
#: Of these, genomes drawn from nothing.
FRESH = 0.15

#: How the next genome is chosen; docs/worst.md compares them.
Method = Literal["islands", "one island", "one niche per goal", "random"]
METHODS: tuple[Method, ...] = ("islands", "one island", "one niche per goal", "random")


@dataclass(frozen=True)
class Setting:
    """What is searched, and how.

    ``rcache`` is in front of the variant; ``steps``: instructions are goals as well.
    """

    variant: str
    rcache: str = "off"
    method: Method = "islands"
    steps: bool = False

    @property
    def nr_islands(self) -> int:
        """Searches that go on at once, each unaware of the others until the round ends."""
        return 1 if self.method == "one island" else ISLANDS


def explore(setting: Setting, elites: Elites, seed: str) -> Elites:
    """One round of one island: the genomes that are better than the ``elites`` it is given."""
    rng = Random(seed)
    elites, found = dict(elites), {}
    for index in range(TRIES // setting.nr_islands):
        genome, counts = _next(setting, elites, rng)
        for goal, value in _scores(setting, genome, elites, counts=counts).items():
            if stored.better(value, genome, elites.get(goal)):
                elites[goal] = found[goal] = Elite(value, genome, index + 1)
    return found


def _next(setting: Setting, elites: Elites, rng: Random) -> tuple[Genome, bool]:
    """The next genome, and whether an elite of instructions is its parent."""
    cached = setting.rcache != "off"
    if not elites or setting.method == "random" or rng.random() < FRESH:
        return random_genome(rng, cached), False
    pool = elites if setting.method != "one niche per goal" else stored.best_of_each_name(elites)
    goals = sorted(pool, key=str)
    parent, mate = rng.choice(goals), rng.choice(goals)
    genome = mutated(pool[parent].genome, pool[mate].genome, rng, cached)
    return genome, parent.name in INSTRUCTIONS


def _scores(setting: Setting, genome: Genome, elites: Elites, *, counts: bool) -> Scores:
    """Values of all goals.

    A cost that is better than that of an elite has to be confirmed at more live ranges.
    Instructions are counted where the genome is better in another goal, or ``counts``.
    """
    variant, rcache = setting.variant, setting.rcache
    scores = score(variant, genome, NR_LIVE, rcache=rcache)
    goals = [goal for goal in scores if stored.better(scores[goal], genome, elites.get(goal))]
    scores |= confirmed(variant, genome, {goal: scores[goal] for goal in goals}, rcache=rcache)
    if setting.steps and (goals or counts) and not any(goal.is_fault for goal in scores):
        scores |= instructions(variant, genome, NR_LIVE)
    return scores


@dataclass
class Search:
    """A search of one variant; `run` goes on from what ``out`` has of it."""

    setting: Setting
    seed: int
    out: Path
    make_executor: Callable[[], AbstractContextManager[Executor]] = local
    elites: Elites = field(default_factory=dict)
    nr_rounds: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.path.exists():
            self.nr_rounds, self.seconds, self.elites = stored.read(self.path)

    @property
    def path(self) -> Path:
        """Where the state is; a variant that has changed begins anew."""
        built = iova_variants.load(self.setting.variant, build="counted").path.stem
        kind = [self.setting.method.replace(" ", "-"), f"rcache-{self.setting.rcache}"]
        plain = {"islands", "rcache-off"}
        words = [word for word in kind if word not in plain] + ["steps"] * self.setting.steps
        return self.out / f"seed-{self.seed}" / f"{'-'.join([built, *words])}.json"

    @property
    def nr_tried(self) -> int:
        """Genomes that were tried."""
        return self.nr_rounds * TRIES

    def run(
        self,
        *,
        seconds: float | None = None,
        rounds: int | None = None,
        on_progress: Callable[[], None] = lambda: None,
    ) -> None:
        """Search until so many seconds, or rounds, are spent in all, earlier runs included."""
        if self._done(seconds, rounds):
            return
        with self.make_executor() as executor:
            while not self._done(seconds, rounds):
                begin = monotonic()
                islands = range(self.setting.nr_islands)
                seeds = [f"{self.seed}/{self.nr_rounds}/{island}" for island in islands]
                work = partial(explore, self.setting, self.elites)
                found = list(executor.map(work, seeds))
                self.seconds += monotonic() - begin
                self._take(found)
                on_progress()

    def _done(self, seconds: float | None, rounds: int | None) -> bool:
        spent = seconds is not None and self.seconds >= seconds
        return spent or (rounds is not None and self.nr_rounds >= rounds)

    def _take(self, found: Sequence[Elites]) -> None:
        before = self.nr_tried
        self.nr_rounds += 1
        for island, elites in enumerate(found):
            for goal, elite in elites.items():
                if stored.better(elite.value, elite.genome, self.elites.get(goal)):
                    nr = before + (elite.nr_tried - 1) * self.setting.nr_islands + island + 1
                    new = replace(elite, nr_tried=nr, seconds=self.seconds)
                    self.elites[goal] = new.after(self.elites.get(goal), goal)
        stored.write(self.path, self.nr_rounds, self.seconds, self.elites)
