"""Does the search for costly streams find what is there, by itself, and does its fit predict?"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import workloads
from iova_lab.checking.worst import evolve, finds, fits, refusals
from iova_lab.checking.worst.chance import mutated, random_genome, simpler
from iova_lab.checking.worst.elites import Elites
from iova_lab.checking.worst.evolve import Search, Setting
from iova_lab.checking.worst.genome import Gene, Genome
from iova_lab.checking.worst.known import KNOWN, Known
from iova_lab.checking.worst.score import Goal, confirmed, costs, instructions, limit_class, score
from iova_lab.commands import worst as command
from iova_lab.commands.cli import main
from iova_lab.measuring import instructions as callgrind
from iova_lab.measuring import steps as stepping
from iova_lab.measuring.workers import local
from iova_variants import _possible
from iova_variants.making import LIMIT_32BIT, LIMIT_48BIT
from tests.support.lab import source_with

#: Linear for one size under one limit, and logarithmic for all others.
PLANTED = """\tspin_lock_irqsave(&domain->lock, flags);
\tif (size == 3 && limit_pfn == (1UL << 25) - 1)
\t\tfor (unsigned long i = 0; i < domain->nr_live; i++)
\t\t\tiova_visit(search);
\twhile (unlikely(domain->nr_live + 1 >= domain->nr_covered))
"""


def searched(setting: Setting, out: Path, wanted: Callable[[Elites], bool], most: int) -> Elites:
    """Search, a few rounds at a time, until something is found; at most so many rounds."""
    search = Search(setting, 0, out, lambda: local(2))
    for rounds in itertools.count(16, 16):
        search.run(rounds=min(rounds, most))
        if wanted(search.elites) or rounds >= most:
            return search.elites
    raise AssertionError


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> str:
    text = source_with("candidate", "hole_variant.h")
    locked = "\tspin_lock_irqsave(&domain->lock, flags);\n"
    before = locked + "\twhile (unlikely(domain->nr_live + 1 >= domain->nr_covered))\n"
    assert text.count(before) == 1
    path = tmp_path_factory.mktemp("planted") / "planted.c"
    text = text.replace(before, PLANTED).replace('"candidate"', '"planted"')
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.slow
@pytest.mark.long
def test_a_planted_pathology_is_found_fitted_and_saved(planted: str, tmp_path: Path) -> None:
    def linear(elites: Elites) -> list[Goal]:
        return [goal for goal, elite in elites.items() if goal.limit and elite.value > 0.9]

    setting = Setting(planted)
    elites = searched(setting, tmp_path, lambda found: bool(linear(found)), 240)
    (goal, *_) = linear(elites)
    elite = elites[goal]
    genome = finds.shrunk(setting, elite.genome, goal, elite.value)
    asked = [gene for gene in genome.genes if gene.bits == 37 and 3 in (gene.size, gene.other)]
    assert asked
    fit = fits.fitted(planted, genome, goal)
    assert fit is not None
    assert fit.growth == "linear"
    assert fit.slope == pytest.approx(1, abs=0.02)
    assert fit.holds
    find = finds.Find(setting, goal, genome, elite.value, 1, 1.0, fit, ())
    path = find.save(tmp_path)
    stream = workloads.generate(str(path), 1)
    again = iova_variants.replay(planted, stream, op_visits=True)
    assert again.nr_live >= finds.SAVED_AT / 3  # the search may fill a part of what it is given
    assert again.worst_visits >= 0.9 * again.nr_live
    other = iova_variants.replay("candidate", stream, op_visits=True)
    assert other.worst_visits < 40
    assert "nodes visited" in path.with_suffix(".txt").read_text(encoding="utf-8")


#: Those that reports/worst has as found from seed 0 in 32 rounds.
FOUND = [one for one in KNOWN if one.key != "mixed-routes"]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("known", FOUND, ids=lambda known: known.key)
def test_what_is_known_is_found_from_random_streams_alone(tmp_path: Path, known: Known) -> None:
    def found(elites: Elites) -> bool:
        return known.first(elites) is not None

    assert found(searched(Setting(known.variant, known.rcache), tmp_path, found, 32))


@pytest.mark.slow
def test_a_search_that_was_stopped_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    Search(Setting("null"), 3, whole, lambda: local(1)).run(rounds=4)
    Search(Setting("null"), 3, stopped, lambda: local(2)).run(rounds=2)
    Search(Setting("null"), 3, stopped, lambda: local(1)).run(rounds=4)
    ends = [Search(Setting("null"), 3, folder) for folder in (whole, stopped)]
    assert ends[0].nr_rounds == ends[1].nr_rounds == 4
    assert ends[0].elites
    kept = [
        {goal: (one.value, one.genome, one.nr_tried) for goal, one in end.elites.items()}
        for end in ends
    ]
    assert kept[0] == kept[1]


@pytest.mark.parametrize("seed", range(40))
def test_every_recipe_is_a_stream_that_any_variant_can_run(seed: int) -> None:
    rng, cached = Random(seed), bool(seed % 2)
    genome, mate = random_genome(rng, cached), random_genome(rng, cached)
    for _ in range(10):
        genome = mutated(genome, mate, rng, cached)
        for nr_live in (1, 7, 50):
            _possible.check(genome.history(nr_live).stream())
    assert all(one != genome for one in simpler(genome))


def test_costs_are_of_the_op_that_visits_most_per_live_range() -> None:
    """A fill at 48 bits, and one request below 4 GiB: mainline visits every range above it."""
    genome = Genome((Gene("fill", bits=48), Gene("ask", bits=32)))
    goal = Goal("grant", "32-bit limit", mix="several limits")
    cost = costs("mainline", genome, 300)[goal]
    assert cost.live == 300
    assert 300 <= cost.nodes <= 305
    assert score("mainline", genome, 300)[goal] == cost.share
    assert goal not in score("mainline", Genome(genome.genes[:1]), 300)


def test_a_fit_that_does_not_predict_says_so() -> None:
    genome = Genome((Gene("fill", bits=48), Gene("ask", bits=32)))
    goal = Goal("grant", "32-bit limit", mix="several limits")
    fit = fits.fitted("mainline", genome, goal)
    assert fit is not None
    assert fit.holds
    assert fit.live == 10_000
    assert str(fit).startswith("linear: 1.00 n + ")
    wrong = fits.Fit("linear", 0.5, 0.0, 10_000, 5000.0, 10_002)
    assert str(wrong).endswith("at 10,000 live ranges, which the fit does not predict")
    assert "too expensive" in str(fits.Fit("linear", 0.5, 0.0, 10_000, 5000.0, None))


def test_a_shrunk_recipe_keeps_what_it_shows_and_loses_the_rest() -> None:
    noise = (Gene("churn", times=4, stride=3), Gene("fill", size=5, bits=64, share=0.25))
    genome = Genome((*noise, Gene("fill"), Gene("ask", bits=32, times=10)), 0x100)
    goal = Goal("grant", "32-bit limit", mix="several limits")
    value = score("mainline", genome, 100).get(goal, 0.0)
    plain = finds.shrunk(Setting("mainline"), genome, goal, value)
    assert len(plain.genes) == 2
    assert plain.start_pfn == 1
    assert score("mainline", plain, 100)[goal] >= 0.9 * value


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (LIMIT_32BIT, "32-bit limit"),
        (LIMIT_48BIT, "limit above 32 bits"),
        (LIMIT_48BIT - 1, "odd limit"),
        (LIMIT_32BIT - 1, "odd limit below 4 GiB"),
        (2**12 - 1, "limit below 32 bits"),
    ],
)
def test_limits_have_classes(limit: int, words: str) -> None:
    assert limit_class(limit) == words


@pytest.mark.slow
def test_the_command_prints_finds_and_continues(tmp_path: Path) -> None:
    arguments = ["worst", "maple", "--jobs", "1", "--out", str(tmp_path)]
    first = CliRunner().invoke(main, [*arguments, "--rounds", "24"])
    assert first.exit_code == 0, first.output
    assert "maple: 1,440 streams" in first.output
    assert "not the highest fit: " in first.output
    assert "such ops in: " in first.output
    saved = list(tmp_path.glob("seed-0/maple-not-the-highest-fit.json"))
    assert len(saved) == 1
    stream = workloads.generate(str(saved[0]), 1)
    assert iova_variants.replay("maple", stream, judge=True).nr_not_highest
    again = CliRunner().invoke(main, [*arguments, "--rounds", "24"])
    assert again.output == first.output


def test_a_damaged_state_is_one_line(tmp_path: Path) -> None:
    path = Search(Setting("null"), 0, tmp_path).path
    path.parent.mkdir(parents=True)
    path.write_text('{"nr_rounds": 1}', encoding="utf-8")
    done = CliRunner().invoke(main, ["worst", "null", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "seconds" in done.output


def test_a_cost_that_is_the_same_at_any_size_is_not_confirmed() -> None:
    """The hole is 40 ranges below the last one that was allocated, or in the middle of all."""
    goal = Goal("grant", "limit above 32 bits", mix="one kind of request")
    near = Genome((Gene("fill"), Gene("churn", times=2, stride=40)))
    middle = Genome((Gene("fill"), Gene("churn", times=2, step=0.5)))
    at_100 = [score("mainline", genome, 100)[goal] for genome in (near, middle)]
    assert at_100 == pytest.approx([0.42, 0.55], abs=0.01)
    shares = [confirmed("mainline", genome, {goal: 1.0})[goal] for genome in (near, middle)]
    assert shares == pytest.approx([0.10, 0.51], abs=0.01)
    fit = fits.fitted("mainline", middle, goal)
    assert fit is not None
    assert (fit.growth, fit.holds) == ("linear", True)
    assert fit.slope == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("size", "limit", "aligned", "room"),
    [
        (3, 9, False, True),
        (4, 9, False, False),
        (2, 9, True, True),
        (3, 9, True, False),
        (1, 3, False, False),
        (4, 20, False, True),
        (4, 15, True, False),
    ],
)
def test_room_is_where_the_reference_says(size: int, limit: int, aligned: bool, room: bool) -> None:
    owned = [(1, 4), (8, 15)]  # 5..7 and 16 up are free
    assert refusals.fits(owned, size, limit, 1, aligned) is room


def test_a_spurious_refusal_has_the_niche_of_its_request() -> None:
    """A request below 16 MiB fails, and then a 32-bit one with room is refused."""
    genome = Genome((Gene("fill", bits=24, size=5000), Gene("ask", bits=32, size=5000)))
    found = score("mainline", genome, 4)
    assert found[Goal("spurious refusal", "32-bit limit", mix="several limits")] == pytest.approx(
        1 / 5
    )


def test_ranges_in_the_caches_of_others_are_a_fault_behind_an_rcache() -> None:
    """Half of a full space is freed into the caches; a request past them is refused."""
    genome = Genome(
        (
            Gene("fill", bits=19, aligned=True),
            Gene("free", share=0.5),
            Gene("ask", bits=19, past=True),
        )
    )
    goal = Goal("refused, held in caches", "limit below 32 bits", mix="one kind of request")
    assert goal in score("room_augmented", genome, 127, rcache="6.7")
    assert goal not in score("room_augmented", genome, 127)


NEEDS_STEPS = pytest.mark.skipif(not stepping.possible(), reason="decodes x86-64")


@pytest.mark.slow
@NEEDS_STEPS
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is missing")
def test_instructions_of_single_ops_sum_up_to_those_of_callgrind() -> None:
    """But for those of the loop around them, which `null` has too."""
    genome = Genome((Gene("fill"), Gene("ask", bits=32), Gene("free", share=0.5), Gene("ask")))
    stream = replace(genome.history(100).stream(), nr_ageing=100)
    around = []
    for variant in ("null", "mainline"):
        counts = stepping.steps(variant, stream)
        assert (counts.holds <= counts.instructions).all()
        around.append(callgrind.count(variant, stream) - int(counts.instructions[100:].sum()))
    assert around[0] == around[1] > 0


@NEEDS_STEPS
def test_a_linear_scan_is_a_linear_lock_hold() -> None:
    genome = Genome((Gene("fill", bits=48), Gene("ask", bits=32)))
    holds = [instructions("mainline", genome, nr)[Goal("lock hold")] for nr in (100, 200, 300)]
    assert holds[2] - holds[1] == pytest.approx(holds[1] - holds[0], rel=0.1)
    assert holds[0] < instructions("mainline", genome, 100)[Goal("instructions of an alloc")]
    assert instructions("null", genome, 100)[Goal("lock hold")] == 0


@NEEDS_STEPS
def test_only_the_costliest_ops_of_each_kind_are_stepped() -> None:
    stream = Genome((Gene("fill"), Gene("ask", bits=32), Gene("free"))).history(50).stream()
    visits = iova_variants.replay("mainline", stream, op_visits=True).op_visits
    chosen = stepping.costliest(stream, visits, 2)
    assert chosen.sum() == 4
    assert stepping.costliest(stream, visits, 2, nodes=1).sum() == 2
    assert chosen[50]
    counts = stepping.steps("mainline", stream, chosen)
    assert ((counts.instructions > 0) == chosen).all()


def test_the_command_offers_every_method() -> None:
    assert evolve.METHODS == command.METHODS
