"""Is nothing lost of a sweep, whoever dies, and is a cluster no different from processes here?"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from iova_lab.basics.reading import read_rows
from iova_lab.commands.cli import main
from iova_lab.contention import holds, study, sweep
from iova_lab.contention.constants import Constants
from iova_lab.contention.published import fixed
from iova_lab.contention.sweep import Cell
from iova_lab.measuring import workers
from iova_lab.measuring.workers import WorkersError
from tests.support.lab import take_interrupts

pytestmark = pytest.mark.slow

CONSTANTS = Constants(handoff_ns=70.0, remote_ns=60.0, source="chosen")
#: Machine constants need not be measured: no busy machine can fail a test.
GIVEN = "--handoff-ns 70 --remote-ns 60"
SERVICE = fixed(1000.0, 100.0).as_row()
DIGEST = sweep.digest(SERVICE)
SERVICES = {DIGEST: SERVICE}
ROOT = Path(__file__).resolve().parent.parent


def cells(nr: int = 6) -> list[Cell]:
    return [
        Cell("published", "near_empty", 0, "strict", cpus, DIGEST, max_sections=500)
        for cpus in range(1, nr + 1)
    ]


def die_once(service: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
    """Kill the worker that has the third cell, the first time; ``seed`` tells where to note it."""
    marker = Path(os.environ["IOVA_LAB_TEST_MARKER"])
    if cell["nr_cpus"] == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return sweep.simulate(service, cell)


def die(service: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
    os.kill(os.getpid(), signal.SIGKILL)
    return cell


def fail(service: dict[str, Any], cell: dict[str, Any]) -> dict[str, Any]:
    raise ZeroDivisionError("a mistake of ours")


def expected() -> list[dict[str, Any]]:
    return [sweep.simulate(SERVICE, vars(cell)) for cell in cells()]


def by_cpus(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(found, key=lambda row: row["nr_cpus"])


def test_every_cell_is_written_and_none_is_done_twice(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    local = workers.executor_for(None, 2)
    assert sweep.run(cells(3), SERVICES, path, make_executor=local) == 3
    path.write_text(path.read_text() + '{"variant": "cut off')  # what a killed run leaves
    assert sweep.run(cells(), SERVICES, path, make_executor=local) == 3
    assert sweep.run(cells(), SERVICES, path, make_executor=local, work=fail) == 0
    assert by_cpus(read_rows(path)) == expected()


def test_a_worker_that_dies_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOVA_LAB_TEST_MARKER", str(tmp_path / "died"))
    path = tmp_path / "sweep.jsonl"
    sweep.run(cells(), SERVICES, path, make_executor=workers.executor_for(None, 2), work=die_once)
    assert (tmp_path / "died").exists()
    assert by_cpus(read_rows(path)) == expected()


def test_workers_that_always_die_are_given_up(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    local = workers.executor_for(None, 1)
    sweep.run(cells(2), SERVICES, path, make_executor=local)
    with pytest.raises(WorkersError, match=r"workers died 4 times; 0 of 4 cells are in .*\.jsonl"):
        sweep.run(cells(), SERVICES, path, make_executor=local, work=die)
    assert len(read_rows(path)) == 2


def test_a_mistake_of_the_work_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        sweep.run(
            cells(),
            SERVICES,
            tmp_path / "sweep.jsonl",
            make_executor=workers.executor_for(None, 1),
            work=fail,
        )


def test_an_interrupted_sweep_keeps_its_rows_and_says_one_line(tmp_path: Path) -> None:
    path = tmp_path / "sweep.jsonl"
    cpus = ",".join(str(nr) for nr in range(600, 640))
    process = subprocess.Popen(
        f"{sys.executable} -m iova_lab contention sweep --results {tmp_path} --variants null"
        f" --workloads near_empty@10 --cpus {cpus} --seconds 0.01 {GIVEN}".split(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
        preexec_fn=take_interrupts,
    )
    while not read_rows(path):
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: workers get it as well
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.strip().endswith("interrupted; what was written so far is whole")
    assert 0 < len(read_rows(path)) < 40


# ---- a Dask cluster: a real scheduler, two worker processes ----


def start(*arguments: str, env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=env,
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """Address of a scheduler that has two workers, which can import this module."""
    contact = tmp_path / "scheduler.json"
    env = os.environ | {
        "PYTHONPATH": str(ROOT),
        "IOVA_LAB_TEST_MARKER": str(tmp_path / "died"),
        "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    }
    scheduler = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    worker = ["worker", "--nthreads", "1", "--no-nanny", "--no-dashboard"]
    file = ["--scheduler-file", str(contact)]
    started = [start(*scheduler, *file, env=env)]
    with contextlib.ExitStack() as stack:
        started += [
            start(*worker, *file, "--local-directory", str(tmp_path), env=env) for _ in range(2)
        ]
        for process in started:
            stack.callback(process.kill)
        address = _address(contact, started[0])
        _wait_for_workers(address, 2)
        yield address


def _address(contact: Path, scheduler: subprocess.Popen[bytes]) -> str:
    import json

    while not contact.exists():
        assert scheduler.poll() is None
        time.sleep(0.05)
    return str(json.loads(contact.read_text())["address"])


def _wait_for_workers(address: str, nr: int) -> None:
    import distributed

    connect: Any = distributed.Client
    with connect(address, timeout=60, set_as_default=False) as client:
        client.wait_for_workers(nr)


def test_a_cluster_says_what_processes_say_though_a_worker_is_killed(
    cluster: str, tmp_path: Path
) -> None:
    path = tmp_path / "sweep.jsonl"
    make_executor = workers.executor_for(cluster)
    assert sweep.run(cells(), SERVICES, path, make_executor=make_executor, work=die_once) == 6
    assert (tmp_path / "died").exists()
    assert by_cpus(read_rows(path)) == expected()
    # The command line, on what is left of the cluster.
    out = CliRunner().invoke(
        main,
        f"contention sweep --results {tmp_path}/results --scheduler {cluster}"
        f" --variants null,mainline --workloads near_empty@10 --cpus 1,3 {GIVEN}",
    )
    assert out.exit_code == 0, out.output
    assert "simulated now: 4 cells" in out.output
    found = read_rows(tmp_path / "results" / "sweep.jsonl")
    assert {(row["variant"], row["nr_cpus"]) for row in found} == {
        (variant, cpus) for variant in ("null", "mainline") for cpus in (1, 3)
    }


@pytest.mark.parametrize(
    "address", [pytest.param("tcp://127.0.0.1:9", marks=pytest.mark.long), "nonsense://x"]
)
def test_a_scheduler_that_is_not_there_is_one_line(address: str, tmp_path: Path) -> None:
    out = CliRunner().invoke(
        main,
        f"contention sweep --results {tmp_path} --scheduler {address}"
        f" --variants mainline --workloads near_empty@10 --cpus 1 {GIVEN}",
    )
    assert out.exit_code == 1
    assert f"iova-lab: no Dask scheduler at {address}" in out.output
    # What was measured is kept.
    assert len(read_rows(tmp_path / "services.jsonl")) == 1


def test_measuring_again_takes_the_old_rows_place(tmp_path: Path) -> None:
    asked = [("mainline", "near_empty", 10)]
    holds.measured(asked, tmp_path, CONSTANTS, seconds=0.01)
    first = read_rows(tmp_path / "services.jsonl")
    holds.measured(asked, tmp_path, CONSTANTS, seconds=0.01)
    assert read_rows(tmp_path / "services.jsonl") == first
    holds.measured(asked, tmp_path, CONSTANTS, seconds=0.01, again=True)
    assert len(read_rows(tmp_path / "services.jsonl")) == 1


def test_the_command_lines_names_are_the_models() -> None:
    """Said twice, so that --help need not import what simulates."""
    from iova_lab.commands import contention, contention_sweep
    from iova_lab.contention import scenarios

    assert list(contention.SCENARIOS) == list(scenarios.SCENARIOS)
    assert contention.SCENARIO == study.SCENARIO
    default = next(p.default for p in contention_sweep.sweep_command.params if p.name == "cpus")
    assert default == ",".join(map(str, study.CPUS))
