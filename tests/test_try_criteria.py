"""Does a criterion hold exactly where the count passes its bound?"""

from __future__ import annotations

from pathlib import Path

import pytest
import small_tree
from click.testing import CliRunner

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import IovaLabError
from iova_lab.checking import checks
from iova_lab.checking.criteria import parse
from iova_lab.cli import main


def nodes_of(variant: str) -> float:
    stream = workloads.generate("ring", 200)
    result = iova_variants.replay(variant, stream, build="counted")
    assert result.visits is not None
    return sum(result.visits.values()) / result.nr_ops


def test_a_bound_is_passed_or_not() -> None:
    nodes = nodes_of("mainline")
    assert parse(f"ring@200.nodes > {nodes:.9f}").broken_by("no_cache")
    assert parse(f"ring@200.nodes > {nodes + 0.1:.3f}").broken_by("mainline") is None
    said = parse(f"ring@200.nodes <= {nodes + 0.1:.3f}").broken_by("mainline")
    assert said is not None
    assert said.startswith("ring@200.nodes is ")


@pytest.mark.parametrize(
    "text", ["ring", "ring.nodes", "ring.speed > 1", "ring@0.nodes > 1", "nope.nodes > 1"]
)
def test_what_is_no_criterion(text: str) -> None:
    with pytest.raises(IovaLabError):
        parse(text)


def test_it_decides_the_status_of_a_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {name: checks.CHECKS[name] for name in ("compiles", "table")}
    monkeypatch.setattr(checks, "CHECKS", few)
    name = f"linux:{small_tree.write(tmp_path / 'tree')}"
    nodes = nodes_of(name)
    common = ["try", name, "--check-only", "--out", str(tmp_path / "out")]
    for bound, status in ((nodes - 0.1, 1), (nodes + 0.1, 0)):
        criterion = f"ring@200.nodes > {bound:.3f}"
        result = CliRunner().invoke(main, [*common, "--fail-if", criterion])
        assert result.exit_code == status, result.output
        assert ("linux:tree: ring@200.nodes is" in result.stderr) == bool(status)
