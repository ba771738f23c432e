"""What has a search found?  Shrunk, with its cost over live ranges, and workloads that have it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import iova_variants
from iova_lab import workloads
from iova_lab.basics.writing import write_whole
from iova_lab.checking.drawing import MOST_LETTERS, draw_visits
from iova_lab.checking.worst import score as scoring
from iova_lab.checking.worst.chance import simpler
from iova_lab.checking.worst.elites import PATHOLOGICAL, Elites, best_of_each_name, is_pathological
from iova_lab.checking.worst.evolve import Setting
from iova_lab.checking.worst.fits import Fit, fitted
from iova_lab.checking.worst.genome import Genome
from iova_lab.checking.worst.score import COSTS, INSTRUCTIONS, NR_LIVE, Goal
from iova_lab.traces.history import save
from iova_variants.child import VariantError

#: Live ranges of the stream that is saved, for a cost.
SAVED_AT = 300
#: Lines of a stream that are printed.
MOST_LINES = 8
#: Live ranges of a workload that is asked whether it has the same.
WORKLOADS_AT = 1000


@dataclass(frozen=True)
class Find:
    """One find: its niche, the shrunk genome, its fit if it is a cost, and workloads alike."""

    setting: Setting
    goal: Goal
    genome: Genome
    value: float
    first_tried: int
    first_seconds: float
    fit: Fit | None
    alike: tuple[str, ...]
    also: tuple[Goal, ...] = ()

    @property
    def saved_at(self) -> int:
        """Live ranges of the stream that is saved: of a fault, the fewest that show it."""
        if self.fit is not None:
            return SAVED_AT
        sizes = (1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50)
        return next((nr for nr in sizes if self.goal in self._scores(nr)), NR_LIVE)

    def _scores(self, nr_live: int) -> scoring.Scores:
        rcache = self.setting.rcache
        return scoring.score(self.setting.variant, self.genome, nr_live, rcache=rcache)

    def says(self) -> str:
        """The find in a line."""
        what = str(self.fit) if self.fit else f"{self.value:.1%} of the requests"
        return f"{self.goal}: {what}"

    def save(self, folder: Path) -> Path:
        """Write the stream where every command takes it as a workload, and beside it a drawing."""
        name = f"{self.goal}".replace(", ", "-").replace(" ", "-")
        path = folder / f"{iova_variants.short_name(self.setting.variant)}-{name}.json"
        history = self.genome.history(self.saved_at)
        save(history, path, variant=self.setting.variant, says=self.says())
        write_whole(path.with_suffix(".txt"), f"{self.says()}\n\n{self.drawing()}\n")
        return path

    def requests(self) -> list[str]:
        """The stream that is saved, equal requests in a row as one line, its end left out."""
        lines = self.genome.history(self.saved_at).described()
        left_out = len(lines) - MOST_LINES
        more = [f"... {left_out:,} more lines"] if left_out > 1 else lines[MOST_LINES:]
        return [*lines[:MOST_LINES], *more]

    def drawing(self) -> str:
        """The gaps after each request of a short stream; its requests, where it never ends."""
        sizes = [self.saved_at] if self.fit is None else [8, 6, 5, 4, 3, 2, 1]
        for nr in sizes:
            history = self.genome.history(nr)
            if history.nr_slots <= MOST_LETTERS:
                try:
                    result = scoring.replayed(
                        self.setting.variant, history.stream(), rcache=self.setting.rcache
                    )
                except VariantError:
                    break
                pfns, visits = result.pfns.tolist(), result.op_visits.tolist()
                return draw_visits(history.steps, pfns, visits, history.start_pfn)
        return "\n".join(f"    {line}" for line in self.genome.history(sizes[-1]).described())


def shrunk(setting: Setting, genome: Genome, goal: Goal, value: float) -> Genome:
    """The plainest genome that keeps nine tenths of a cost, or any of a fault."""
    least = 0.0 if goal.is_fault else 0.9 * value
    while True:
        for plainer in simpler(genome):
            kept = value_of(setting, plainer, goal)
            if kept > 0 and kept >= least:
                genome = plainer
                break
        else:
            return genome


def value_of(setting: Setting, genome: Genome, goal: Goal) -> float:
    """What the search makes of a genome for one goal; 0 where it has no such op or fault."""
    variant, rcache = setting.variant, setting.rcache
    scores = scoring.score(variant, genome, NR_LIVE, rcache=rcache)
    if goal not in scores:
        return 0.0
    return scoring.confirmed(variant, genome, {goal: scores[goal]}, rcache=rcache)[goal]


def known(setting: Setting) -> dict[Goal, list[str]]:
    """The lab's workloads in which an op of a niche is pathological, or wrong, on this variant."""
    found: dict[Goal, list[str]] = {}
    for name in workloads.names():
        workload = workloads.get(name)
        nr_live = min(max(WORKLOADS_AT, workload.min_nr_live), workload.max_nr_live)
        stream = workloads.generate(name, nr_live)
        scores = scoring.score_stream(setting.variant, stream, rcache=setting.rcache)
        for goal, value in scores.items():
            if is_pathological(goal, value):
                found.setdefault(goal, []).append(name)
    return found


def finds(
    setting: Setting, elites: Elites, on_progress: Callable[[], None] = lambda: None
) -> list[Find]:
    """What the search has found that is pathological or wrong, the same once."""
    at_hand = known(setting)
    found: list[Find] = []
    for goal in sorted(elites, key=str):
        elite = elites[goal]
        if is_pathological(goal, elite.value):
            genome = shrunk(setting, elite.genome, goal, elite.value)
            fit = None if goal.is_fault else fitted(setting.variant, genome, goal, setting.rcache)
            if goal.is_fault or (fit and fit.slope >= PATHOLOGICAL and fit.growth == "linear"):
                value = value_of(setting, genome, goal) or elite.value
                alike = tuple(at_hand.get(goal, ()))
                when = (elite.first_tried, elite.first_seconds)
                found.append(Find(setting, goal, genome, value, *when, fit, alike))
        on_progress()
    return list(_merged(found))


def records(elites: Elites) -> list[str]:
    """The most that was found of each goal that is no fault and has no niche of its own, in words.

    At `NR_LIVE` live ranges; of a cost, the niche of the most nodes.
    """
    best = best_of_each_name(elites)
    forms = dict.fromkeys(COSTS, "{:.2f} nodes per live range")
    forms |= dict.fromkeys(INSTRUCTIONS, "{:,.0f}")
    return [
        f"{goal.name}: {forms.get(goal.name, '{:,.1f}').format(elite.value)}"
        for goal, elite in best.items()
        if not goal.is_fault
    ]


def _merged(found: Iterable[Find]) -> Iterable[Find]:
    """Those of one goal and one genome but for its limits and alignments, as one find."""
    first: dict[tuple[object, ...], Find] = {}
    for find in found:
        key = (find.goal.name, find.goal.mix, tuple(gene.kind for gene in find.genome.genes))
        kept = first.setdefault(key, find)
        if kept is not find:
            first[key] = replace(kept, also=(*kept.also, find.goal))
    return first.values()
