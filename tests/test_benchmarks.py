"""Does the asv suite measure what it says, leave out what it must, and survive a bad variant?"""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from importlib.metadata import requires
from pathlib import Path
from types import SimpleNamespace

import pytest
from asv_runner.benchmarks.mark import SkipNotImplemented
from asv_runner.discovery import disc_benchmarks
from packaging.requirements import Requirement

import iova_variants
from benchmarks import _common, contention, coverage, latency, memory, nodes, rcache, refusals, span
from benchmarks._common import Cells
from iova_lab import workloads
from iova_lab.measuring import timing
from iova_lab.measuring.metrics import RCACHE_METRICS
from iova_variants import replay

ROOT = Path(__file__).resolve().parent.parent

TRACKS = [
    (coverage.Coverage, "track_why_not"),
    (memory.BytesPerRange, "track_bytes_per_range"),
    (nodes.NodesMean, "track_nodes_per_op"),
    (nodes.NodesWorst, "track_worst_op"),
    (refusals.Failures, "track_failures"),
    (refusals.SpuriousFailures, "track_spurious_failures"),
    (refusals.AboveLimit, "track_above_limit"),
    (span.Span, "track_span_per_pfn"),
    (rcache.HitRate, "track_hit_rate"),
    (rcache.Nodes, "track_nodes_per_op"),
    (rcache.Worst, "track_worst_op"),
]


def run(benchmark: Cells, method: str, variant: str, workload: str, nr_live: int) -> object:
    benchmark.setup(variant, workload, nr_live)
    return getattr(benchmark, method)(variant, workload, nr_live)


def test_the_suite_is_what_reports_expect() -> None:
    found = {benchmark.name: benchmark for benchmark in disc_benchmarks(str(ROOT / "benchmarks"))}
    assert set(found) == {
        "contention.ContendedWait.track_mean_wait",
        "contention.ContendedWindow.time_window",
        "coverage.Coverage.track_why_not",
        "drift.Drift.time_window",
        "drift.Load.track_load",
        "latency.Latency.time_window",
        "memory.BytesPerRange.track_bytes_per_range",
        "nodes.NodesMean.track_nodes_per_op",
        "nodes.NodesWorst.track_worst_op",
        "refusals.Failures.track_failures",
        "refusals.SpuriousFailures.track_spurious_failures",
        "refusals.AboveLimit.track_above_limit",
        "span.Span.track_span_per_pfn",
        *RCACHE_METRICS,
    }
    for benchmark in found.values():
        names = ["variant", "workload", "nr_live"]
        if benchmark.name.startswith("contention."):
            names.append("threads")
        assert list(benchmark.param_names) == names


def test_what_asv_stores_of_the_suite_is_of_this_source() -> None:
    stored = json.loads((ROOT / "results" / "benchmarks.json").read_text())
    for benchmark in disc_benchmarks(str(ROOT / "benchmarks")):
        known = stored[benchmark.name]
        assert (known["code"], known["version"]) == (benchmark.code, benchmark.version), (
            "asv run --python=same --bench none writes it again"
        )
        assert known["params"] == benchmark.params


