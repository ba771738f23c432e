"""Is a window timed as the asv suite times it, wherever that is asked for?"""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from benchmarks import latency
from iova_lab import workloads
from iova_lab.commands.cli import main
from iova_lab.measuring import timing

STREAM = workloads.generate("near_empty", 100)


def test_the_suite_and_the_command_share_the_code() -> None:
    assert vars(latency)["best_window"] is timing.best_window


def test_the_first_sample_warms_up_and_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = iter([9.0, *(float(n) * STREAM.nr_measured / 1e9 for n in (5, 3, 4, 8, 1, 7, 2, 6))])
    monkeypatch.setattr(timing, "best_window", lambda *_, **__: next(samples))
    steps: list[None] = []
    found = timing.timed("null", STREAM, seconds=1e9, on_progress=lambda: steps.append(None))
    assert found.samples == pytest.approx((5, 3, 4, 8, 1, 7, 2, 6))
    assert found.ns_per_op == pytest.approx(4.5)
    assert found.interval == pytest.approx((1, 8))
    assert len(steps) == timing.NR_SAMPLES + 1


def test_the_limit_leaves_one_sample_and_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(99))
    monkeypatch.setattr(timing.time, "monotonic", lambda: next(clock))  # type: ignore[attr-defined]
    monkeypatch.setattr(timing, "best_window", lambda *_, **__: 1.0)
    found = timing.timed("null", STREAM, seconds=0.5)
    assert (len(found.samples), found.interval) == (1, None)


def test_options_reach_the_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, Any]] = []

    def replay(*_: object, **options: Any) -> SimpleNamespace:
        given.append(options)
        return SimpleNamespace(ns=3e9)

    monkeypatch.setattr(timing, "replay", replay)
    timing.timed("null", STREAM, seconds=0, timeout=7.0, rcache="off")
    assert {tuple(one.items()) for one in given} == {(("timeout", 7.0), ("rcache", "off"))}


def test_the_least_time_counts() -> None:
    times = iter([3.0, 1.0, 2.0, 0.5])
    assert timing.fastest(lambda: next(times), 3) == 1.0
    assert next(times) == 0.5


def test_a_short_replay_is_repeated_and_a_long_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    def nr_replays(seconds: float) -> int:
        clock, times = iter(n * seconds for n in range(99)), iter(range(99, 0, -1))
        monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
        return 100 - int(timing.fastest_within(lambda: next(times)))

    assert nr_replays(0.0) == timing.MOST_REPLAYS
    assert nr_replays(0.003) == 7
    assert nr_replays(0.1) == timing.LEAST_REPLAYS
    assert nr_replays(1.5) == 2


@pytest.mark.slow
def test_the_command_prints_the_interval() -> None:
    done = CliRunner().invoke(main, ["replay", "null", "near_empty", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    low, high = found["interval"]
    assert low <= found["ns_per_op"] <= high
    assert found["nr_samples"] == timing.NR_SAMPLES == 8


@pytest.mark.slow
def test_the_command_prints_three_digits_of_a_time() -> None:
    done = CliRunner().invoke(main, ["replay", "mainline", "random_replace@3000"])
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("time ")]
    times = re.findall(r"\d[\d,]*(?:\.\d+)?", line.replace(" 99 %", ""))
    times.remove("8")  # samples
    assert len(times) == 3
    assert all(len(re.sub(r"[,.]", "", one).strip("0")) <= 3 for one in times), line
