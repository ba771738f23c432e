"""Does the table of promises say what is so, and does every example in it still show it?"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab.checking import promises, promises_results
from iova_lab.checking.counterexamples import Example, examples, find_example, outcomes
from iova_lab.checking.drawing import draw, highest_fit
from iova_lab.checking.example_search import search
from iova_lab.checking.promises import PromiseError
from iova_lab.checking.questions import QUESTIONS, breaks
from iova_lab.commands.cli import main
from iova_lab.measuring import churn, peng
from iova_lab.measuring.counts import count
from iova_lab.reports.promises import _growth, write_promises
from iova_lab.traces.history import Step
from iova_lab.workloads import full_32bit
from iova_variants import Claim
from iova_variants.making import DMA_32BIT_PFN, LIMIT_24BIT, LIMIT_32BIT
from iova_variants.opstream import Op
from tests.support.alike import assert_alike
from tests.support.lab import REAL

#: Few: tests/test_soak.py and the generation of the page look far longer.
SHALLOW = {3: 20, 6: 40}

BROKEN = {(one.variant, QUESTIONS[one.question].column) for one in examples().values()}
NONE_FOUND = [
    (variant, key)
    for variant in REAL
    for key, question in QUESTIONS.items()
    if key != "any-mask" and (variant, question.column) not in BROKEN
]


@pytest.mark.parametrize("name", sorted(examples()))
def test_every_example_breaks_its_promise(name: str) -> None:
    example = examples()[name]
    assert len(example.steps) <= 12
    assert breaks(example)


@pytest.mark.parametrize("name", sorted(examples()))
def test_no_example_can_do_without_a_request(name: str) -> None:
    example = examples()[name]
    for index, left_out in enumerate(example.steps):
        rest = example.steps[:index] + example.steps[index + 1 :]
        if left_out.op != Op.FREE:
            rest = tuple(step for step in rest if step.slot != left_out.slot)
        shorter = Example(
            example.variant, example.question, example.start_pfn, rest, example.fail_alloc_at
        )
        assert not rest or not breaks(shorter)


@pytest.mark.slow
@pytest.mark.parametrize(("variant", "key"), NONE_FOUND)
def test_nothing_is_found_where_the_table_says_so(variant: str, key: str) -> None:
    assert search(variant, key, SHALLOW) is None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["anchor-complete", "maple-memory", "cached32-start"])
def test_the_search_finds_the_stored_example_again(name: str) -> None:
    variant, question = name.split("-")
    assert search(variant, question) == examples()[name]


# ---- what the list has told, found without being told ----


def sizes(name: str) -> list[tuple[Op, int]]:
    return [(step.op, step.size) for step in examples()[name].steps]


@pytest.mark.parametrize("variant", ["anchor", "cached32", "cached64", "max32"])
def test_4k_2g_4k(variant: str) -> None:
    half = DMA_32BIT_PFN // 2
    assert sizes(f"{variant}-complete") == [(Op.ALLOC, 1), (Op.ALLOC, half), (Op.ALLOC, 1)]
    assert [outcome.spurious for outcome in outcomes(examples()[f"{variant}-complete"])] == [
        0,
        0,
        1,
    ]


@pytest.mark.parametrize("name", ["max32-lost-reset", "retry-complete", "retry-lost-reset"])
def test_a_free_below_the_cached_node_resets_nothing(name: str) -> None:
    *_, refused, freed, last = zip(examples()[name].steps, outcomes(examples()[name]), strict=True)
    assert (refused[1].pfn, refused[1].spurious) == (None, 0)
    assert freed[0].op == Op.FREE
    assert (last[1].pfn, last[1].spurious, last[1].visits) == (None, 1, 0)


@pytest.mark.parametrize("variant", ["max32", "mainline", "augmented", "maple"])
def test_a_24_bit_failure_poisons_32_bit_requests(variant: str) -> None:
    """On every one of them; max32 has a plainer example of its own.

    retry goes below start_pfn here, where the others fail.
    """
    steps = (Step(Op.ALLOC, 0, 2, LIMIT_24BIT), Step(Op.ALLOC, 1, 2, LIMIT_32BIT))
    poisoned = outcomes(Example(variant, "complete-masks", LIMIT_24BIT, steps))
    assert [(one.pfn, one.spurious) for one in poisoned] == [(None, 0), (None, 1)]
    assert f"{variant}-complete-masks" in examples()


@pytest.mark.parametrize("variant", ["cached32", "cached64"])
def test_an_answer_above_the_limit(variant: str) -> None:
    example = examples()[f"{variant}-limit"]
    last = outcomes(example)[-1]
    assert last.above_limit
    assert last.pfn is not None
    assert last.pfn > example.steps[-1].limit_pfn


def test_an_exact_hole_that_maple_leaves() -> None:
    first, _, _, last = outcomes(examples()["maple-exact"])
    assert first.pfn is not None
    assert last.pfn is not None
    assert last.not_highest
    assert last.pfn < first.pfn


def test_span_in_churn() -> None:
    assert churn.span("maple") == pytest.approx(1.5, abs=0.1)
    assert churn.span("mainline") == pytest.approx(1, abs=0.01)


# ---- figures ----


@pytest.mark.slow
@pytest.mark.parametrize("nr_live", [1_000, 10_000, 100_000])
def test_mainline_searches_a_sixth(nr_live: int) -> None:
    measured = peng.sixth(nr_live, nr_calls=20_000 if nr_live < 100_000 else 4_000)
    assert measured.ratio == pytest.approx(1, abs=0.05)
    assert measured.one_step == pytest.approx(0.5, abs=0.05)


def test_calls_are_told_apart() -> None:
    """Of a cycle's three ops on a full domain, one is refused, after a walk over everything."""
    stream = full_32bit.generate(1000)
    counted = count("mainline", stream)
    assert 1000 <= counted.refused.mean <= counted.kinds["alloc"].worst <= 1100
    assert counted.served < counted.refused.mean


