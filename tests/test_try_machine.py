"""Does `try` report, before it measures, that times mean nothing on this machine?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result

from iova_lab.checking import doctor, skeleton
from iova_lab.checking.doctor import Check
from iova_lab.commands import try_steps
from iova_lab.commands.cli import main


@pytest.fixture(autouse=True)
def _nothing_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runs below end where the checks would begin, in a folder with a file."""
    monkeypatch.chdir(tmp_path)
    skeleton.write("mine", "list")
    monkeypatch.setattr(try_steps, "run", lambda *arguments: None)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["try", "mine.c", *arguments])


def unfit(monkeypatch: pytest.MonkeyPatch, *reasons: str) -> None:
    monkeypatch.setattr(doctor, "unfit", lambda: list(reasons))


def test_a_machine_that_cannot_time_is_named_first(monkeypatch: pytest.MonkeyPatch) -> None:
    unfit(monkeypatch, "load: 2.0 of 2 CPUs busy; load average 4.8", "CPUs: 1 allowed")
    done = run()
    assert done.stderr.startswith("iova-lab: times are not reliable on this machine now (load: ")
    assert "CPUs: 1 allowed); counts are exact" in " ".join(done.stderr.split())
    assert max(map(len, done.stderr.splitlines())) <= 78
    assert json.loads(run("--json").stdout)["unfit_for_times"] == doctor.unfit()


def test_a_machine_that_can_time_is_not_mentioned(monkeypatch: pytest.MonkeyPatch) -> None:
    unfit(monkeypatch)
    assert "reliable" not in run().stderr


def test_who_only_checks_is_not_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    unfit(monkeypatch, "CPUs: 1 allowed")
    assert "reliable" not in run("--check-only").stderr


def test_only_what_is_bad_makes_a_machine_unfit(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = [Check("load", "fine", "0.0"), Check("SMT", "note", "on"), Check("CPUs", "bad", "1")]
    monkeypatch.setattr(doctor, "_TIMING", [lambda check=check: check for check in looks])
    assert doctor.unfit() == ["CPUs: 1"]


@pytest.mark.parametrize(
    ("allowed", "status"), [([0], "bad"), ([0, 1], "fine"), ([3, 5, 7], "fine")]
)
def test_one_cpu_is_too_few(
    allowed: list[int], status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda process: allowed)
    assert doctor._cpus().status == status


@pytest.mark.parametrize(
    ("source", "status"), [("tsc", "fine"), ("hpet", "note"), ("jiffies", "bad"), ("", "bad")]
)
def test_a_clock_that_ticks_in_milliseconds_is_none(
    source: str, status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_read", lambda path: source)
    assert doctor._clock().status == status


def test_every_fact_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    from iova_lab.checking import odds
    from iova_lab.checking.checks import subject_of

    def check(trial: Any, *more: object) -> None:
        subject = subject_of("mine.c", Path())
        subject.facts.append(odds.words(2000))
        trial.checked.append(subject)

    monkeypatch.setattr(try_steps, "run", check)
    shown = run("--check-only").stdout
    assert odds.words(2000) in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 78
