"""A comparison says what its samples support, in every form, and no more."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from email import policy
from email.parser import BytesParser
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyperf
import pytest
from rich.console import Console

from iova_lab import comparison
from iova_lab.basics.reading import FileError
from iova_lab.comparison import bars, latency, mail, mbox, notes, plots, store, view, words
from iova_lab.comparison.counting import KINDS, Counts, KindCounts
from iova_lab.comparison.page import inline
from iova_lab.comparison.plan import DEFAULT_CELLS, cell_at, common_first
from iova_lab.comparison.result import CellResult, OpTimes
from iova_lab.measuring import statistics
from iova_lab.rendering.looks import styles
from iova_lab.rendering.pages import read_page
from iova_lab.workloads import SizeError
from tests.support.alike import assert_alike

GOLDEN = Path(__file__).parent / "golden" / "comparison"


@pytest.fixture
def golden() -> comparison.Comparison:
    """mainline, maple and a copy of no_cache that crashes in one of three cells; a busy machine."""
    return comparison.load(GOLDEN)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All that is written of it."""
    return comparison.write(comparison.load(GOLDEN), tmp_path_factory.mktemp("written"))


# ---- synthetic samples of known ratio and noise ----


def samples(
    rng: np.random.Generator, ratio: float, *, layout: float = 0.01, noise: float = 0.02
) -> tuple[dict[int, npt.NDArray[np.float64]], dict[int, npt.NDArray[np.float64]]]:
    """Twelve processes of five rounds; ``layout`` is a process's own, ``noise`` a round's."""
    weather = rng.normal(0, 0.1, (12, 5))
    own = rng.normal(0, layout, (12, 1))
    base = np.exp(weather + rng.normal(0, noise, (12, 5)))
    candidate = ratio * np.exp(weather + own + rng.normal(0, noise, (12, 5)))
    return dict(enumerate(base)), dict(enumerate(candidate))


def run(values: npt.ArrayLike, turn: int, name: str = "near_empty@100") -> pyperf.Run:
    """A run of pyperf with these values, in seconds per op."""
    metadata = {"name": name, "turn": turn, "loops": 1, "inner_loops": 2, "unit": "second"}
    return pyperf.Run(np.asarray(values).tolist(), metadata=metadata, collect_metadata=False)


COUNTS = Counts(
    kinds={"alloc": KindCounts(2, 6, 4), "free": KindCounts(2, 2, 1)},
    nr_ops=4,
    nr_failures=0,
    nr_spurious=0,
    nr_above_limit=0,
    nr_not_highest=0,
    nr_live=10,
    nr_live_pfns=10,
    span=20,
    bytes=640,
    node_bytes=40,
)


def times(*processes: npt.ArrayLike, longest: int = 9000) -> list[OpTimes]:
    """Times of single ops, as each process measured them."""
    return [OpTimes(np.sort(np.asarray(ns, np.uint32)), longest) for ns in processes]


def made(
    ratios: dict[str, float], *, labels: tuple[str, ...] = ("base", "new"), seed: int = 0
) -> comparison.Comparison:
    """A comparison of synthetic samples: a cell per workload (``ring@200``), its true ratio."""
    rng = np.random.default_rng(seed)
    named = {name.partition("@")[::2]: ratio for name, ratio in ratios.items()}
    asked = {comparison.Cell(name, int(size or 100)): true for (name, size), true in named.items()}
    plan = comparison.Plan(labels[0], labels[1:], tuple(asked))
    cells = []
    for cell in plan.cells:
        found = CellResult(cell, clock_ns=20)
        for which in range(len(labels)):
            base, candidate = samples(rng, asked[cell])
            values = base if which == 0 else candidate
            found.counts[which] = COUNTS
            found.runs[which] = [run(1e-8 * v, turn, cell.name) for turn, v in values.items()]
            ns = rng.integers(30, 60, (12, 5, 4)).min(axis=1)  # [process, replay, op]
            for index, kind in enumerate(KINDS):
                found.op_times[which, kind] = times(*ns[:, index::2])
        cells.append(found)
    subjects = tuple(
        comparison.Subject(label, label, "a variant", "-", "base-0", False) for label in plan.labels
    )
    return comparison.Comparison(plan, subjects, cells, date="2026-01-01T00:00:00+00:00")


