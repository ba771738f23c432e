"""Variants are measured in turn, in pyperf's workers, and who breaks takes nobody along."""

from __future__ import annotations

import faulthandler
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

import iova_variants
from iova_lab import comparison
from iova_lab.commands import cli
from iova_lab.comparison import measuring, process, system
from iova_lab.measuring.paired_worker import Sampler, Task
from iova_lab.measuring.timing import order
from iova_lab.workloads import generate
from iova_variants.child import NotBackError
from iova_variants.opstream import Op

pytestmark = pytest.mark.slow

NEAR_EMPTY = comparison.Cell("near_empty", 20)
STARTUP = comparison.Cell("startup", 100)

NO_CACHE = Path(iova_variants.__path__[0], "no_cache.c").read_text(encoding="utf-8")

#: `startup` has a 64-bit limit and `near_empty` has not: what follows happens in one cell of both.
HIGH = "high > 0xF00000000UL"


def own(folder: Path, name: str, statement: str, claims: str = "0") -> str:
    """A copy of no_cache whose search executes ``statement`` first; the path of its C file."""
    begin = NO_CACHE.index("{", NO_CACHE.index("static bool no_cache_find_gap(")) + 1
    text = f"{NO_CACHE[:begin]}\n\t{statement}\n{NO_CACHE[begin:]}"
    text = text.replace('"no_cache"', f'"{name}"')
    text = text.replace("IOVA_V_COMPLETE | IOVA_V_EXACT", claims)
    path = folder / f"{name}.c"
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.fixture(autouse=True)
def _no_traceback_of_planned_crashes() -> Iterator[None]:
    faulthandler.disable()
    yield
    faulthandler.enable()


