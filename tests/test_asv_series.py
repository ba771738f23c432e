"""Does what docs/asv-series.md says of a series of patches work, command by command?

In a scratch clone with three variants, a branch changes `mainline` commit by commit; one of the
steps makes every search begin at the top.  asv builds each commit in one environment of its own,
which takes NumPy and asv's runner from this one, so that nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
KEPT = {"anchor", "mainline", "null"}
CELLS = r"NodesMean.*'(anchor|mainline)', 'ring', 1000\)"
CELL = r"NodesMean.*'mainline', 'ring', 1000\)"

Asv = Callable[..., str]

#: What each commit of the branch does to mainline.c; the third is the mistake.
STEPS = [
    ("say which pass comes first", "The first pass never saw", "The pass from there never saw"),
    ("say where", "lies above its start.", "lies above where it started."),
    (
        "begin at the anchor, always",
        "start = is_32bit ? anchored->cached32_node : anchored->cached_node;",
        "start = &domain->anchor.node;",
    ),
    ("say it shorter", "/* The pass from there never saw", "/* That never saw"),
]
MISTAKE = 2


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=A Tester", "-c", "user.email=tester@example.org"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def asv_in(clone: Path, home: Path) -> Asv:
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "ASV_PYTHONPATH": sysconfig.get_path("purelib"),
        "PIP_NO_INDEX": "1",
    }

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", *arguments]
        done = subprocess.run(
            command, cwd=clone, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout + done.stderr

    return run


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Asv, list[str]]:
    """A clone on a branch, asv in it, and the commits: where it branched off, and each step."""
    folder = tmp_path_factory.mktemp("series")
    clone = folder / "clone"
    ignore = shutil.ignore_patterns(".*", "build", "_built", "*.egg-info", "results", "reports")
    shutil.copytree(ROOT, clone, ignore=ignore)
    for path in (clone / "iova_variants").glob("*.c"):
        if path.stem not in KEPT:
            path.unlink()
    git(clone, "init", "-q", "-b", "master")
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "base")
    git(clone, "checkout", "-q", "-b", "branch")
    conf = clone / "asv.conf.json"
    text = re.sub(r'"req": \{[^}]*\}', '"req": {}', conf.read_text(encoding="utf-8"))
    conf.write_text(text, encoding="utf-8")
    commits = [git(clone, "rev-parse", "HEAD").strip()]
    source = clone / "iova_variants" / "mainline.c"
    for title, old, new in STEPS:
        before = source.read_text(encoding="utf-8")
        assert before.count(old) == 1
        source.write_text(before.replace(old, new), encoding="utf-8")
        git(clone, "commit", "-q", "-m", title, "iova_variants/mainline.c")
        commits.append(git(clone, "rev-parse", "HEAD").strip())
    asv = asv_in(clone, folder)
    asv("iova_lab.measuring.asv_machine", "here")
    return clone, asv, commits


@pytest.mark.long
def test_run_compare_publish_and_find_see_the_step(series: tuple[Path, Asv, list[str]]) -> None:
    clone, asv, commits = series
    found = asv("asv", "find", "--machine=here", "master..branch", CELL)
    assert re.search(rf"Greatest regression found: {commits[MISTAKE + 1][:8]}", found), found

    asv("asv", "run", "--machine=here", "--bench", CELLS, "master..branch")
    asv("asv", "run", "--machine=here", "--bench", CELLS, "master^!")
    compared = asv("asv", "compare", "--machine=here", "--only-changed", "master", "branch")
    changed = [line for line in compared.splitlines() if "mainline" in line]
    assert len(changed) == 1, compared
    assert changed[0].startswith("| +"), compared
    assert "anchor" not in compared

    asv("asv", "publish")
    graphs = list((clone / "build/html/graphs").rglob("nodes.NodesMean.track_nodes_per_op.json"))
    assert graphs
    assert {len(json.loads(path.read_text(encoding="utf-8"))) for path in graphs} == {len(commits)}
