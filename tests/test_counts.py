"""Is a window counted once, whoever asks, and do all stored results have the same counts?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import iova_variants
from iova_lab import workloads
from iova_lab.checking import promises_results
from iova_lab.contention import store
from iova_lab.kernel import fidelity
from iova_lab.measuring import code_digest, counts, rows
from iova_lab.measuring.counts import count

RESULTS = Path(__file__).resolve().parent.parent / "results"
BUDGET = 10**6
#: Of nodes per op, where a file has rounded them.
DIGITS = 1e-3

Replays = list[tuple[Any, ...]]


@pytest.fixture
def replays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Replays:
    """The replays that are made while nothing has been counted before."""
    made: Replays = []
    replay = iova_variants.replay

    def noted(*arguments: Any, **options: Any) -> Any:
        made.append(arguments)
        return replay(*arguments, **options)

    monkeypatch.setattr(counts, "FOLDER", tmp_path / "counts")
    monkeypatch.setattr(iova_variants, "replay", noted)
    return made


@pytest.mark.parametrize(
    ("variant", "workload"),
    [("mainline", "ring"), ("maple", "full_32bit"), ("null", "ring"), ("retry", "sac_first")],
)
def test_a_window_is_counted_once_for_all_that_ask(
    variant: str, workload: str, replays: Replays
) -> None:
    stream = workloads.generate(workload, 200)
    first = count(variant, stream, BUDGET)
    assert len(replays) == 1
    assert count(variant, stream, BUDGET) == count(variant, stream) == first
    assert fidelity.nodes.__wrapped__(variant, workload, 200, 10 * BUDGET) == first.nodes_per_op
    assert len(replays) == 1
    visits = iova_variants.replay(variant, stream, op_visits=True).op_visits
    assert first.op_visits == tuple(visits.tolist())


def test_what_counts_depend_on_is_in_the_name(replays: Replays) -> None:
    stream = workloads.generate("ring", 200)
    asked: list[dict[str, Any]] = [
        {},
        {"rcache": "6.7"},
        {"stream": workloads.generate("ring", 300)},
        {"variant": "maple"},
    ]
    for one in asked:
        options: dict[str, Any] = {"variant": "mainline", "stream": stream} | one
        count(**options)
    assert len(replays) == len(asked) == len(list(counts.FOLDER.iterdir()))


def test_what_exceeds_a_budget_is_counted_once_too(replays: Replays) -> None:
    said = []
    for _ in range(2):
        with pytest.raises(iova_variants.TooLongError) as caught:
            count("mainline", workloads.generate("random_replace", 1000), 100)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert len(replays) == 1


def test_a_larger_budget_is_asked_anew_and_a_smaller_one_is_not_known(replays: Replays) -> None:
    stream = workloads.generate("random_replace", 1000)
    with pytest.raises(iova_variants.TooLongError):
        count("mainline", stream, 100)
    first = count("mainline", stream, 10**9)
    assert count("mainline", stream, 2 * 10**9) == first
    assert len(replays) == 2
    for budget in (50, 100):
        with pytest.raises(iova_variants.TooLongError):
            count("mainline", stream, budget)
    assert len(replays) == 2
    with pytest.raises(iova_variants.TooLongError):
        count("mainline", stream, 1000)
    assert len(replays) == 3


@pytest.mark.parametrize("text", ["", "{", "[]", '{"within": 1, "counts": {}}', '{"within": "no"}'])
def test_a_damaged_file_is_written_again(text: str, replays: Replays) -> None:
    stream = workloads.generate("ring", 200)
    first = count("mainline", stream)
    (path,) = counts.FOLDER.iterdir()
    path.write_text(text)
    assert count("mainline", stream) == first
    assert len(replays) == 2
    assert json.loads(path.read_text())["counts"]["nr_ops"] == first.nr_ops


def counted() -> pd.DataFrame:
    """Rows of `iova-lab counts`, by variant, workload and live ranges."""
    frame = pd.concat(
        pd.read_csv(RESULTS / "candidate" / name) for name in ("counts.csv.gz", "no_cache.csv.gz")
    )
    return frame.dropna(subset="nodes").set_index(["variant", "workload", "nr_live"])


def test_promises_have_the_counts_of_the_candidate() -> None:
    promised = promises_results.load(RESULTS / "promises").grid
    known = counted().reset_index()
    both = promised.merge(known, on=["variant", "workload", "nr_live"], suffixes=("", "_counted"))
    both = both.dropna(subset=["nodes", "nodes_per_op"])
    assert len(both) > 100
    assert (abs(both["nodes"] - both["nodes_per_op"]) <= DIGITS * both["nodes"].clip(1)).all()
    for ours, theirs in [
        ("worst", "worst_nodes"),
        ("failures", "failures_counted"),
        ("spurious", "spurious_counted"),
        ("not_highest", "not_highest_counted"),
        ("node_bytes", "node_bytes_counted"),
    ]:
        assert (both[ours] == both[theirs]).all(), ours


def test_contention_and_the_kernel_have_them_too() -> None:
    known = counted()
    nr_compared = 0
    for row in store.read(RESULTS / "contention", "services"):
        cell = row["variant"], row["workload"], row["nr_live"]
        if cell in known.index and not code_digest.is_old(row, row["variant"], "threaded"):
            most = max(row["alloc"]["max_nodes"], row["free"]["max_nodes"])
            assert most == known.loc[cell, "worst"], cell
            nr_compared += 1
    for row in rows.times(RESULTS / "kernel"):
        cell = row["variant"], row["workload"], row["nr_live"]
        is_todays = not code_digest.is_old(row, row["variant"], "timed")
        if cell in known.index and row["nodes"] is not None and is_todays:
            assert row["nodes"] == pytest.approx(known.loc[cell, "nodes"], abs=0.01, rel=DIGITS)
            nr_compared += 1
    assert nr_compared > 100