@pytest.mark.slow
def test_the_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(1000):
        found = statistics.ratio(*samples(rng, 1.02))
        missed += not found.lo <= 1.02 <= found.hi
    # 1 % of 1000; three standard deviations are 10.
    assert 1 <= missed <= 20


@pytest.mark.slow
def test_a_variant_against_itself_shows_no_difference_however_many_ratios() -> None:
    rng = np.random.default_rng(2)
    wrong = 0
    for _ in range(200):
        outcomes = [statistics.ratio(*samples(rng, 1.0), 10).outcome for _ in range(10)]
        wrong += any(outcome != "no difference found" for outcome in outcomes)
    assert wrong <= 8  # 1 % of 200 comparisons, each of ten ratios


@pytest.mark.slow
def test_what_would_have_been_seen_is_seen_four_times_in_five() -> None:
    rng = np.random.default_rng(3)
    visible = np.exp(
        np.mean([np.log(statistics.ratio(*samples(rng, 1.0)).visible) for _ in range(200)])
    )
    seen = sum(
        statistics.ratio(*samples(rng, float(visible))).outcome == "slower" for _ in range(400)
    )
    assert 0.7 < seen / 400 < 0.9


def test_outcomes_are_three() -> None:
    rng = np.random.default_rng(4)
    assert statistics.ratio(*samples(rng, 1.2)).outcome == "slower"
    assert statistics.ratio(*samples(rng, 0.8)).outcome == "faster"
    assert statistics.ratio(*samples(rng, 1.0)).outcome == "no difference found"


def test_many_ratios_widen_each_interval() -> None:
    pair = samples(np.random.default_rng(5), 1.0)
    one, ten = statistics.ratio(*pair), statistics.ratio(*pair, 10)
    assert ten.lo < one.lo < 1 < one.hi < ten.hi
    assert one.value == ten.value


def test_pairs_are_those_of_one_process() -> None:
    base, candidate = samples(np.random.default_rng(6), 1.5)
    del candidate[3], base[7]
    found = statistics.ratio(base, candidate)
    assert (found.nr_processes, found.nr_rounds) == (10, 50)


def test_too_few_processes_say_so() -> None:
    base, candidate = samples(np.random.default_rng(7), 9.0)
    few = {0: candidate[0], 1: candidate[1]}
    assert statistics.ratio(base, few).outcome == "too few samples"
    assert "processes: 2" in words.say(statistics.ratio(base, few))


def test_samples_that_do_not_vary_have_an_interval() -> None:
    same = {turn: np.full(3, 2.0) for turn in range(5)}
    found = statistics.ratio(same, {turn: 2 * values for turn, values in same.items()})
    assert found.lo == pytest.approx(2) == found.hi
    assert found.outcome == "slower"


# ---- words ----


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1.031, "+3.1%"),
        (0.348, "-65.2%"),
        (7.25, "x7.25"),
        (0.9999, "+0.0%"),
        (0.001, "x0.00100"),
        (float("nan"), "-"),
    ],
)
def test_a_ratio_is_told_as_kernel_people_do(ratio: float, text: str) -> None:
    assert words.change(ratio) == text


def test_an_interval_is_told_in_one_unit() -> None:
    text = words.say(statistics.Ratio(2.83, 1.88, 4.27, nr_processes=9))
    assert text == "slower: x2.83 (x1.88 .. x4.27)"


def test_a_verdict_without_a_difference_says_what_would_have_shown() -> None:
    [verdict] = comparison.verdicts(made({"near_empty": 1.0}))
    assert verdict.outcome == "no difference found"
    assert re.search(r"\(-\d.\d% .. \+\d.\d%; smallest detectable: \d[\d.]* %\)", verdict.text)


