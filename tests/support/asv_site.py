"""A dashboard as `asv publish` writes it, of made-up results of a small repository with a merge."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from filelock import FileLock

import iova_variants
from iova_lab.dashboard import offline
from iova_lab.measuring.results import PARAM_NAMES
from tests.support import asv_files

ROOT = Path(__file__).resolve().parents[2]
#: The committed reports are of this one.
MACHINE = "reference"
WORKLOADS = ["lost_space", "near_empty", "ring", "startup"]
SIZES = [100, 1_000, 10_000]
#: The variant and the cells that get worse in the newest commits, in nodes and in time.
WORSE = ("mainline", "ring")
#: In the suite, and never measured.
UNMEASURED = "contention.ContendedWait.track_mean_wait"


@dataclass(frozen=True)
class Site:
    """Where it is, what publishing said, and the measured commits, oldest first."""

    html: Path
    said: str
    commits: list[str]
    variants: list[str]


def git(folder: Path, *arguments: str, day: int = 0) -> str:
    """Run git in ``folder`` on a day after asv_files' first; what it prints."""
    who = {"GIT_AUTHOR_NAME": "a", "GIT_COMMITTER_NAME": "a"}
    who |= {"GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_EMAIL": "a@example.org"}
    date = f"{(20_000 + day) * 86_400} +0000"
    who |= {"GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date, "GIT_CONFIG_GLOBAL": os.devnull}
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | who)
    return done.stdout.strip()


def _history(folder: Path) -> list[str]:
    """Five commits, of which a merge brought the third; their ids."""
    git(folder, "init", "-q", "-b", "main")

    def commit(day: int) -> str:
        git(folder, "commit", "-q", "--allow-empty", "-m", f"day {day}", day=day)
        return git(folder, "rev-parse", "HEAD")

    commits = [commit(1), commit(2)]
    git(folder, "checkout", "-q", "-b", "side")
    commits += [commit(3)]
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "merge", "side", day=4)
    return [*commits, commit(5), commit(6)]


def _measure(folder: Path, commit: str, day: int, variants: list[str], *, worse: bool) -> None:
    def nodes(variant: str, workload: str, nr_live: int) -> float:
        slow = worse and (variant, workload) == WORSE
        return asv_files.nodes(variant, workload, nr_live) * (10 if slow else 1)

    def seconds(variant: str, workload: str, nr_live: int) -> asv_files.Value:
        """Another state of the machine: all take longer, null too."""
        samples = asv_files.seconds(variant, workload, nr_live)
        return [5 * one for one in samples] if worse and isinstance(samples, list) else samples

    suite = asv_files.suite(
        variants=variants,
        workloads=WORKLOADS,
        sizes=SIZES,
        commit=commit,
        day=20_000 + day,
        machine=MACHINE,
        nodes_per_op=nodes,
        ns_per_op=seconds,
    )
    suite.write(folder / "results")


def _describe_benchmarks(folder: Path) -> None:
    """Give each benchmark the unit and the names of parameters that the lab's suite has."""
    real = json.loads((ROOT / "results" / "benchmarks.json").read_text())
    path = folder / "results" / "benchmarks.json"
    made_up = json.loads(path.read_text())
    for name, benchmark in made_up.items():
        if name != "version":
            made_up[name] = {"param_names": PARAM_NAMES} | real.get(name, {}) | benchmark
    made_up[UNMEASURED] = real[UNMEASURED]
    path.write_text(json.dumps(made_up))


def publish(folder: Path) -> str:
    """`asv publish` in ``folder``; what it says."""
    command = [sys.executable, "-m", "asv", "publish"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=os.environ | {"NO_COLOR": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def shared(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One site for all tests, which only read it; pytest-xdist's workers share it, too."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with FileLock(folder / "site.lock"):
        stored = folder / "site.pickle"
        if not stored.exists():
            shutil.rmtree(folder / "site", ignore_errors=True)  # of a worker that failed
            (folder / "site").mkdir()
            stored.write_bytes(pickle.dumps(build(folder / "site")))
        site = pickle.loads(stored.read_bytes())
    assert isinstance(site, Site)
    return site


def build(folder: Path) -> Site:
    """Make it all: history, results, a copy of the committed reports, the dashboard."""
    commits = _history(folder)
    variants = iova_variants.names()
    for day, commit in enumerate(commits, start=1):
        _measure(folder, commit, day, variants, worse=commit in commits[-2:])
    _describe_benchmarks(folder)
    shutil.copy(ROOT / "asv.conf.json", folder)
    for name in git(ROOT, "ls-files", "reports").splitlines():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    cache = ROOT / "build" / "npm"
    offline.fetch(cache)
    (folder / "build").mkdir()
    (folder / "build" / "npm").symlink_to(cache)
    said = publish(folder)
    return Site(folder / "build" / "html", said, commits, variants)