# ---- drawing ----


@pytest.mark.parametrize("name", sorted(examples()))
def test_drawings_fit_a_mail_and_agree_with_the_judge(name: str) -> None:
    example = examples()[name]
    text = draw(example)
    assert max(map(len, text.splitlines())) <= 72
    live: dict[int, tuple[int, int]] = {}
    for step, outcome in zip(example.steps, outcomes(example), strict=True):
        if step.op == Op.ALLOC:
            fit = highest_fit(step, live, example.start_pfn)
            assert outcome.spurious == (outcome.pfn is None and fit is not None)
            if outcome.pfn is not None and fit is not None:
                assert outcome.not_highest == (outcome.pfn != fit)
        if step.op == Op.FREE and not outcome.leaked:
            live.pop(step.slot, None)
        elif step.op != Op.FREE and outcome.pfn is not None:
            live[step.slot] = (outcome.pfn, outcome.pfn + step.size - 1)


def test_a_drawing_in_full() -> None:
    assert draw(examples()["anchor-complete"]).splitlines()[4:] == [
        "  Domain from pfn 0x0, pages of 4 KiB; highest address on the left.",
        "  a=0xfffff, b=0x80000..0xffffe, c=0x0..0x7ffff",
        "         a b        c",
        "    A = alloc 0x1 (4K), limit 0xfffff, aligned",
        "        0xfffff; 2 nodes visited",
        "        |A|........|........|",
        "    B = alloc 0x80000 (2G), limit 0xfffff, aligned",
        "        0x0; 2 nodes visited",
        "        |A|........|BBBBBBBB|",
        "    C = alloc 0x1 (4K), limit 0xfffff, aligned",
        "        refused, though 0xffffe fits; 1 node visited",
        "        |A|........|BBBBBBBB|",
    ]


# ---- the page and the command line ----


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("results")
    promises_results.save(promises_results.measure(1000, lambda: None), results)
    return write_promises(results, results / "page").parent


@pytest.mark.slow
def test_every_cell_leads_somewhere(page: Path) -> None:
    cells = pd.read_csv(page / "promises.csv")
    html = (page / "promises.html").read_text()
    assert set(cells["variant"]) == set(REAL)
    assert cells.groupby("variant").size().nunique() == 1
    assert cells.notna().all(axis=None)
    for anchors in cells["stands_on"]:
        for anchor in anchors.split():
            assert f'href="#{anchor}"' in html
            assert html.count(f'id="{anchor}"') == 1