@pytest.fixture
def _few_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as an interval needs; the rest of a comparison is repetition."""
    monkeypatch.setattr(measuring, "MIN_PROCESSES", 3)
    monkeypatch.setattr(measuring, "MAX_PROCESSES", 3)
    monkeypatch.setattr(process, "MIN_TIME_S", 1e-4)
    if "pyperf" not in request.node.name:
        monkeypatch.setattr(system, "look", lambda result: None)  # it starts ten more processes


# ---- one worker ----


@pytest.mark.parametrize("nr_variants", [1, 2, 3, 5])
def test_every_variant_goes_first_equally_often(nr_variants: int) -> None:
    turns = [order(nr_variants, turn) for turn in range(2 * nr_variants)]
    assert all(sorted(turn) == list(range(nr_variants)) for turn in turns)
    assert sorted(turn[0] for turn in turns) == sorted([*range(nr_variants)] * 2)
    before = [turn.index(0) < turn.index(1) for turn in turns] if nr_variants > 1 else []
    assert sum(before) * 2 == len(before)


@pytest.fixture
def sampler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Sampler, list[str]]:
    """A sampler whose replays last as many ns as were made before, and what was replayed."""
    replayed: list[str] = []

    def replay(name: str, stream: object, *, op_ns: bool, rcache: str) -> Any:
        replayed.append(name)
        # the longer ago, the longer; and in each replay another op takes longest
        times = np.full(stream.nr_measured, 100 - len(replayed), np.uint32)  # type: ignore[attr-defined]
        times[len(replayed)] = 1000 + len(replayed)
        return SimpleNamespace(ns=len(replayed), op_ns=times if op_ns else None, clock_ns=7)

    monkeypatch.setattr(iova_variants, "replay", replay)
    task = Task(
        *(("a", "b"), (0, 2), (2, 1), "near_empty", 20, 0, "off", 0),
        ops_path=None,
        status_path=str(tmp_path / "status"),
    )
    return Sampler(task, generate("near_empty", 20)), replayed


def test_all_are_measured_when_pyperf_asks_for_the_first(
    sampler: tuple[Sampler, list[str]],
) -> None:
    taker, replayed = sampler
    first = [taker.in_turn(2, 0) for _ in range(2)]
    # two loops of a and one of b, each the least of three; the other way round the second time
    assert replayed == [*"aaaaaabbb", *"bbbaaaaaa"]
    assert first == pytest.approx([(1 + 4) * 1e-9, (13 + 16) * 1e-9])
    second = [taker.in_turn(1, 1) for _ in range(2)]
    assert second == pytest.approx([7e-9, 10e-9])
    assert len(replayed) == 18


def test_single_ops_are_timed_in_turn_too(sampler: tuple[Sampler, list[str]]) -> None:
    taker, replayed = sampler
    found = dict(taker.op_times())
    assert "".join(replayed) == "abbabaabab"  # ab, ba, then both turned: ba, ab, and again
    kinds = [f"{which}.{kind}" for which in (0, 2) for kind in ("alloc", "free")]
    assert set(found) == {"clock_ns", *(f"{k}.{of}" for k in kinds for of in ("least", "longest"))}
    assert int(found["clock_ns"]) == 7


def test_the_least_of_several_timings_counts_for_each_op(
    sampler: tuple[Sampler, list[str]],
) -> None:
    """Replays 1, 4, 6, 7 and 9 are those of a; in replay i, op i takes longest."""
    taker, _ = sampler
    found = dict(taker.op_times())
    ops = taker.stream.ops["op"][taker.stream.nr_ageing :]
    for kind, code in (("alloc", Op.ALLOC), ("free", Op.FREE)):
        least = np.where(np.arange(len(ops)) == 9, 93, 91)[ops == code]
        assert found[f"0.{kind}.least"].tolist() == sorted(least)
        disturbed = (1000 + index for index in (1, 4, 6, 7, 9) if ops[index] == code)
        assert found[f"0.{kind}.longest"] == max(disturbed, default=99)


def test_who_is_at_work_is_on_record(sampler: tuple[Sampler, list[str]]) -> None:
    taker, _ = sampler
    taker.seconds(1, 1)
    assert int(Path(taker.task.status_path).read_text()) == 2


def test_a_task_survives_its_file(tmp_path: Path) -> None:
    task = Task(("a.c",), (0,), (4,), "ring", 9, 1, "6.7", 3, None, "status")
    task.write(tmp_path / "task.json")
    assert Task.read(tmp_path / "task.json") == task


# ---- whole comparisons, of real variants ----


@pytest.mark.usefixtures("_few_processes")
def test_a_comparison_is_measured_in_pyperf_workers() -> None:
    plan = comparison.Plan("mainline", ("mainline", "null"), (NEAR_EMPTY, STARTUP), budget_s=1)
    shares: list[float] = []
    result = comparison.measure(plan, lambda share, text: shares.append(share))
    assert not result.has_failed
    assert result.partial == ""
    assert shares == sorted(shares)
    assert 0 <= shares[0] < shares[-1] < 1
    for cell in result.cells:
        for which in range(3):
            assert [run.get_metadata()["turn"] for run in cell.runs[which]] == [0, 1, 2]
            for run in cell.runs[which]:
                metadata = run.get_metadata()
                assert len(run.values) == measuring.MIN_VALUES
                assert len(run.warmups) == process.NR_WARMUPS
                assert metadata["loops"] >= 1
                assert metadata["inner_loops"] == cell.counts[which].nr_ops
                assert "load_avg_1min" in metadata
            for kind, counts in cell.counts[which].kinds.items():
                taken = cell.op_times[which, kind]
                assert [len(one.least) for one in taken] == [counts.nr_ops] * 3
                assert all(one.longest >= one.least.max(initial=0) for one in taken)
        # The same variant answers the same, and is counted the same.
        assert cell.counts[0] == cell.counts[1]
        assert cell.counts[2].nr_spurious is None
    assert result.cells[1].counts[0].kinds["free"].nr_ops == 0
    assert {"CPU", "load average"} <= result.system.keys()
    assert any("system: " in check for check in result.checks)
    assert "keeps no ranges" in comparison.verdicts(result)[1].caveats[0]


@pytest.mark.usefixtures("_few_processes")
def test_who_breaks_in_one_cell_takes_nobody_along(tmp_path: Path) -> None:
    broken = {
        "crash": (f"if ({HIGH}) *(volatile int *)0 = 1;", "killed by SIGSEGV at op"),
        "hang": (f"while ({HIGH}) ;", "does not return within 2 s at op"),
        "refuse": (f"if ({HIGH}) return false;", "refuses all 1,200 requests"),
        "overlap": (
            f"if ({HIGH}) {{ gap->above = NULL; gap->pfn_lo = high - size; return true; }}",
            "overlaps a live range",
        ),
        "walk": (
            f"for (unsigned long i = 0; {HIGH} && i < 100000; i++) iova_visit(search);",
            "more than 10,000,000 nodes",
        ),
    }
    paths = [own(tmp_path, name, statement) for name, (statement, _) in broken.items()]
    plan = comparison.Plan(
        "no_cache",
        tuple(paths),
        (NEAR_EMPTY, STARTUP),
        budget_s=1,
        timeout_s=2,
        max_visits=10_000_000,
    )
    result = comparison.measure(plan)
    assert result.has_failed
    common, bad = result.cells
    assert common.failures == {}
    assert sorted(common.runs) == list(range(6))
    assert sorted(bad.runs) == [0]
    for which, (_, reason) in enumerate(broken.values(), start=1):
        assert reason in bad.failures[which]
        assert not bad.failures[which].startswith(f"{result.subjects[which].label}:")
    outcomes = [verdict.outcome for verdict in comparison.verdicts(result)]
    assert outcomes[5:] == ["failed"] * 5
    assert "failed" not in outcomes[:5]


@pytest.mark.usefixtures("_few_processes")
def test_who_breaks_while_it_is_timed_is_found_too(tmp_path: Path) -> None:
    late = "#ifndef IOVA_COUNTED\n\tstatic int n;\n\tif (n++ > {}) {}\n#endif"
    plan = comparison.Plan(
        "no_cache",
        (
            own(tmp_path, "calibrating", late.format(10, "*(volatile int *)0 = 1;")),
            own(tmp_path, "measuring", late.format(30_000, "*(volatile int *)0 = 1;")),
        ),
        (NEAR_EMPTY,),
        budget_s=1,
    )
    [cell] = comparison.measure(plan).cells
    assert cell.failures == {1: "killed by SIGSEGV", 2: "killed by SIGSEGV"}
    assert len(cell.runs[0]) == 3


@pytest.mark.usefixtures("_few_processes")
def test_a_base_that_breaks_leaves_the_candidates_measured(tmp_path: Path) -> None:
    crash = own(tmp_path, "crash", "*(volatile int *)0 = 1;")
    result = comparison.measure(comparison.Plan(crash, ("mainline",), (NEAR_EMPTY,), budget_s=1))
    [verdict] = comparison.verdicts(result)
    assert verdict.text.startswith("failed: crash: killed by SIGSEGV")
    assert len(result.cells[0].runs[1]) == 3


@pytest.mark.usefixtures("_few_processes")
def test_an_interruption_keeps_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    take: Callable[..., None] = measuring._take

    def until_the_second(plan: Any, cell: Any, turn: int, limit: Any) -> None:
        if turn == 2:
            raise KeyboardInterrupt
        take(plan, cell, turn, limit)

    monkeypatch.setattr(measuring, "_take", until_the_second)
    plan = comparison.Plan("mainline", ("maple",), (NEAR_EMPTY, STARTUP), budget_s=1)
    result = comparison.measure(plan)
    assert result.partial == "interrupted"
    assert [len(cell.runs[1]) for cell in result.cells] == [2, 2]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that a comparison's limit is held against: 0.0 until a test moves it."""
    moved = SimpleNamespace(now=0.0)
    monkeypatch.setattr(measuring, "time", SimpleNamespace(monotonic=lambda: moved.now))
    return moved


