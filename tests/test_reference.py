"""Does a reference go on where it was cut, and measure again what was disturbed?"""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from iova_lab.basics import repository
from iova_lab.basics.errors import IovaLabError
from iova_lab.basics.reading import read_rows
from iova_lab.measuring import carried, flags, reference, reference_load, results
from iova_lab.measuring.load import Load, Watch
from iova_lab.measuring.metrics import METRICS, MOST_BEHIND, RCACHE_METRICS
from iova_lab.measuring.reference import MeasuringError, Part, Reference
from iova_lab.measuring.reference_load import (
    COUNTS,
    MOST_TRIES,
    RCACHE_COUNTS,
    RCACHE_TIMES,
    TIMES,
    PartRow,
)
from iova_lab.reports import report_facts

MACHINE, COMMIT = "toy", "0123456789abcdef0123456789abcdef01234567"
VARIANTS = ["mainline", "null"]
PART = Part(TIMES, 1_000, ("ring", "startup"))
COUNTED = Part(COUNTS, 1_000, ("ring", "startup"))
NAMES = (*METRICS, *RCACHE_METRICS)
MEAN_NODES = "nodes.NodesMean.track_nodes_per_op"


class Asv:
    """Stores as asv does: a value for each cell that ``--bench`` names."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / MACHINE / f"{COMMIT[:8]}-env.json"
        self.commands: list[list[str]] = []
        self.stored: dict[str, dict[tuple[str, str], float]] = {}
        self.again = [1.0]
        self.status = 0
        self.path.parent.mkdir(parents=True)
        (self.path.parent / "machine.json").write_text(json.dumps({"machine": MACHINE}))
        versions = {name: {"version": "1"} for name in NAMES}
        (folder / "benchmarks.json").write_text(json.dumps({"version": 2, **versions}))

    def __call__(self, command: list[str]) -> int:
        self.commands.append(command)
        if self.status:
            return self.status
        wanted = command[command.index("--bench") + 1]
        again = self.again.pop(0) if len(self.again) > 1 else self.again[0]
        for name in NAMES:
            for variant in VARIANTS:
                for workload in PART.workloads:
                    if re.search(wanted, f"{name}('{variant}', '{workload}', 1000)"):
                        value = again if name.startswith("drift.Drift") else 1.0
                        value = 0.0 if name.startswith("coverage") else value
                        self.stored.setdefault(name, {})[variant, workload] = value
        self.write()
        return 0

    def write(self) -> None:
        """One file for the commit; NaN where nothing was measured."""
        columns = ["result", "params", "version", "stats_ci_99_a", "stats_ci_99_b"]
        params = [[repr(name) for name in VARIANTS], [repr(name) for name in PART.workloads]]
        rows = {}
        for name, cells in self.stored.items():
            values = [
                cells.get((variant, workload), float("nan"))
                for variant in VARIANTS
                for workload in PART.workloads
            ]
            low, high = [value * 0.9 for value in values], [value * 1.1 for value in values]
            rows[name] = [values, [*params, ["1000"]], "1", low, high]
        text = {
            "version": 2,
            "commit_hash": COMMIT,
            "date": 1,
            "params": {"machine": MACHINE},
            "result_columns": columns,
            "results": rows,
        }
        self.path.write_text(json.dumps(text))


@pytest.fixture
def asv(tmp_path: Path) -> Asv:
    return Asv(tmp_path)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def measuring(asv: Asv, tmp_path: Path, said: list[str]) -> Reference:
    return Reference(tmp_path, MACHINE, COMMIT, VARIANTS, asv, said.append)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the CPUs that other programs use."""

    def set_to(others: float) -> None:
        monkeypatch.setattr(Watch, "load", lambda self: Load(0.5, others, 0.0))

    set_to(0.0)
    return set_to


def rows_of(measuring: Reference) -> list[dict[str, object]]:
    return read_rows(measuring.loads, PartRow)


@pytest.mark.usefixtures("loads")
def test_what_is_stored_is_not_measured_again(measuring: Reference, asv: Asv) -> None:
    assert measuring.measure([COUNTED, PART]) == 0
    assert len(asv.commands) == 2
    assert measuring.left([COUNTED, PART]) == []
    assert measuring.measure([COUNTED, PART]) == 0
    assert len(asv.commands) == 2


