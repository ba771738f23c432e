"""Machine constants are the same for every cell, and implausible samples are named and left out.

The right values are those of the rows stored in tests/golden/contention.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from iova_lab.basics.reading import read_rows
from iova_lab.basics.writing import append_row
from iova_lab.commands.cli import main
from iova_lab.contention import (
    constants,
    holds,
    host,
    lockups,
    plausible,
    scenarios,
    service,
    study,
    sweep,
    tables,
)
from iova_lab.contention.constants import Constants, ConstantsError
from iova_lab.contention.model import predict
from iova_lab.contention.service import ImplausibleError, Service
from iova_lab.contention.sweep import Cell
from iova_lab.measuring import load
from iova_lab.measuring.load import Load, Watch
from iova_variants import child
from iova_variants.watch import Limits

HOST = {"what": "host", "num_cpu": "2", "os": "Debian"}
GOLDEN = Path(__file__).parent / "golden" / "contention"
IDLE, BUSY = Load(0.2, 0.0, 0.0), Load(4.1, 1.4, 0.03)


@pytest.fixture(scope="module")
def stored() -> dict[holds.Asked, dict[str, Any]]:
    return holds.stored(GOLDEN)


def raw(row: dict[str, Any]) -> Service:
    return Service.from_row(row)


# ---- constants ----


def test_constants_of_stored_cells_are_of_one_state_of_the_host() -> None:
    def row(handoff: float, remote: float) -> dict[str, Any]:
        kind = {"nr": 1, "remote_ns": remote}
        return {"handoff_ns": handoff, "alloc": kind, "free": kind}

    found = constants.from_services(
        [row(68.0, 58.0), row(70.0, 60.0), row(72.0, 62.0), row(260.0, 500.0), row(22_780.0, 70.0)]
    )
    assert (found.handoff_ns, found.remote_ns) == (70.0, 60.0)
    assert "3 of 5 stored cells" in found.source
    with pytest.raises(ConstantsError, match="no row of services"):
        constants.from_services([])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "two threads met on the lock in 0 of 15"),
        ([60.0, 65.0, 260.0, 250.0] * 3, "64 to 252 ns"),
    ],
)
def test_rounds_that_disagree_are_no_constant(
    values: list[float], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "handoffs", lambda rounds: values)
    with pytest.raises(ConstantsError, match=message):
        constants.measure(remote_ns=60.0)


def test_a_constant_is_the_median_of_its_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "handoffs", lambda rounds: [70.0] * 8 + [38e6] * 2)
    assert constants.measure(remote_ns=60.0).handoff_ns == 70.0
    given = constants.measure(12.0, 13.0)
    assert (given.handoff_ns, given.remote_ns) == (12.0, 13.0)


def test_every_cell_is_simulated_with_the_same_constants(
    stored: dict[holds.Asked, dict[str, Any]],
) -> None:
    chosen = Constants(70.0, 60.0, "chosen")
    found = holds.with_holds(stored, chosen)
    assert len(found) > 5
    assert {row["handoff_ns"] for row in found.values()} == {70.0}
    assert {row["alloc"]["remote_ns"] for row in found.values()} == {60.0}
    assert len({row["handoff_ns"] for row in stored.values()}) > 3  # each had its own


@pytest.mark.slow
def test_aligned_holes_with_one_constant_for_both(
    stored: dict[holds.Asked, dict[str, Any]],
) -> None:
    """It was 0.664 ms beside the candidate's 0.157: two states of the host were compared."""
    waits = {}
    for name, found in holds.with_holds(stored, Constants(69.4, 60.0, "chosen")).items():
        if name[1] == "aligned_holes":
            asked = scenarios.scenario("lazy", 1024, "aligned_holes")
            waits[name[0]] = predict(Service.from_row(found), asked, max_sections=40_000)
    waits_ms = {name: one.max_wait_ns / 1e6 for name, one in waits.items()}
    assert waits_ms == pytest.approx({"mainline": 0.147, "candidate": 0.154}, rel=0.02)


def _fixed(alloc: float, free: float) -> Service:
    from iova_lab.contention.published import fixed

    return fixed(alloc, free)


# ---- plausibility ----


def test_an_interrupted_remote_cost_is_named(stored: dict[holds.Asked, dict[str, Any]]) -> None:
    row = stored["mainline", "high_limit", 1_000_000]
    assert plausible.remote_doubts(row["alloc"], row["handoff_ns"])
    assert not plausible.remote_doubts(row["free"], row["handoff_ns"])
    usual = row["alloc"] | {"remote_ns": 5_358.0}
    assert not plausible.remote_doubts(usual, row["handoff_ns"])


