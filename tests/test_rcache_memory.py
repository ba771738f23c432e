"""Is the memory on the page of the per-CPU caches what 6.12 and 7.3 take by their rules?"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from iova_lab.basics.errors import NoResultsError
from iova_lab.commands.cli import main
from iova_lab.measuring import rcache_memory
from iova_lab.measuring.rcache_memory import LOADS, Load, Row
from iova_lab.reports.rcache import write_rcache
from iova_lab.reports.rcache_figure import figure, lines, size_text
from tests.support.drawn import drawn

KIB = 1024
RESULTS = Path(__file__).parent.parent / "results" / "rcache"


def by_rule(kernel: str, cpus: int, domains: int, load: Load) -> Row:
    """What the rules come to: two magazines a size and possible CPU, or those that frees need."""
    used = min(load.used, cpus)
    magazines = used * load.nr_sizes * (1 if load.depth <= 127 else 2)
    if kernel == "6.12":
        magazines = 12 * cpus
    parked = used * load.depth * ((1 << load.nr_sizes) - 1) * domains
    return Row(kernel, cpus, domains, load.name, used, magazines * domains * KIB, parked, magazines)


@pytest.mark.parametrize("kernel", rcache_memory.KERNELS)
@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)
def test_small_cells_come_to_what_the_rules_say(kernel: str, load: Load) -> None:
    for cpus, domains in ((4, 1), (16, 3), (64, 1)):
        assert rcache_memory.count(kernel, cpus, domains, load) == by_rule(
            kernel, cpus, domains, load
        )


def test_the_stored_rows_come_to_what_the_rules_say() -> None:
    rows = rcache_memory.require(RESULTS)
    assert max(row.cpus for row in rows) == 1024
    assert len(rows) == len(rcache_memory.cells())
    loads = {load.name: load for load in LOADS}
    for row in rows:
        assert row == by_rule(row.kernel, row.cpus, row.domains, loads[row.load])


def test_used_cpus_free_what_they_allocated_and_the_last_request_fails() -> None:
    stream = rcache_memory.stream(4, 2, Load("two CPUs", 2, 3, 5))
    ops = stream.ops[2:-1].reshape(2, 2, 3, 2, 5)  # domain, CPU, size, alloc and free, range
    assert (ops["op"] == [[[[[0] * 5, [1] * 5]]]]).all()
    assert (ops["slot"][..., 0, :] == ops["slot"][..., 1, :]).all()
    assert ops["cpu"].max() == 1
    assert set(ops["size"].ravel().tolist()) == {1, 2, 4}
    assert stream.ops["size"][-1] > 2**20


def changed(tmp_path: Path, **others: int) -> Path:
    """The committed rows, those of 1,024 CPUs with other values."""
    lines = [json.loads(line) for line in (RESULTS / "memory.jsonl").read_text().splitlines()]
    rows = [row | others if row["cpus"] == 1024 else row for row in lines]
    path = tmp_path / "results" / "memory.jsonl"
    path.parent.mkdir()
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path.parent


@pytest.mark.slow
def test_the_page_has_what_is_stored(tmp_path: Path) -> None:
    text = write_rcache(RESULTS, tmp_path).with_suffix(".md").read_text()
    assert "takes 12 MiB of magazines on 6.12 and none on 7.3, which takes 1 MiB" in text
    assert "Both kernels park the same." in text
    others = changed(tmp_path, bytes=3 * KIB, parked=19)
    text = write_rcache(others, tmp_path).with_suffix(".md").read_text()
    assert "takes 3 KiB of magazines on 6.12 and 3 KiB on 7.3, which takes 3 KiB" in text
    assert re.search(r"\| +19 \|", text)


@pytest.mark.slow
def test_different_parking_has_a_table_for_each_kernel(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (RESULTS / "memory.jsonl").read_text().splitlines()]
    rows = [row | {"parked": row["parked"] + (row["kernel"] == "7.3")} for row in rows]
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "memory.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = write_rcache(folder, tmp_path).with_suffix(".md").read_text()
    parked = text.split("## Pfns parked")[1].split("\n## ")[0]
    assert "Both kernels" not in parked
    assert parked.count("| possible CPUs") == 2


def test_the_figure_draws_loads_that_cost_the_same_as_one_line() -> None:
    rows = rcache_memory.require(RESULTS)
    over_cpus = [row for row in rows if row.domains == 1]
    found = lines(over_cpus)
    assert next(iter(found)) == "6.12: any load"
    assert len(found) == 1 + len(LOADS)
    over_domains = [row for row in rows if row.cpus == rcache_memory.CPUS_OF_DOMAINS]
    title, (left, right) = drawn(figure(over_cpus, over_domains, "What was found."))
    assert title == "What was found."
    places, values = zip(*left.lines[0], strict=True)
    assert places == rcache_memory.CPUS
    assert values == pytest.approx([12 * KIB * cpus for cpus in places], rel=1e-5)
    assert right.ticks[0] == ("1", "4", "16")


@pytest.mark.parametrize(
    ("nr_bytes", "text"),
    [(0, "0"), (512, "512"), (KIB, "1 KiB"), (1536, "1.5 KiB"), (3 << 20, "3 MiB")],
)
def test_sizes_have_their_unit(nr_bytes: int, text: str) -> None:
    assert size_text(nr_bytes) == text


def test_a_store_without_all_rows_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NoResultsError, match="lacks 10 rows: iova-lab rcache writes them"):
        rcache_memory.require(tmp_path)
    row = (RESULTS / "memory.jsonl").read_text().splitlines()[0]
    (tmp_path / "memory.jsonl").write_text(row + "\n")
    with pytest.raises(NoResultsError, match="rows: iova-lab rcache writes them"):
        rcache_memory.require(tmp_path)


def test_the_command_writes_rows_and_how_they_were_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [cell for cell in rcache_memory.cells() if cell[1] <= 16]
    monkeypatch.setattr(rcache_memory, "cells", lambda: few)
    done = CliRunner().invoke(main, ["rcache", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    rows = (tmp_path / "memory.jsonl").read_text().splitlines()
    assert len(rows) == len(few)
    made = json.loads((tmp_path / "memory.jsonl.json").read_text())
    assert made["command"] == f"iova-lab rcache --results {tmp_path}"