@pytest.mark.usefixtures("_few_processes")
def test_a_limit_ends_it_between_two_processes_in_any_thread(
    monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace
) -> None:
    take: Callable[..., None] = measuring._take

    def late_after_the_second(plan: Any, cell: Any, turn: int, limit: Any) -> None:
        take(plan, cell, turn, limit)
        clock.now = 61.0 * (turn == 1)

    monkeypatch.setattr(measuring, "_take", late_after_the_second)
    plan = comparison.Plan("mainline", ("maple",), (NEAR_EMPTY, STARTUP), budget_s=1)
    with ThreadPoolExecutor(1) as thread:
        result = thread.submit(comparison.measure, plan, limit_s=60.0).result()
    assert result.partial == "ended by its time limit of 60 s"
    assert [len(cell.runs[1]) for cell in result.cells] == [2, 1]
    assert not result.has_failed


@pytest.mark.usefixtures("_few_processes")
def test_a_limit_ends_a_process_and_blames_no_variant(
    monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace
) -> None:
    given: list[float] = []

    def never_back(workers: Any, loops: Any, *, timeout_s: float, **more: Any) -> None:
        given.append(timeout_s)
        clock.now += timeout_s
        raise process.WorkerError(0, "does not return within 60 s", is_late=True)

    monkeypatch.setattr(process.Workers, "measure", never_back)
    result = comparison.measure(
        comparison.Plan("mainline", ("maple",), (NEAR_EMPTY,), budget_s=1), limit_s=60.0
    )
    assert given == [60.0]  # not the patience of a worker, which is more
    assert result.partial == "ended by its time limit of 60 s"
    assert not result.has_failed


