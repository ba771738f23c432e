"""Several processes build in one folder, and none takes another's files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
NR_PROCESSES = 3

#: Compiles one variant.
COMPILE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import building
print(building.compile_variant(Path(sys.argv[1], "null.c"), "counted"))
"""


def copy(folder: Path) -> Path:
    ignore = shutil.ignore_patterns(".*", "build", "_built", "*.egg-info", "results", "reports")
    return Path(shutil.copytree(ROOT, folder / "source", ignore=ignore))


def at_once(commands: list[list[str]], folder: Path) -> list[tuple[int, str]]:
    """Exit status and output of each, all started before any has ended."""
    started = [
        subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        )
        for command in commands
    ]
    outputs = [process.communicate()[0] for process in started]
    return [(process.returncode, text) for process, text in zip(started, outputs, strict=True)]


def test_processes_compile_one_variant_at_once(tmp_path: Path) -> None:
    variants = copy(tmp_path) / "iova_variants"
    command = [sys.executable, "-c", COMPILE, str(variants)]
    done = at_once([command] * NR_PROCESSES, tmp_path)
    assert [status for status, _ in done] == [0] * NR_PROCESSES, done
    (path,) = {text.strip() for _, text in done}
    assert Path(path).is_file()
    assert not list((variants / "_built").rglob(".*"))


@pytest.mark.long
def test_two_installs_of_one_folder_build_the_same_files(tmp_path: Path) -> None:
    source = copy(tmp_path)
    for path in sorted((source / "iova_variants").glob("*.c"))[4:]:
        path.unlink()
    pip = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    commands = [[*pip, "-w", str(tmp_path / name), str(source)] for name in ("a", "b")]
    done = at_once(commands, tmp_path)
    assert [status for status, _ in done] == [0, 0], done
    (first,), (second,) = (list((tmp_path / name).glob("*.whl")) for name in ("a", "b"))
    assert first.name == second.name
    assert not (source / "build").exists()