@pytest.mark.usefixtures("loads")
def test_only_the_cells_that_are_missing_are_measured(measuring: Reference, asv: Asv) -> None:
    measuring.measure([COUNTED, PART])
    del asv.stored["latency.Latency.time_window"]["mainline", "startup"]
    asv.write()
    measuring.measure([COUNTED, PART])
    wanted = asv.commands[-1][-1]
    assert re.search(wanted, "latency.Latency.time_window('mainline', 'startup', 1000)")
    assert re.search(wanted, "drift.Drift.time_window('mainline', 'startup', 1000)")
    for other in (
        "'null', 'startup', 1000",
        "'mainline', 'ring', 1000",
        "'mainline', 'startup', 10",
    ):
        assert not re.search(wanted, f"latency.Latency.time_window({other})")


@pytest.mark.usefixtures("loads")
def test_a_new_commit_is_carried_over_but_for_what_has_changed(
    measuring: Reference, asv: Asv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measuring.measure([COUNTED, PART])
    head, clean = "f" * 40, {"diff": "", "show": "1700000000"}
    monkeypatch.setattr(repository, "output", lambda *words: clean[words[0]])
    monkeypatch.setattr(flags, "old_names", lambda commit: ["null"])
    assert carried.carry(tmp_path, MACHINE, COMMIT[:8], head) == ["null"]

    new = Reference(tmp_path, MACHINE, head, VARIANTS, asv, print)
    ((part, cells),) = new.left([PART])
    assert part == PART
    assert cells == {(variant, name) for variant in VARIANTS for name in PART.workloads}
    assert new.left([COUNTED])[0][1] == {("null", "ring"), ("null", "startup")}
    frame = reference.stored(tmp_path, MACHINE, head)
    assert frame is not None
    kept = results.select(frame, metric=METRICS[MEAN_NODES].name, variant="mainline")
    assert kept["status"].unique().tolist() == [results.MEASURED]
    assert set(kept["date"].dt.year) == {2023}
    assert len(reference_load.rows_of(tmp_path / MACHINE, head)) == 2
    facts = report_facts.facts(results.find_run(tmp_path, MACHINE, head), "mainline", None)
    assert "all but null, and the times of mainline" in facts["commit"]
    assert COMMIT[:12] in facts["commit"]

    with pytest.raises(IovaLabError, match="exists: `iova-lab reference` goes on"):
        carried.carry(tmp_path, MACHINE, COMMIT[:8], head)
    clean.pop("diff")
    monkeypatch.setattr(repository, "output", lambda *words: clean.get(words[0]))
    with pytest.raises(IovaLabError, match="the checkout is not at"):
        carried.carry(tmp_path, MACHINE, COMMIT[:8], "e" * 40)


@pytest.mark.usefixtures("loads")
def test_a_window_that_takes_long_is_not_timed(measuring: Reference, asv: Asv) -> None:
    measuring.measure([COUNTED])
    long = results.WINDOW_S * 1e9 / results.NODE_NS / results.nr_measured("ring") * 1.01
    asv.stored["nodes.NodesMean.track_nodes_per_op"]["mainline", "ring"] = long
    asv.write()
    ((_, cells),) = measuring.left([PART])
    assert cells == {("mainline", "startup"), ("null", "ring"), ("null", "startup")}
    frame = reference.stored(measuring.results_dir, measuring.machine, COMMIT)
    assert frame is not None
    whys = {
        name: results.why_missing(frame, "ns_per_op", "mainline", name, 1_000)
        for name in ("ring", "startup")
    }
    assert whys == {"ring": results.TOO_LONG, "startup": results.REASONS[results.NOT_MEASURED]}


def test_a_part_that_was_disturbed_is_measured_again_and_its_row_says_so(
    measuring: Reference, asv: Asv, said: list[str], loads: Callable[[float], None]
) -> None:
    loads(1.0)
    measuring.measure([PART])
    assert len(asv.commands) == MOST_TRIES
    assert [row["nr_try"] for row in rows_of(measuring)] == [1, 2, 3]
    assert all(row["disturbed"] == ["ring", "startup"] for row in rows_of(measuring))
    assert any("measured again: ring, startup" in line for line in said)
    words = reference_load.conditions(measuring.loads.parent, COMMIT)
    assert "others used at most 1.00 CPUs" in words
    assert "of 2 workloads and sizes 2 were disturbed 3 times and stand" in words
    assert reference_load.conditions(measuring.loads.parent, "another") == "not recorded"


@pytest.mark.usefixtures("loads")
def test_a_variant_that_differs_from_itself_is_measured_again(
    measuring: Reference, asv: Asv
) -> None:
    asv.again = [1.5, 1.0]
    measuring.measure([PART])
    assert [row["disturbed"] for row in rows_of(measuring)] == [["ring", "startup"], []]
    assert " 0 were disturbed" in reference_load.conditions(measuring.loads.parent, COMMIT)


@pytest.mark.usefixtures("loads")
def test_counts_are_exact_on_a_busy_machine(
    measuring: Reference, asv: Asv, loads: Callable[[float], None]
) -> None:
    loads(1.0)
    measuring.measure([COUNTED])
    assert len(asv.commands) == 1


@pytest.mark.usefixtures("loads")
def test_the_estimate_is_of_what_was_measured(measuring: Reference) -> None:
    left = [(PART, {("mainline", "ring")})]
    assert measuring.estimate(left) == "no estimate yet"
    measuring.measure([PART])
    assert "about 1 min left" in measuring.estimate(left)


def test_where_asv_fails_nothing_is_said_to_be_whole(measuring: Reference, asv: Asv) -> None:
    asv.status = 1
    with pytest.raises(MeasuringError, match="status 1"):
        measuring.measure([PART])
    asv.status = reference.INTERRUPTED
    with pytest.raises(KeyboardInterrupt):
        measuring.measure([PART])
    assert rows_of(measuring) == []


@pytest.mark.slow
def test_two_cannot_measure_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    hold = (
        "from iova_lab.measuring.reference import alone_on_machine as alone\n"
        "with alone():\n    print('held', flush=True); input()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        with pytest.raises(MeasuringError, match="another run"), reference.alone_on_machine():
            pass
        other.communicate("\n")
    with reference.alone_on_machine():
        pass


def test_the_smallest_sizes_come_first_and_their_counts_before_their_times() -> None:
    found = reference.parts([100, 1_000], reference.KINDS)
    assert [part.nr_live for part in found] == sorted(part.nr_live for part in found)
    assert [found[0].kind, found[1].kind] == [COUNTS, TIMES]
    timed = [name for part in found for name in part.workloads if part.nr_live == 1_000]
    assert "near_empty" not in timed  # it has one size


def test_sizes_behind_an_rcache_end_at_ten_thousand_live_ranges() -> None:
    found = reference.parts([MOST_BEHIND, 100_000], reference.KINDS)
    behind = {part.nr_live for part in found if part.kind in (RCACHE_COUNTS, RCACHE_TIMES)}
    assert behind == {MOST_BEHIND}


@pytest.mark.usefixtures("loads")
def test_what_is_behind_an_rcache_is_measured_apart(measuring: Reference, asv: Asv) -> None:
    behind = [Part(kind, 1_000, ("ring",)) for kind in (RCACHE_COUNTS, RCACHE_TIMES)]
    measuring.measure([PART, *behind])
    assert measuring.left([PART, *behind]) == []
    timed = asv.commands[-1][-1]
    assert re.search(timed, "rcache.LatencyBehind73.time_window('mainline', 'ring', 1000)")
    assert not re.search(timed, "latency.Latency.time_window('mainline', 'ring', 1000)")
    assert not re.search(timed, "rcache.Nodes.track_nodes_per_op('mainline', 'ring', 1000)")
    del asv.stored["rcache.Nodes.track_nodes_per_op"]["mainline", "ring"]
    asv.write()
    assert measuring.left([PART, *behind]) == [(behind[0], {("mainline", "ring")})]


def test_a_run_that_is_cut_at_the_largest_size_loses_one_workload() -> None:
    found = reference.parts([10_000, 1_000_000], reference.KINDS)
    assert {len(part.workloads) for part in found if part.nr_live == 1_000_000} == {1}
    assert len([part for part in found if (part.kind, part.nr_live) == (COUNTS, 10_000)]) == 1


def test_the_graphs_have_a_past_of_exact_counts() -> None:
    """Nine earlier commits, each with the same cells, of one benchmark."""
    folder = Path(__file__).resolve().parent.parent / "results" / "reference"
    stored = [json.loads(path.read_text()) for path in sorted(folder.glob("*-*.json"))]
    past = [one["results"] for one in stored if set(one["results"]) == {MEAN_NODES}]
    assert len(past) >= 8
    # What asv did not run is NaN; near_empty and the trace have one size.
    cells = {tuple(not math.isnan(value) for value in one[MEAN_NODES][0]) for one in past}
    assert [sum(found) for found in cells] == [50]