@pytest.mark.slow
def test_the_suite_needs_numpy_alone() -> None:
    """Of the packages that the lab asks for, asv installs no other beside what is measured."""
    needed = [Requirement(line).name for line in requires("iova-lab") or ()]
    modules = {name.replace("-", "_").lower() for name in needed} - {
        "numpy",
        "asv_runner",
        "iova_lab",
    }
    code = f"""
import importlib, sys
class Blocked:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {modules!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocked())
for name in {[path.stem for path in (ROOT / "benchmarks").glob("*.py")]!r}:
    importlib.import_module(f"benchmarks.{{name}}")
from benchmarks import _common
print(_common.counted("mainline", _common.generate("ring", 100)).nodes_per_op)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0


def test_the_grid_is_all_there_is() -> None:
    assert iova_variants.names() == _common.VARIANTS
    assert workloads.names() == _common.WORKLOADS


def test_the_grid_does_not_depend_on_the_installed_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(iova_variants, "names", lambda: ["of_another_commit"])
    monkeypatch.setattr(workloads, "names", lambda: ["of_another_commit"])
    seen = runpy.run_path(str(ROOT / "benchmarks" / "_common.py"))
    assert seen["VARIANTS"] == _common.VARIANTS
    assert seen["WORKLOADS"] == _common.WORKLOADS


def test_the_quick_form_counts_all_workloads_and_times_those_that_are_not_of_7_3() -> None:
    printed = subprocess.run(
        ["make", "-n", "bench"], cwd=ROOT, capture_output=True, check=True, text=True
    )
    patterns = re.findall(r"--bench '([^']+)'", printed.stdout)

    def chosen(benchmark: str) -> set[str]:
        cells = {name: f"{benchmark}('mainline', '{name}', 10000)" for name in workloads.names()}
        return {name for name, cell in cells.items() if any(re.search(p, cell) for p in patterns)}

    every = set(workloads.names())
    untimed = {"mixed_routes", "nvme_gappy", "nvme_iova_7_3", "single_queue", "unaligned_128k"}
    for benchmark in ("latency.Latency.time_window", "drift.Drift.time_window"):
        assert chosen(benchmark) == every - untimed
    assert chosen("nodes.NodesMean.track_nodes_per_op") == every
    assert chosen("nodes.NodesWorst.track_worst_op") == every


@pytest.mark.parametrize(("benchmark", "method"), TRACKS)
@pytest.mark.parametrize("variant", iova_variants.names())
def test_each_metric_is_a_float_or_skipped(
    benchmark: type[Cells], method: str, variant: str
) -> None:
    if variant == "null" and not benchmark.fake_too:
        with pytest.raises(NotImplementedError, match="tracks no live ranges"):
            run(benchmark(), method, variant, "near_empty", 100)
    else:
        assert type(run(benchmark(), method, variant, "near_empty", 100)) is float


def test_metrics_are_what_the_replay_counted() -> None:
    cell = ("cached32", "full_32bit", 200)
    stream = workloads.generate(*cell[1:])
    result = replay(cell[0], stream, judge=True, op_visits=True)
    assert run(nodes.NodesMean(), "track_nodes_per_op", *cell) == (
        sum(result.visits.values()) / len(stream.ops[stream.nr_ageing :])
    )
    assert run(nodes.NodesWorst(), "track_worst_op", *cell) == result.worst_visits
    assert run(refusals.Failures(), "track_failures", *cell) == result.nr_failures > 0
    assert run(memory.BytesPerRange(), "track_bytes_per_range", *cell) == result.bytes / 200
    assert run(span.Span(), "track_span_per_pfn", *cell) == result.span / 200


@pytest.mark.parametrize(("workload", "there_was_room"), [("lost_space", 1), ("full_32bit", 0)])
def test_a_failure_is_spurious_only_if_there_was_room(workload: str, there_was_room: int) -> None:
    cell = ("anchor", workload, 100)
    refused = run(refusals.Failures(), "track_failures", *cell)
    assert isinstance(refused, float)
    assert refused > 0
    spurious = run(refusals.SpuriousFailures(), "track_spurious_failures", *cell)
    assert spurious == there_was_room * refused


def test_an_answer_above_the_limit_is_counted_where_it_is_declared() -> None:
    for variant, some in (("cached64", True), ("mainline", False)):
        above = run(refusals.AboveLimit(), "track_above_limit", variant, "high_limit", 100)
        assert isinstance(above, float)
        assert (above > 0) == some


@pytest.mark.parametrize("benchmark", [nodes.NodesMean, latency.Latency])
@pytest.mark.parametrize(
    ("cell", "why"),
    [
        (("of_another_commit", "ring", 100), "not in this build"),
        (("mainline", "of_another_commit", 100), "not in this build"),
        (("mainline", "near_empty", 1000), "1..100"),
    ],
)
def test_what_cannot_be_had_is_skipped(
    benchmark: type[Cells], cell: tuple[str, str, int], why: str
) -> None:
    with pytest.raises(NotImplementedError, match=re.escape(why)):
        benchmark().setup(*cell)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_measured_where_there_are_cpus_for_them(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = ("mainline", "near_empty", 100, threads)
    for benchmark in (contention.ContendedWindow(), contention.ContendedWait()):
        monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(threads - 1)))
        with pytest.raises(NotImplementedError, match=f"fewer than {threads} CPUs"):
            benchmark.setup(*cell)
        monkeypatch.undo()
        if threads <= len(os.sched_getaffinity(0)):
            benchmark.setup(*cell)
            if isinstance(benchmark, contention.ContendedWait):
                assert benchmark.track_mean_wait(*cell) > 0
            else:
                benchmark.time_window(*cell)
                assert benchmark.timer() > 0


def test_coverage_tells_why(monkeypatch: pytest.MonkeyPatch) -> None:
    why_not = ("track_why_not", "no_cache")
    assert run(coverage.Coverage(), *why_not, "ring", 100) == coverage.MEASURED == 0
    assert run(coverage.Coverage(), *why_not, "near_empty", 1000) == coverage.NO_SUCH_SIZE == 1
    monkeypatch.setattr(_common, "NODE_BUDGET", 1000)
    assert run(coverage.Coverage(), *why_not, "ring", 100) == coverage.TOO_LONG == 2


def test_the_budget_skips_and_does_not_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_common, "NODE_BUDGET", 1000)
    latency.check_affordable.cache_clear()
    with pytest.raises(NotImplementedError, match="more than 1,000 nodes"):
        latency.Latency().setup("no_cache", "ring", 100)
    with pytest.raises(SkipNotImplemented, match="more than 1,000 nodes"):
        run(nodes.NodesMean(), "track_nodes_per_op", "no_cache", "ring", 100)


def test_a_sample_is_the_fastest_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    times_ns = iter([7, 9, 5] + [8] * timing.MOST_REPLAYS)
    benchmark = latency.Latency()
    benchmark.setup("null", "ring", 100)
    monkeypatch.setattr(timing, "replay", lambda *_: SimpleNamespace(ns=next(times_ns)))
    assert benchmark.timer() == 0
    benchmark.time_window("null", "ring", 100)
    assert benchmark.timer() == pytest.approx(5e-9)
    assert len(list(times_ns)) == 3  # fifty were drawn


@pytest.mark.slow
def test_a_crash_costs_one_cell(tmp_path: Path) -> None:
    """Run by asv itself, with the fork server of asv.conf.json."""
    copy = tmp_path / "copy"
    ignore = shutil.ignore_patterns(".*", "build", "results", "reports")
    shutil.copytree(ROOT, copy, ignore=ignore)
    source = (copy / "iova_variants" / "null.c").read_text().replace('"null"', '"crash"')
    wild = source.replace("return iovad->next;", "return *(unsigned long *)iovad->next;")
    assert wild != source
    (copy / "iova_variants" / "crash.c").write_text(wild)
    environment = {**os.environ, "HOME": str(tmp_path), "ASV_PYTHONPATH": str(copy)}
    python = [sys.executable, "-m"]
    cells = r"NodesMean.*'(anchor|crash|null)', 'ring', 100\)"
    asv = [*python, "asv", "run", "--python=same", "--machine=here", "--bench", cells]
    for command in ([*python, "iova_lab.measuring.asv_machine", "here"], asv):
        done = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 2, done.stdout + done.stderr
    shown = dict(re.findall(r"^ *(\w+) +ring +100 +(\S+) *$", done.stdout, re.MULTILINE))
    assert shown["crash"] == "failed"
    assert float(shown["anchor"]) > 0
    assert float(shown["null"]) == 0