def test_who_refuses_more_is_not_just_faster() -> None:
    result = made({"near_empty": 0.5})
    result.cells[0].counts[1] = Counts(**COUNTS.__dict__ | {"nr_failures": 2, "nr_spurious": 1})
    [verdict] = comparison.verdicts(result)
    assert verdict.outcome == "faster"
    assert verdict.caveats == (
        "refuses 2 of 2 requests, base 0",
        "1 of these are spurious, base 0",
    )
    assert "BUT refuses 2 of 2 requests" in mail.render(result)
    assert "refusals differ" in figure_text(result)


def figure_text(result: comparison.Comparison) -> str:
    """All that is written in the figure of the ratios."""
    figure = plots.ratios_figure(result, "title")
    return " ".join(text.get_text() for text in figure.axes[0].texts)


# ---- single calls ----


def test_the_samples_are_those_of_all_processes() -> None:
    cell = CellResult(comparison.Cell("near_empty"))
    cell.op_times[0, "alloc"] = [
        *times([40, 30], longest=90),
        *times([30, 44], [30, 36], longest=50),
    ]
    found = latency.of(cell, 0, "alloc")
    assert found is not None
    assert sorted(found.samples.tolist()) == [30, 30, 30, 36, 40, 44]
    assert found.mean.value == 35
    assert (found.quantiles["max"], found.timed_max) == (44, 90)
    assert latency.of(cell, 0, "free") is None


def test_the_clock_cancels_in_a_difference() -> None:
    rng = np.random.default_rng(8)
    cell = CellResult(comparison.Cell("near_empty"))
    for which, cost in ((0, 10), (1, 13)):
        cell.op_times[which, "free"] = times(*(cost + 20 + rng.integers(0, 2, (30, 4))))
    found = latency.difference(cell, 1, "free", 1)
    assert found is not None
    assert found.lo < 3 < found.hi
    assert found.value == pytest.approx(3, abs=0.5)
    assert words.longer(found).startswith("longer: +")


def test_buckets_are_powers_of_two_and_lose_nothing(golden: comparison.Comparison) -> None:
    for cell in golden.cells:
        for kind in ("alloc", "free"):
            found = [latency.of(cell, which, kind) for which in range(3)]
            buckets = latency.histogram(found)
            for which, calls in enumerate(found):
                assert sum(b.counts[which] for b in buckets) == (len(calls.samples) if calls else 0)
            for bucket in buckets:
                assert (bucket.hi + 1) & bucket.hi == 0


@pytest.mark.parametrize(("ns", "lo", "hi"), [(0, 0, 1), (1, 0, 1), (2, 2, 3), (64, 64, 127)])
def test_a_time_lies_in_its_bucket(ns: int, lo: int, hi: int) -> None:
    cell = CellResult(comparison.Cell("near_empty"))
    cell.op_times[0, "alloc"] = times(*np.full((3, 2), ns))
    [bucket] = latency.histogram([latency.of(cell, 0, "alloc")])
    assert (bucket.lo, bucket.hi, bucket.counts) == (lo, hi, (6,))


def test_a_histogram_in_text_shows_the_least_of_tails() -> None:
    buckets = [latency.Bucket(512, 1023, (99_999, 0)), latency.Bucket(1024, 2047, (1, 5))]
    lines = bars.lines(buckets, ["base", "new"], 72)
    assert lines[1].startswith("[512, 1K)")
    assert lines[2].split()[:4] == ["[1K,", "2K)", "1", "@"]
    assert max(map(len, lines)) <= 72


def test_variants_without_room_go_below() -> None:
    labels = ["base", *(f"candidate_with_a_name_{i}" for i in range(7))]
    lines = bars.lines([latency.Bucket(16, 31, tuple(range(1, 9)))], labels, 72)
    assert max(map(len, lines)) <= 72
    assert sum("base" in line for line in lines) == 4  # two candidates beside it each time
    assert lines.count("") == 3


# ---- files ----