@pytest.mark.parametrize(
    ("error", "mean_error", "mean_nodes", "refused"),
    [
        (0.1, -0.05, 5_000.0, False),
        (0.62, -0.05, 5_000.0, True),
        (0.1, -0.8, 5_000.0, True),
        (0.62, -0.8, 3.0, False),  # too few nodes for a cost of a node: nobody uses it
    ],
)
def test_a_fit_is_refused_by_its_residuals(
    error: float, mean_error: float, mean_nodes: float, refused: bool
) -> None:
    kind = {"nr": 600, "error": error, "mean_error": mean_error, "mean_nodes": mean_nodes}
    assert bool(plausible.fit_doubts(kind)) == refused


def test_interrupted_holds_are_taken_from_a_good_fit_or_refused(
    stored: dict[holds.Asked, dict[str, Any]],
) -> None:
    bad = stored["max32", "sac_first", 100_000]
    assert plausible.service_doubts(bad)
    assert ("max32", "sac_first", 100_000) not in holds.with_holds(
        stored, Constants(70.0, 60.0, "chosen")
    )
    # The same holds, with a fit that is good.
    good = bad | {"alloc": bad["alloc"] | {"error": 0.1, "mean_error": 0.0}}
    assert not plausible.service_doubts(good)
    assert raw(good).alloc.max_ns > 1e6
    most = good["alloc"]["base_ns"] + good["alloc"]["ns_per_node"] * good["alloc"]["max_nodes"]
    assert raw(good).undisturbed().alloc.max_ns == pytest.approx(most, rel=0.01)


def test_a_cost_of_a_node_is_the_median_of_the_good_fits_of_its_size() -> None:
    def row(nr_live: int, ns: float, error: float) -> dict[str, Any]:
        kind = {"nr": 1, "ns_per_node": ns, "error": error, "mean_error": 0.0}
        return {"nr_live": nr_live, "alloc": kind | {"mean_nodes": 5_000.0, "base_ns": 9.0}}

    found = plausible.node_costs(
        [
            *(row(100_000, ns, 0.1) for ns in (4.6, 4.7, 4.9)),
            row(100_000, 60.0, 0.6),
            *(row(1_000_000, ns, 0.6) for ns in (20.0, 30.0, 5.0)),
            row(1_000_000, 29.6, 0.1),
        ]
    )
    assert found == {100_000: 4.7}
    assert study.costs_of(100, found) == [(4.7, True)]
    assert study.costs_of(1_000_000, found) == [(16.0, False), (33.0, False)]


@pytest.mark.slow
def test_lockups_of_high_limit_with_a_plausible_remote_cost(
    stored: dict[holds.Asked, dict[str, Any]],
) -> None:
    """With 38.96 ms it was 5 CPUs; soft 21 and 11 with 16 and 33 ns a node, hard none and 576."""
    row = stored["mainline", "high_limit", 1_000_000]
    measured = raw(row)
    plain = replace(measured, alloc=replace(measured.alloc, remote_ns=5_358.0))
    found = {}
    for ns in (16.0, 33.0):
        cell = Cell("mainline", "high_limit", 1_000_000, "lazy", 1024, "-", ns_per_node=ns)
        cell = replace(cell, here=False, max_sections=20_000)
        answer = lockups.smallest(plain.as_row(), vars(cell))
        found[ns] = (answer["soft_cpus"], answer["hard_cpus"])
    assert found == {16.0: (21, None), 33.0: (11, 576)}


def test_a_cell_is_measured_again_while_it_is_not_plausible(
    monkeypatch: pytest.MonkeyPatch, stored: dict[holds.Asked, dict[str, Any]]
) -> None:
    bad = raw(stored["max32", "sac_first", 100_000])
    good = raw(stored["mainline", "near_empty", 100])
    taken = [bad, good, good]
    monkeypatch.setattr(constants, "handoffs", lambda rounds: [70.0])
    monkeypatch.setattr(service, "measure", lambda *_, **__: taken.pop(0))
    row = holds._measure(("v", "near_empty", 100), Constants(70.0, 60.0, ""), 0.1)
    assert row["doubts"] == []
    assert len(taken) == 1
    taken = [bad] * 5
    row = holds._measure(("v", "near_empty", 100), Constants(70.0, 60.0, ""), 0.1)
    assert row["doubts"]
    assert len(taken) == 5 - holds.ATTEMPTS


def test_validation_rows_without_a_calm_round_are_left_out() -> None:
    row = read_rows(GOLDEN / "validation.jsonl")[0]
    assert not plausible.validation_doubts(row)
    assert "no round" in plausible.validation_doubts(row | {"nr_calm": 0})[0]
    assert plausible.validation_doubts(row | {"remote_alloc_ns": 38.96e6})


# ---- the sweep ----