def test_a_limit_ends_a_count_and_blames_no_variant(
    monkeypatch: pytest.MonkeyPatch, clock: SimpleNamespace
) -> None:
    def never_back(plan: comparison.Plan, variant: str, cell: comparison.Cell) -> None:
        clock.now += plan.timeout_s
        raise NotBackError("mainline: does not return within 60 s at op 0 of 9")

    monkeypatch.setattr(measuring, "count", never_back)
    monkeypatch.setattr(system, "look", lambda result: None)
    plan = comparison.Plan("mainline", ("maple",), (NEAR_EMPTY,), timeout_s=60)
    ended = comparison.measure(plan, limit_s=50.0)
    assert ended.partial == "ended by its time limit of 50 s"
    assert not ended.has_failed


@pytest.mark.parametrize("limit_s", [0.0, -17.0])
def test_no_time_at_all_measures_nothing(limit_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "look", lambda result: None)
    plan = comparison.Plan("mainline", ("maple",), (NEAR_EMPTY,))
    result = comparison.measure(plan, limit_s=limit_s)
    assert result.partial == "ended by its time limit of 0 s"
    assert result.cells[0].counts == {}


@pytest.mark.usefixtures("_few_processes")
def test_an_rcache_stands_in_front() -> None:
    plan = comparison.Plan("mainline", ("maple",), (NEAR_EMPTY,), budget_s=1, rcache="6.7")
    result = comparison.measure(plan)
    assert not result.has_failed
    without = comparison.Plan("mainline", ("maple",), (NEAR_EMPTY,))
    from iova_lab.comparison.counting import count

    assert result.cells[0].counts[0].kinds != count(without, "mainline", NEAR_EMPTY).kinds


# ---- the command ----


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["compare", *arguments])


@pytest.mark.usefixtures("_few_processes")
def test_the_command_writes_pages_and_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    crash = own(tmp_path, "crash", f"if ({HIGH}) *(volatile int *)0 = 1;")
    done = run(
        *("mainline", "mainline", Path(crash).name, "--workloads", "startup@100,near_empty@20"),
        *("--budget", "1", "--brief"),
    )
    assert done.exit_code == 1  # one cell failed
    assert "failed: killed by SIGSEGV" in re.sub(r"\s+", " ", done.stdout)
    stem = "mainline-vs-mainline-2-crash"
    assert (tmp_path / "build" / "compare" / stem / "compare.html").exists()
    again = comparison.load(tmp_path / "results" / "compare" / stem)
    assert [cell.cell.name for cell in again.cells] == ["startup@100", "near_empty@20"]
    assert f"results/compare/{stem}" in done.stderr