def test_a_kept_comparison_comes_back_whole(golden: comparison.Comparison, tmp_path: Path) -> None:
    comparison.save(golden, tmp_path)
    again = comparison.load(tmp_path)
    assert (again.plan, again.subjects, again.system) == (
        *(golden.plan, golden.subjects, golden.system),
    )
    assert mail.render(again) == mail.render(golden)
    for ours, theirs in zip(again.cells, golden.cells, strict=True):
        assert ours.counts == theirs.counts
        assert ours.failures == theirs.failures
        assert ours.op_times.keys() == theirs.op_times.keys()
        for key, taken in theirs.op_times.items():
            for one, other in zip(ours.op_times[key], taken, strict=True):
                assert np.array_equal(one.least, other.least)
                assert one.longest == other.longest
    assert (tmp_path / "comparison.json").read_text() == (GOLDEN / "comparison.json").read_text()


@pytest.mark.slow
def test_pyperf_reads_what_is_kept(golden: comparison.Comparison, tmp_path: Path) -> None:
    comparison.save(golden, tmp_path)
    names = ("0-mainline.json.gz", "1-maple.json.gz")
    files = [str(tmp_path / "pyperf" / name) for name in names]
    for arguments in (["compare_to", "--table", *files], ["hist", files[0]], ["stats", files[1]]):
        done = subprocess.run(
            [sys.executable, "-m", "pyperf", *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "full_32bit@100" in done.stdout
    suite = pyperf.BenchmarkSuite.load(files[0])
    assert suite.get_benchmark_names() == ["near_empty@100", "full_32bit@100", "startup@100"]
    metadata = suite.get_benchmark("near_empty@100").get_metadata()
    assert {"load_avg_1min", "cpu_model_name", "inner_loops"} <= {
        *metadata,
        *suite.get_benchmark("near_empty@100").get_runs()[0].get_metadata(),
    }
    assert "python_executable" not in metadata


PYPERF = b'{"version": "1.0", "benchmarks": [{"runs": [{"values": [1.0]}]}]}'
MAPLE = "pyperf/1-maple.json.gz"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "comparison.json",
            None,
            r"comparison\.json: No such file .*; `iova-lab compare` writes",
        ),
        ("comparison.json", "{", r"comparison\.json: truncated, or not JSON"),
        ("comparison.json", "[" * 99_999, r"comparison\.json: nested too deeply"),
        ("comparison.json", '{"format": 99}', r"comparison\.json: format: Invalid enum value 99"),
        (
            "comparison.json",
            '{"format": 1}',
            r"comparison\.json: measured by an older iova-lab: measure again; `iova-lab compare`",
        ),
        ("ops/startup@100.npz", "x", r"startup@100\.npz: truncated, or not an archive of arrays"),
        (MAPLE, "{", r"1-maple\.json\.gz: truncated, or not a gzip file"),
        (MAPLE, gzip.compress(b"{", mtime=0), r"1-maple\.json\.gz: truncated, or not JSON"),
        (
            MAPLE,
            gzip.compress(b"{}", mtime=0),
            r"1-maple.*: Object missing required field `version`",
        ),
        (MAPLE, gzip.compress(PYPERF, mtime=0), r"1-maple\.json\.gz: pyperf can't read it"),
    ],
)
def test_a_broken_folder_is_told_in_one_line(
    golden: comparison.Comparison,
    tmp_path: Path,
    name: str,
    text: str | bytes | None,
    message: str,
) -> None:
    comparison.save(golden, tmp_path)
    (tmp_path / name).unlink()
    if text is not None:
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(FileError, match=message) as error:
        comparison.load(tmp_path)
    assert "\n" not in str(error.value)


def test_without_the_times_of_single_ops_all_else_is_there(
    golden: comparison.Comparison, tmp_path: Path
) -> None:
    """Git keeps none of comparisons whose page has no histogram."""
    comparison.save(golden, tmp_path)
    shutil.rmtree(tmp_path / "ops")
    again = comparison.load(tmp_path)
    assert all(not cell.op_times for cell in again.cells)
    assert [v.text for v in comparison.verdicts(again)] == [
        v.text for v in comparison.verdicts(golden)
    ]


