"""Is the command line as docs/cli.md says: help, completion, exit statuses, colours, JSON?"""

from __future__ import annotations

import contextlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import NotFoundError
from iova_lab.checking import skeleton
from iova_lab.checking.doctor import Check
from iova_lab.checking.noise import noise
from iova_lab.commands.cli import main
from iova_lab.comparison import trial
from tests.support.command_line import COMMANDS

ROOT = Path(__file__).resolve().parent.parent


def examples(command: click.Command) -> list[str]:
    _, _, text = inspect.cleandoc(command.help or "").partition("\b\nExamples:\n")
    return [line.strip() for line in text.splitlines() if line.strip()]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_and_examples_that_parse(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.get_short_help_str()
    shown = examples(command)
    assert shown, "no Examples: in its help (docs/cli.md says how)"
    for line in shown:
        ours = next(part for part in line.split(" | ") if "iova-lab" in part)
        words = shlex.split(ours.split(" > ")[0], comments=True)
        if words[0] == "eval":
            words = shlex.split(words[1].removeprefix("$(").removesuffix(")"))
        assert words[0] == "iova-lab"
        parse(words[1:])


def parse(words: list[str]) -> None:
    """Hold options and arguments against the command, and run nothing."""
    command: click.Command = main
    context = None
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        context = click.Context(command, info_name=words[0], parent=context)
        command, words = command.commands[words[0]], words[1:]
    with contextlib.suppress(click.BadParameter, NotFoundError):  # a file that is not here
        command.make_context(" ".join(words), list(words), parent=context)


def complete(*words: str) -> list[str]:
    """What bash would offer, asked as bash asks."""
    environment = {
        **os.environ,
        "_IOVA_LAB_COMPLETE": "bash_complete",
        "COMP_WORDS": shlex.join(["iova-lab", *words]),
        "COMP_CWORD": str(len(words)),
    }
    code = "from iova_lab.commands.cli import main; main(prog_name='iova-lab')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_the_shell_completes_commands_variants_and_workloads() -> None:
    assert complete("do") == ["doctor"]
    assert complete("replay", "al") == ["alignable"]
    assert complete("replay", "mainline", "r") == [
        name for name in workloads.names() if name.startswith("r")
    ]
    assert set(complete("try", "mine.c", "--against", "")) >= set(iova_variants.names())


@pytest.mark.slow
def test_the_shell_completes_files_of_the_right_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.c", "mine.h", "sub/other.c"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert complete("try", "") == ["mine.c", "sub/"]
    assert complete("try", "sub/") == ["sub/other.c"]
    assert complete("replay", "./m") == ["./mine.c"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_what_the_shell_reads(shell: str) -> None:
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert "_IOVA_LAB_COMPLETE" in done.stdout
    assert "iova-lab" in done.stdout


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("list", 0, ""),
        ("replay mapel ring", 1, "iova-lab: no variant named 'mapel'; there are: "),
        ("replay mainline rnig", 1, "iova-lab: no workload named 'rnig'; there are: "),
        ("try", 2, "name one C file, or two, or a diff with --patch"),
        ("try a.c b.c c.c", 2, "name one C file, or two, or a diff with --patch"),
        ("try nowhere.c", 1, "iova-lab: no such file: nowhere.c"),
        ("try README.md", 1, "iova-lab: README.md is no C file: its name must end in .c"),
        ("try --patch nowhere.diff", 1, "iova-lab: no such file: nowhere.diff"),
        ("try mine.c --against mapel", 1, "iova-lab: no variant named 'mapel'; there are: "),
        ("new 3d", 1, "iova-lab: '3d' can't be a variant's name"),
        ("new while", 1, "iova-lab: 'while' can't be a variant's name"),
        ("nonsense", 2, "No such command 'nonsense'"),
        ("contention run null ring --threads many", 2, "'many' is not a valid integer"),
        ("replay mainline ring@many", 1, "what follows @ is a number of live ranges"),
        ("replay mainline rnig@10", 1, "iova-lab: no workload named 'rnig'; there are: "),
        ("replay mainline ring@0", 1, "so not 0"),
        ("contention run null ring@0", 1, "so not 0"),
        ("instructions null mainline near_empty@5000", 1, "so not 5000"),
        ("replay mainline ring --nr-live 10", 2, "No such option '--nr-live'"),
        ("compare mainline maple --nr-live 10", 2, "No such option '--nr-live'"),
        ("contention sweep --workloads ring:1000", 1, "follows @, as in ring@1000"),
        ("evidence", 2, "No such command 'evidence'"),
        ("contents", 2, "No such command 'contents'"),
        ("contention report", 2, "No such command 'report'"),
        ("kernel report", 2, "No such command 'report'"),
        ("claims --report", 2, "No such option '--report'"),
        ("promises", 2, "`iova-lab report promises` writes the page alone"),
        ("completion csh", 2, "'csh' is not one of 'bash', 'zsh', 'fish'"),
    ],
)
def test_exit_status_and_one_line(
    line: str, status: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.c", "README.md"):
        (tmp_path / name).touch()
    done = CliRunner().invoke(main, shlex.split(line))
    assert done.exit_code == status, done.output
    assert says in done.output
    assert "Traceback" not in done.output
    if status == 1:
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_list_and_replay_speak_json() -> None:
    listed = json.loads(CliRunner().invoke(main, ["list", "--json"]).stdout)
    assert [row["name"] for row in listed["variants"]] == iova_variants.names()
    assert [row["name"] for row in listed["workloads"]] == workloads.names()
    assert all(row["summary"] for row in listed["variants"] + listed["workloads"])
    for rcache in ("off", "6.7"):
        done = CliRunner().invoke(
            main, ["replay", "mainline", "ring", "--json", "--rcache", rcache]
        )
        replayed = json.loads(done.stdout)
        assert replayed["nr_ops"] == 1200
        assert (replayed["rcache"] is None) == (rcache == "off")


@pytest.mark.slow
def test_a_size_is_written_behind_an_at() -> None:
    given = ("ring@1000", "ring@100", "ring")
    done = [CliRunner().invoke(main, ["replay", "null", one, "--json"]) for one in given]
    assert not done[0].stderr
    sizes = [json.loads(one.stdout)["nr_ageing"] for one in done]
    assert sizes[0] != sizes[1] == sizes[2]


@pytest.mark.slow
@pytest.mark.parametrize(("extra", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_heeded(extra: dict[str, str], coloured: bool) -> None:
    command = [sys.executable, "-m", "iova_lab", "doctor", "--seconds", "0"]
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment | extra, cwd=ROOT
    )
    assert "C compiler" in done.stdout
    assert bool(re.search(r"\x1b\[[\d;]*3\d", done.stdout)) == coloured


def test_doctor_says_what_is_wrong_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Check("load", "fine", "0.1 of 8 CPUs busy"),
        Check("turbo", "bad", "on", "the clock depends on heat", "echo 1 > no_turbo"),
        Check("git", "missing", "none", "", "apt install git"),
        Check("SMT", "note", "on", "a neighbour", "switch it off"),
    ]
    monkeypatch.setattr("iova_lab.checking.doctor.checks", lambda kernels: iter(found))
    done = CliRunner().invoke(main, ["doctor", "--seconds", "0"])
    assert done.exit_code == 1
    for text in ("BAD  turbo: on", "the clock depends on heat", "-> echo 1 > no_turbo", "MISSING"):
        assert text in done.stdout
    assert "Not fit for times: turbo, git." in done.stdout
    as_json = CliRunner().invoke(main, ["doctor", "--seconds", "0", "--json"])
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["fit"] is False
    del found[1:3]
    fit = CliRunner().invoke(main, ["doctor", "--seconds", "0"])
    assert fit.exit_code == 0
    assert "Fit to measure on." in fit.stdout


@pytest.mark.slow
def test_doctor_looks_at_this_machine() -> None:
    done = CliRunner().invoke(main, ["doctor", "--seconds", "0", "--json"])
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert {"load", "virtual machine", "CPU frequency", "clock source", "memory"} <= set(checks)
    assert checks["C compiler"]["status"] == "fine"
    for check in checks.values():
        assert check["found"]
        assert check["status"] == "fine" or check["means"] or check["do"], check


@pytest.mark.parametrize("flavour", skeleton.FLAVOURS)
def test_new_refuses_to_overwrite(
    flavour: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = CliRunner().invoke(main, ["new", "mine", "--flavour", flavour])
    assert first.exit_code == 0
    written = (tmp_path / "mine.c").read_bytes()
    again = CliRunner().invoke(main, ["new", "mine", "--flavour", flavour])
    assert again.exit_code == 1
    assert "mine.c exists, and stays as it is" in again.stderr
    assert (tmp_path / "mine.c").read_bytes() == written


@pytest.mark.slow
def test_doctor_says_so_when_there_was_no_time_to_measure() -> None:
    found = noise(trial.noise(0.5, lambda text, share: None), 0.5)
    assert (found.status, found.found) == ("bad", "not known")
    assert found.do == "iova-lab doctor --seconds 60"