@pytest.mark.slow
def test_a_stored_sweep_measures_nothing_and_drops_rows_of_other_constants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "measure", None)
    monkeypatch.setattr(constants, "measure", None)
    for row in read_rows(GOLDEN / "services.jsonl"):
        append_row(tmp_path / "services.jsonl", row)
    old = read_rows(GOLDEN / "sweep.jsonl")[0]
    append_row(tmp_path / "sweep.jsonl", old | {"handoff_ns": 260.8})
    command = f"contention sweep --stored --results {tmp_path} --jobs 1 --lockups ''"
    out = CliRunner().invoke(main, f"{command} --workloads near_empty@100 --cpus 1,4".split())
    assert out.exit_code == 0, out.output
    found = read_rows(tmp_path / "sweep.jsonl")
    assert {(row["variant"], row["nr_cpus"]) for row in found} == {
        (name, cpus) for name in ("mainline", "augmented") for cpus in (1, 4)
    }
    stored = {row["what"]: row for row in read_rows(tmp_path / "host.jsonl")}
    used = {(row["handoff_ns"], row["remote_ns"]) for row in found}
    assert used == {(stored["constants"]["handoff_ns"], stored["constants"]["remote_ns"])}


def test_a_stored_sweep_of_nothing_is_no_success(tmp_path: Path) -> None:
    row = read_rows(GOLDEN / "services.jsonl")[0]
    append_row(tmp_path / "services.jsonl", row)
    command = f"contention sweep --stored --results {tmp_path} --jobs 1 --variants null"
    out = CliRunner().invoke(main, f"{command} --workloads ring@1000 --cpus 1".split())
    assert out.exit_code == 1
    assert "has none of the cells" in out.output


def test_constants_of_another_machine_are_refused(tmp_path: Path) -> None:
    append_row(tmp_path / "host.jsonl", HOST | {"cpu": "Another 9000"})
    append_row(tmp_path / "host.jsonl", Constants(1.0, 2.0, "x").as_row())
    with pytest.raises(ConstantsError, match="another machine \\(Another 9000"):
        host.constants_for(tmp_path)


# ---- load, and times for people ----


def test_load_is_told_and_stored() -> None:
    assert not IDLE.is_loaded
    assert BUSY.is_loaded
    assert msgspec.convert(BUSY.as_row(), Load) == BUSY
    assert BUSY.as_row()["loaded"] is True
    assert tables.load_line(IDLE).startswith("load: idle")
    assert tables.load_line(BUSY).startswith("WARNING: this machine was loaded")
    assert "used 1.4 CPUs, 3.0% of the CPU time was stolen" in tables.load_line(BUSY)
    lines = tables.loaded_lines([{"load": IDLE.as_row()}, {"load": BUSY.as_row()}, {}])
    assert lines[0].startswith("WARNING: 1 of 2 cells were measured on a loaded machine")
    assert Watch().load().others >= 0


def burn(tell: child.Tell) -> None:
    while time.process_time() < 0.5:
        pass


@pytest.mark.slow
def test_what_a_child_used_is_not_another_programs() -> None:
    before = load._spent_by_us()
    child.run_in_child(burn, Limits(wall_s=600))
    assert load._spent_by_us() - before >= 0.4


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (4.67e12, "77.8 min"),
        (20e9, "20 s"),
        (119e9, "119 s"),
        (9e12, "2.5 h"),
        (3e14, "3.47 days"),
        (999.7e3, "1 ms"),
        (85.6e6, "85.6 ms"),
        (66.4, "66.4 ns"),
    ],
)
def test_times_are_in_units_that_people_read(ns: float, text: str) -> None:
    assert tables.duration(ns) == text


def test_predict_refuses_what_does_not_fit_and_names_the_load(
    monkeypatch: pytest.MonkeyPatch, stored: dict[holds.Asked, dict[str, Any]]
) -> None:
    bad = raw(stored["mainline", "high_limit", 1_000_000])
    with pytest.raises(ImplausibleError, match=r"other programs used 1\.4 CPUs"):
        service.require_plausible(bad, BUSY)
    service.require_plausible(bad, BUSY, ns_per_node=16.0)  # the holds aren't used
    service.require_plausible(raw(stored["mainline", "near_empty", 100]), IDLE)
    monkeypatch.setattr(constants, "measure", lambda *_: Constants(70.0, 60.0, "chosen"))
    monkeypatch.setattr(service, "measure", lambda *_, **__: bad)
    command = "contention predict mainline high_limit@100 --cpus 2".split()
    out = CliRunner().invoke(main, command)
    assert out.exit_code == 1
    assert "fit within 46%, of at most 25%" in out.output
    assert "nothing is predicted for mainline" in out.output
    assert "hard lockup" not in out.output
    out = CliRunner().invoke(main, [*command, "--ns-per-node", "16"])
    assert out.exit_code == 0, out.output
    assert "hard lockup" in out.output
    assert "load" in out.output


def test_a_row_holds_the_constants_it_was_simulated_with() -> None:
    measured = _fixed(10.0, 10.0).on(Constants(70.0, 60.0, "chosen"))
    cell = Cell("published", "near_empty", 0, "strict", 2, "-", max_sections=50)
    row = sweep.simulate(measured.as_row(), vars(cell))
    assert (row["handoff_ns"], row["remote_ns"]) == (70.0, 60.0)