@pytest.mark.usefixtures("_few_processes")
def test_json_is_all_that_stdout_has(tmp_path: Path) -> None:
    done = run(
        *("mainline", "null", "--workloads", "near_empty@20", "--budget", "1", "--json"),
        *("--out", str(tmp_path / "pages"), "--results", str(tmp_path / "samples")),
    )
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["candidates"] == ["null"]
    assert found["verdicts"][0]["cell"] == "near_empty@20"
    # A second is not enough for the fewest processes, and who waits is told so.
    said = re.sub(r"\s+", " ", done.stderr)
    assert re.search(r"note: 3 processes for each of 1 cells.* take about \d+ s; 0 s of", said)


def test_a_note_says_how_long_the_fewest_processes_take() -> None:
    result: Any = None
    cell = measuring._Cell(result, result, {}, start_s=2.0, round_s=0.5)
    least_s = measuring.MIN_PROCESSES * cell.process_s(measuring.SLICES_S[-1])
    assert measuring._over_budget([cell, cell], 2 * least_s) == ""
    note = measuring._over_budget([cell, cell], 2 * least_s - 1)
    assert f"about {2 * least_s:.0f} s; {2 * least_s - 1:.0f} s of the budget" in note


@pytest.mark.usefixtures("_few_processes")
def test_ctrl_c_writes_what_there_is_and_exits_130(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(plan: Any, cell: Any, turn: int, limit: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(measuring, "_take", interrupt)
    done = run(
        *("mainline", "maple", "--workloads", "near_empty@20", "--brief"),
        *("--out", str(tmp_path / "pages"), "--results", str(tmp_path / "samples")),
    )
    assert done.exit_code == 130
    assert "PARTIAL: interrupted" in (tmp_path / "pages" / "mail.txt").read_text()
    assert comparison.load(tmp_path / "samples").partial == "interrupted"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope", "maple"], "no variant named 'nope'"),
        (["mainline", "nowhere.c"], "no such file: nowhere.c"),
        (["mainline", "maple", "--workloads", "ring@x"], "what follows @ is a number"),
        (["mainline", "maple", "--workloads", "near_empty@500"], "so not 500"),
        (["mainline", "maple", "--workloads", "ring,ring"], "stands there twice"),
        (["mainline", "maple", "--workloads", "nope"], "no workload named 'nope'"),
        (["mainline", "maple", "--workloads", ","], "name at least one"),
        (["mainline", "maple", "--workloads", "x.npz"], "x.npz"),
    ],
)
def test_a_mistake_is_one_line_before_anything_runs(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_a_budget_of_nothing_is_refused_before_anything_runs() -> None:
    done = run("mainline", "maple", "--budget", "0")
    assert done.exit_code == 2
    assert "'--budget': 0.0 is not in the range" in done.stderr
    assert done.stdout == ""


def test_pages_are_made_again_from_what_is_kept(tmp_path: Path) -> None:
    golden = Path(__file__).parent / "golden"
    for results in (golden, golden / "comparison"):
        out = tmp_path / results.name
        done = CliRunner().invoke(cli.main, ["compare-pages", str(results), "--out", str(out)])
        assert done.exit_code == 0, done.stderr
        assert done.stdout.strip() == str(out / "comparison" / "compare.html")
        kept = golden / "comparison" / "mail.txt"
        assert (out / "comparison" / "mail.txt").read_text() == kept.read_text()
    done = CliRunner().invoke(cli.main, ["compare-pages", str(tmp_path / "nowhere")])
    assert done.exit_code == 1
    assert "iova-lab compare writes them" in done.stderr
