"""Is asv's route over releases right on the kernel's texts: Debian's packages, a commit each?"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from iova_lab import workloads
from iova_lab.commands.cli import main
from iova_lab.linux import debian
from iova_lab.measuring.counts import count
from tests.support import asv_runner, debian_texts

#: In apt's index of Debian 12; later ones where build/linux/ has them, from the lab's own index.
RELEASES = ("6.1", "6.12")
LATER = ("7.2", "7.3")
CELLS = ("near_empty@100", "random_replace@300")

pytestmark = [pytest.mark.slow, pytest.mark.long]


@pytest.fixture(scope="module")
def releases() -> list[str]:
    later = [name for name in LATER if (debian.CACHE / f"debian-{name}").exists()]
    return [*RELEASES, *later]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, releases: list[str]) -> Path:
    """What the command has written for a repository with a commit a release."""
    base = tmp_path_factory.mktemp("releases")
    tree = debian_texts.repository(base / "linux", releases)
    cells = [word for cell in CELLS for word in ("--workload", cell)]
    span = f"v{releases[0]}..v{releases[-1]}"
    done = CliRunner().invoke(
        main, ["linux", "asv", str(tree), span, *cells, "--out", str(base / "out")]
    )
    assert done.exit_code == 0, done.output
    assert f"{len(releases)} commits" in done.output
    return base / "out"


@pytest.fixture(scope="module")
def asv(folder: Path) -> Callable[..., str]:
    """Run asv in that folder; everything is measured once."""
    run = asv_runner.runner(folder, folder)
    run("run", "--machine=here", "--bench=Nodes|Refusals", "HASHFILE:commits")
    return run


def nodes(series: str, cell: str) -> float:
    """Count by the name of the package, without a repository."""
    workload, nr_live = workloads.split(cell)
    assert nr_live is not None
    return count(f"linux:debian-{series}", workloads.generate(workload, nr_live)).nodes_per_op


def test_the_stored_counts_are_those_of_the_packages(
    folder: Path, asv: Callable[..., str], releases: list[str]
) -> None:
    commits = (folder / "commits").read_text().split()
    for series, commit in zip(releases, commits, strict=True):
        (path,) = (folder / "results/here").glob(f"{commit[:8]}*.json")
        stored = json.loads(path.read_text(encoding="utf-8"))
        row = stored["results"]["text.NodesMean.track_nodes_per_op"]
        values = dict(zip(stored["result_columns"], row, strict=False))["result"]
        assert values == [nodes(series, cell) for cell in CELLS]


def test_a_comparison_of_two_tags_names_both_and_every_count(
    asv: Callable[..., str], releases: list[str]
) -> None:
    before, after = releases[0], releases[-1]
    compared = asv("compare", "--machine=here", f"v{before}", f"v{after}")
    for cell in CELLS:
        (line,) = re.findall(rf"^.*NodesMean.*{cell}.*$", compared, re.M)
        shown = [word.strip() for word in line.split("|")]
        for series in (before, after):
            assert any(_is_close(word, nodes(series, cell)) for word in shown), (line, series)


def _is_close(word: str, value: float) -> bool:
    """Is it this number, as asv rounds it?"""
    return bool(re.fullmatch(r"[\d.]+", word)) and float(word) == pytest.approx(value, rel=1e-2)


def test_the_published_graphs_have_a_point_and_a_tag_for_each_release(
    folder: Path, asv: Callable[..., str], releases: list[str]
) -> None:
    asv("publish")
    graphs = list((folder / "html/graphs").rglob("text.NodesMean.track_nodes_per_op.json"))
    assert graphs
    for path in graphs:
        assert len(json.loads(path.read_text(encoding="utf-8"))) == len(releases)
    index = json.loads((folder / "html/index.json").read_text(encoding="utf-8"))
    assert set(index["tags"]) == {f"v{series}" for series in releases}