@pytest.mark.slow
def test_every_no_has_an_example_that_is_printed(page: Path) -> None:
    cells = pd.read_csv(page / "promises.csv")
    text = (page / "promises.md").read_text()
    for stands_on in cells["stands_on"][cells["answer"] == "no"]:
        names = [name for name in stands_on.split() if name != "growth"]
        assert names
        for name in names:
            assert draw(examples()[name]) in text


@pytest.mark.slow
def test_the_same_results_write_the_same_page(page: Path, tmp_path: Path) -> None:
    write_promises(page.parent, tmp_path)
    for name in ("promises.html", "promises.md", "promises.csv", "promises.svg", "promises.png"):
        assert_alike(tmp_path / name, page / name)


def test_a_claim_with_an_example_against_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iova_variants, "names", lambda **_: ["anchor"])
    monkeypatch.setattr(promises, "_claims", lambda variant: Claim.COMPLETE)
    frame = promises.measure([100], lambda: None)
    with pytest.raises(PromiseError, match="claims to be complete, but there is anchor-complete"):
        promises.answers(frame, {"anchor": 1.0})


def test_a_breach_that_is_counted_without_an_example_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In the grid, anchor refuses needlessly."""
    monkeypatch.setattr(iova_variants, "names", lambda **_: ["anchor"])
    monkeypatch.setattr(promises, "examples", dict)
    frame = promises.measure([100], lambda: None)
    with pytest.raises(PromiseError, match="complete is broken in the grid, without an example"):
        promises.answers(frame, {"anchor": 1.0})


def test_one_command_replays_an_example() -> None:
    shown = CliRunner().invoke(main, ["example", "anchor-complete"])
    assert shown.exit_code == 0
    assert shown.output == draw(examples()["anchor-complete"]) + "\n"


def test_the_beginning_of_a_name_is_enough() -> None:
    names = {example.name for example in find_example("mainline")}
    assert names == {name for name in examples() if name.startswith("mainline-")}


def test_an_unknown_example_is_told_with_the_known_ones() -> None:
    shown = CliRunner().invoke(main, ["example", "anchor-comlpete"])
    assert shown.exit_code == 1
    assert "no example named 'anchor-comlpete'; there are:" in shown.output
    assert "anchor-complete" in shown.output


def test_growth_needs_two_sizes(tmp_path: Path) -> None:
    command = ["promises", "--measure", "--largest", "100", "--results", str(tmp_path)]
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 1
    assert "growth needs two sizes" in shown.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", [None, "{", "{}", "[]"])
def test_results_that_cannot_be_read_are_told_in_one_line(tmp_path: Path, text: str | None) -> None:
    plain = promises_results.FILE.removesuffix(".gz")
    if text is not None:
        (tmp_path / plain).write_text(text)
    command = ["report", "promises", "--results", str(tmp_path), "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 1
    assert len(shown.output.strip().splitlines()) == 1
    assert plain in shown.output
    assert promises_results.COMMAND in shown.output
    assert not (tmp_path / "out").exists()


def test_what_the_examples_say_is_what_the_variants_declare() -> None:
    for variant in REAL:
        claims = iova_variants.load(variant).claims
        assert (f"{variant}-limit" in examples()) == bool(claims & Claim.ABOVE_LIMIT)
        assert (f"{variant}-start" in examples()) == bool(claims & Claim.BELOW_START)
        assert (f"{variant}-returns" in examples()) == bool(claims & Claim.ENDLESS)
        assert (f"{variant}-memory" in examples()) == bool(claims & Claim.FREE_NEEDS_MEM)


@pytest.mark.slow
def test_whole_numbers_are_whole_and_what_was_not_measured_is_told(page: Path) -> None:
    cells = pd.read_csv(page / "promises.csv")
    common = cells[cells["column"] == "nodes/op near_empty"].set_index("variant")["answer"]
    assert common["candidate"] == "1"
    frame = promises_results.load(page.parent).grid
    lacking = frame[(frame["variant"] != "maple") | (frame["workload"] != "ring")]
    assert _growth(lacking, "nodes_per_op").loc["ring", "maple"] == "not measured"