def test_times_of_another_number_of_ops_are_told_in_one_line(
    golden: comparison.Comparison, tmp_path: Path
) -> None:
    comparison.save(golden, tmp_path)
    path = tmp_path / "ops" / "startup@100.npz"
    with np.load(path) as file:
        arrays = dict(file)
    assert arrays["1.alloc.least"].ndim == 2
    arrays["1.alloc.least"] = arrays["1.alloc.least"][:, 1:]
    np.savez(path, **arrays)
    with pytest.raises(
        FileError, match=r"startup@100\.npz: 1\.alloc: not \[process, op\] of \d+ ops"
    ):
        comparison.load(tmp_path)


# ---- outputs ----


@pytest.mark.slow
@pytest.mark.parametrize("nr_candidates", [1, 2, 6])
@pytest.mark.parametrize("nr_cells", [3, 21, 130])
def test_a_mail_has_at_most_150_lines(nr_candidates: int, nr_cells: int) -> None:
    """And what is left out is named; commit, compiler, configuration and pattern stay."""
    named = (f"ring@{size}" for size in range(100, 100 + nr_cells))
    labels = ("mainline", *(f"candidate{which}" for which in range(nr_candidates)))
    text = mail.render(made(dict.fromkeys(named, 1.0), labels=labels))
    assert len(text.splitlines()) <= 150
    assert "Only in compare.md: " in text
    assert ("more lines: compare.md has them" in text) == (nr_cells == 130)
    for what in ("- commit: ", "- compiler: ", "- configuration: rcache off", "iova-lab compare"):
        assert what in text
    assert "A network card's ring" in text or nr_cells > 3


@pytest.mark.slow
def test_a_loaded_or_partial_comparison_is_labelled_wherever_it_is_named(
    golden: comparison.Comparison, tmp_path: Path
) -> None:
    """Load is a bias, not noise: no page may take it for wider intervals."""
    label = "loaded: load average up to 16.2 on 2 CPUs"
    golden.partial = "interrupted"
    assert all(f"[partial: interrupted; {label}]" in line for line in notes.headlines(golden))
    comparison.write(golden, tmp_path)
    for name in ("mail.txt", "compare.md", "compare.html"):
        text = " ".join((tmp_path / name).read_text().split())
        assert label in text
        assert "Load biases a ratio of times" in text
        assert "wider than they need be" not in text
    assert label in read_page(tmp_path / "compare.md").answer


def test_a_withdrawn_cell_has_no_number(golden: comparison.Comparison, tmp_path: Path) -> None:
    comparison.save(golden, tmp_path)
    reasons = {"near_empty@100": "measured under load"}
    (tmp_path / store.WITHDRAWN).write_text(json.dumps(reasons))
    again = comparison.load(tmp_path)
    first = comparison.verdicts(again)[0]
    assert (first.outcome, first.ratio) == ("withdrawn", None)
    assert first.text == "withdrawn: measured under load"
    assert comparison.verdicts(again)[2].ratio is not None
    row = view.summary(again).iloc[0]
    assert np.isnan([row["ns_per_op"], row["base_ns_per_op"], row["ratio"]]).all()
    comparison.save(golden, tmp_path)  # measured again
    assert comparison.verdicts(comparison.load(tmp_path))[0].ratio is not None


def test_a_workload_that_has_changed_since_is_withdrawn(
    golden: comparison.Comparison, tmp_path: Path
) -> None:
    comparison.save(golden, tmp_path)
    head = json.loads((tmp_path / "comparison.json").read_text())
    head["cells"][0]["stream"] = "another"
    (tmp_path / "comparison.json").write_text(json.dumps(head))
    cell = comparison.load(tmp_path).cells[0]
    assert cell.withdrawn == store.CHANGED
    assert not cell.runs
    assert not cell.counts


def test_the_mail_is_what_it_was(golden: comparison.Comparison) -> None:
    assert mail.render(golden) == (GOLDEN / "mail.txt").read_text()


def test_a_mail_has_histograms_of_alloc_and_free_and_the_longest_of_both(
    golden: comparison.Comparison,
) -> None:
    text = mail.render(golden)
    for kind in KINDS:
        (head,) = [line for line in text.splitlines() if line.startswith(f"{kind}s of near_empty")]
        assert "ns, clock (" in head
    row = next(line for line in text.splitlines() if line.startswith("startup@100"))
    mean = f"{view.mean_ns(golden.cells[2], 0)[0]:.1f}"
    assert mean in row
    assert "(x2.83)" in row
    longest = text[text.index("Longest alloc/free") :].splitlines()
    found = [latency.of(golden.cells[0], 0, kind) for kind in KINDS]
    wanted = "/".join(f"{one.quantiles['max']:,.0f}" for one in found if one)
    assert longest[1].split()[:2] == ["near_empty@100", wanted]


@pytest.mark.slow
def test_a_message_has_the_text_and_figures_and_git_takes_it(
    golden: comparison.Comparison, written: list[Path], tmp_path: Path
) -> None:
    (path,) = [one for one in written if one.suffix == ".mbox"]
    assert path.stat().st_size <= mbox.MOST_BYTES
    envelope, _, mail_bytes = path.read_bytes().partition(b"\n")
    assert envelope.startswith(b"From ")
    message = BytesParser(policy=policy.default).parsebytes(mail_bytes)
    assert "iova-lab" in message["Subject"]
    assert (message["From"], message["To"]) == (None, None)
    text, figures = message.get_body(), list(message.iter_attachments())
    assert text is not None
    assert text.get_content() == mail.render(golden)
    assert figures[0].get_filename() == "ratios.png"
    for one in figures:
        kept = (path.parent / str(one.get_filename())).read_bytes()
        assert one.get_content() == kept
    command = ["git", "mailsplit", f"-o{tmp_path}", str(path)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "1\n"


def test_a_message_leaves_out_what_a_list_rejects_and_names_it(
    golden: comparison.Comparison, tmp_path: Path
) -> None:
    for name, size in (("a.png", 40_000), ("b.png", 60_000), ("c.png", 20_000)):
        (tmp_path / name).write_bytes(bytes(size))
    figures = [tmp_path / name for name in ("a.png", "b.png", "c.png")]
    message = mbox.render(golden, mail.render(golden), figures)
    assert len(message) <= mbox.MOST_BYTES
    assert b"Too large for this mail: b.png." in message
    assert message.count(b"Content-Type: image/png") == 2
    assert message == mbox.render(golden, mail.render(golden), figures)


def test_a_mail_has_72_columns_of_ascii_whatever_the_names() -> None:
    labels = ("bäse", *(f"./a_patch_with_a_very_long_näme_{i}.c" for i in range(6)))
    result = made({"near_empty": 1.0, "random_replace": 1000.0}, labels=labels)
    result.cells[1].failures[2] = "killed by SIGSEGV — at op 5"
    text = mail.render(result)
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 72


def test_the_command_in_a_mail_is_the_command(golden: comparison.Comparison) -> None:
    command = notes.command(golden)
    for width in (72, 40):
        folded = "\n".join(notes.folded(command, width))
        assert shlex.split(folded.replace("\\\n", "")) == shlex.split(command)


def test_failed_cells_say_so_and_the_others_stand(golden: comparison.Comparison) -> None:
    verdicts = {(v.cell.cell.name, v.which): v for v in comparison.verdicts(golden)}
    assert verdicts["startup@100", 2].outcome == "failed"
    assert "killed by SIGSEGV at op 5400" in verdicts["startup@100", 2].text
    assert verdicts["near_empty@100", 2].outcome == "slower"
    assert verdicts["startup@100", 1].ratio is not None
    assert golden.has_failed
    console = Console(width=80, record=True, file=io.StringIO())
    comparison.terminal(golden, console)
    text = console.export_text()
    assert "crash failed: killed by SIGSEGV at op 5400 of 6600" in text
    assert "failed here" in figure_text(golden)


def test_a_base_that_failed_leaves_no_ratio_in_that_cell(golden: comparison.Comparison) -> None:
    golden.cells[0].failures[0] = "still running after 60 s"
    first = comparison.verdicts(golden)[0]
    assert (first.outcome, first.ratio) == ("failed", None)
    assert first.text == "failed: mainline: still running after 60 s"
    mail.render(golden)


@pytest.mark.slow
def test_an_interrupted_comparison_says_so_everywhere(
    golden: comparison.Comparison, tmp_path: Path
) -> None:
    golden.partial = "interrupted"
    for cell in golden.cells[1:]:
        cell.runs, cell.op_times, cell.counts = {}, {}, {}
    comparison.write(golden, tmp_path)
    for name in ("mail.txt", "compare.md", "compare.html"):
        assert "PARTIAL: interrupted" in (tmp_path / name).read_text()
    assert json.loads(comparison.as_json(golden))["partial"] == "interrupted"
    outcomes = [verdict.text for verdict in comparison.verdicts(golden)]
    assert outcomes.count("not measured") == 3


def test_the_common_case_stands_first_or_is_missed(golden: comparison.Comparison) -> None:
    assert golden.plan.cells[0].workload == "near_empty"
    assert "near_empty, which reviewers check first, was not measured" in mail.render(
        made({"ring": 1.0})
    )


class References(HTMLParser):
    """Everything that a browser would fetch, and every id."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.used: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            value = value or ""
            if name in ("src", "data", "srcset") or tag in ("script", "link", "iframe"):
                self.fetched.append(f"{tag} {name} {value}")
            elif name.endswith("href"):
                (self.used if value.startswith("#") else self.links).append(value)
            elif name == "id":
                self.ids.append(value)
            self.used += [f"#{found}" for found in re.findall(r"url\(#([^)]+)\)", value)]


@pytest.mark.slow
def test_the_page_needs_no_other_file(written: list[Path]) -> None:
    html = (written[0].parent / "compare.html").read_text()
    found = References()
    found.feed(html)
    assert found.fetched == []
    assert found.links == [
        "mail.txt",
        "mail.mbox",
        "summary.csv",
        "metrics.csv",
        "histograms.csv",
        "glossary.html",
    ]
    assert "@import" not in html
    assert html.count("<svg ") == 4
    assert len(set(found.ids)) == len(found.ids)
    assert {use[1:] for use in found.used} <= set(found.ids)


def test_an_image_that_is_none_of_ours_stays(tmp_path: Path) -> None:
    assert inline('<img src="x.png" alt="y" />', tmp_path) == '<img src="x.png" alt="y" />'


@pytest.mark.slow
def test_figures_and_pages_are_alike_each_time(
    golden: comparison.Comparison, written: list[Path], tmp_path: Path
) -> None:
    again = comparison.write(golden, tmp_path)
    assert [path.name for path in written] == [path.name for path in again]
    assert {path.suffix for path in written} == {
        *(".html", ".md", ".svg", ".png", ".txt", ".mbox", ".csv")
    }
    for one, other in zip(written, again, strict=True):
        assert_alike(one, other)


def test_figures_tell_variants_apart_without_colour(golden: comparison.Comparison) -> None:
    figure = plots.calls_figure(golden, golden.cells[0], "title")
    assert figure is not None
    names = {text.get_text() for text in figure.axes[0].texts}
    assert {"mainline", "maple", "crash", "clock"} <= names
    strokes = [patch.get_linestyle() for patch in figure.axes[0].patches]
    assert len(set(map(str, strokes))) >= 2
    markers = {line.get_marker() for line in plots.ratios_figure(golden, "t").axes[0].lines}
    assert {
        styles(["maple"])["maple"]["marker"],
        styles(["mainline", "crash"])["crash"]["marker"],
    } <= (markers)


@pytest.mark.slow
def test_tables_hold_every_cell(golden: comparison.Comparison, written: list[Path]) -> None:
    with (written[0].parent / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["cell"], row["candidate"]) for row in rows] == [
        (cell, candidate)
        for cell in ("near_empty@100", "full_32bit@100", "startup@100")
        for candidate in ("maple", "crash")
    ]
    assert [row["ratio"] for row in rows if row["outcome"] == "failed"] == [""]
    found: dict[str, Any] = json.loads(comparison.as_json(golden))
    assert found["failures"] == [
        {
            "cell": "startup@100",
            "variant": "crash",
            "reason": "killed by SIGSEGV at op 5400 of 6600",
        }
    ]
    refused = [
        row["value"]
        for row in found["metrics"]
        if row["metric"] == "refused" and row["cell"] == "full_32bit@100"
    ]
    assert refused == [400.0] * 3


@pytest.mark.slow
def test_a_terminal_of_80_columns_is_enough(golden: comparison.Comparison) -> None:
    for width in (80, 120):
        console = Console(width=width, record=True, file=io.StringIO())
        comparison.terminal(golden, console)
        lines = console.export_text().splitlines()
        assert max(map(len, lines)) <= width
        verdicts = next(i for i, line in enumerate(lines) if "startup@100" in line)
        assert verdicts < 24  # on the first screen


# ---- plans ----


def test_labels_tell_two_of_one_name_apart() -> None:
    plan = comparison.Plan("mainline", ("a/mainline.c", "b/mainline.c", "maple"))
    assert plan.labels == ("mainline", "mainline#2", "mainline#3", "maple")
    assert plan.nr_ratios == 3 * len(DEFAULT_CELLS)


def test_cells_of_the_common_case_come_first_at_every_size() -> None:
    asked = [comparison.Cell(name, 500) for name in ("high_limit", "ring", "near_empty")]
    assert [cell.workload for cell in common_first(asked)] == ["ring", "near_empty", "high_limit"]
    assert common_first(DEFAULT_CELLS) == DEFAULT_CELLS


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"candidates": ()}, "name at least one candidate"),
        ({"cells": ()}, "name at least one"),
        ({"budget_s": 0.0}, "leaves no time"),
        ({"cells": (comparison.Cell("ring"), comparison.Cell("ring"))}, "ring@100 stands there"),
    ],
)
def test_an_impossible_plan_is_told(plan: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        comparison.Plan(**{"base": "mainline", "candidates": ("maple",)} | plan)


def test_a_plan_is_checked_before_anything_runs() -> None:
    cells = (comparison.Cell("near_empty", 100),)
    with pytest.raises(LookupError, match="no variant named 'nope'"):
        comparison.measure(comparison.Plan("mainline", ("nope",), cells))
    with pytest.raises(SizeError, match="so not 5000"):
        comparison.measure(
            comparison.Plan("mainline", ("maple",), (comparison.Cell("near_empty", 5000),))
        )
    with pytest.raises(ValueError, match="no rcache named 'new'"):
        comparison.measure(comparison.Plan("mainline", ("maple",), cells, rcache="new"))


def test_a_workload_has_a_size_of_its_own() -> None:
    assert cell_at("near_empty").nr_live == 100
    assert cell_at("memory_pressure").nr_live == 10_000
    assert cell_at("ring", 50).name == "ring@50"
    with pytest.raises(SizeError):
        cell_at("near_empty", 101)


def test_every_default_cell_can_be_had() -> None:
    assert [cell_at(cell.workload, cell.nr_live) for cell in DEFAULT_CELLS] == list(DEFAULT_CELLS)
    assert DEFAULT_CELLS[0].workload == "near_empty"
    assert view.summary(made({"near_empty": 1.0}))["nr_processes"].tolist() == [12]


def test_what_is_not_a_folder_of_ours_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="No such file"):
        comparison.load(tmp_path / "nowhere")
