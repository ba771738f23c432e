"""Are instructions counted exactly, in the measured window alone, and what if they can't be?"""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from iova_lab import workloads
from iova_lab.commands.cli import main
from iova_lab.measuring import counts, instructions
from iova_lab.measuring.instructions import ToolError
from iova_variants.opstream import OpStream
from iova_variants.watch import Limits
from tests.support.lab import alloc, free, random_stream, stream_of

counts_them = pytest.mark.skipif(
    shutil.which("valgrind") is None, reason="valgrind is missing: apt install valgrind"
)


def pairs(nr_pairs: int, nr_ageing: int = 0) -> OpStream:
    rows = [op for slot in range(nr_pairs) for op in (alloc(slot, 1, 2**20 - 1), free(slot))]
    return stream_of(rows, nr_ageing=nr_ageing)


@pytest.mark.slow
@counts_them
@pytest.mark.parametrize("variant", ["null", "mainline", "candidate"])
def test_the_same_stream_counts_the_same_twice(variant: str) -> None:
    stream = workloads.generate("near_empty", 100)
    assert instructions.count(variant, stream) == instructions.count(variant, stream) > 0


@pytest.mark.slow
@counts_them
def test_each_op_counts_and_ageing_does_not() -> None:
    """One pair costs what any other costs, so the window's length tells all there is."""
    few, many, aged = (instructions.count("null", s) for s in (pairs(10), pairs(30), pairs(30, 40)))
    (pair, rest) = divmod(many - few, 20)
    assert (rest, aged) == (0, few)
    assert few < 11 * pair


@pytest.mark.slow
@counts_them
def test_all_ways_to_free_are_inside_the_window() -> None:
    """Two windows of frees alone: one through free(), one through free_sized()."""
    rows = [alloc(slot, 1, 2**20 - 1) for slot in range(40)]
    stream = stream_of([*rows, *(free(slot) for slot in range(40))], nr_ageing=40)
    floor = instructions.per_op("null", stream)
    for variant in ("mainline", "candidate"):
        assert floor < instructions.per_op(variant, stream) < 1000


def test_without_valgrind_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    done = CliRunner().invoke(main, ["instructions", "mainline", "near_empty"])
    assert done.exit_code == 1
    assert done.stderr.strip() == "iova-lab: valgrind is missing: apt install valgrind"


@pytest.mark.slow
@counts_them
def test_what_stops_a_replay_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.c"
    null = Path(__file__).parent.parent / "iova_variants" / "null.c"
    text = null.read_text(encoding="utf-8").replace('"null"', '"broken"')
    path.write_text(text.replace("	return 0;", "	return -12;", 1), encoding="utf-8")
    with pytest.raises(ToolError, match=r"broken\.c: driver: init_domain\(\) failed: Cannot alloc"):
        instructions.count(str(path), random_stream(0, 10))


@pytest.mark.slow
@counts_them
@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("extern int pause(void); for (;;) pause();", "asleep, without CPU time for 1 s"),
        ('extern int puts(const char *); for (;;) puts("x");', "writes without end: 'x'"),
    ],
)
def test_a_replay_that_does_not_end_is_ended(
    statement: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instructions, "_LIMITS", Limits(wall_s=600.0, asleep_s=1.0))
    path = tmp_path / "broken.c"
    null = Path(__file__).parent.parent / "iova_variants" / "null.c"
    text = null.read_text(encoding="utf-8").replace('"null"', '"broken"')
    path.write_text(
        text.replace("	return 0;", f"	{statement}\n	return 0;", 1), encoding="utf-8"
    )
    with pytest.raises(ToolError, match=rf"^{path}: .*{message}"):
        instructions.count(str(path), random_stream(0, 10))


@pytest.mark.slow
@counts_them
def test_the_command_shows_ratios_to_the_first() -> None:
    done = CliRunner().invoke(main, ["instructions", "mainline", "candidate", "ring"])
    assert done.exit_code == 0, done.output
    assert "1.000" in done.output
    assert "ring, 1,200 ops measured" in done.output


def test_counts_writes_one_row_per_cell(tmp_path: Path) -> None:
    out = tmp_path / "new" / "counts.csv"
    done = CliRunner().invoke(
        main, ["counts", "candidate", "null", "--largest", "100", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    frame = pd.read_csv(out, keep_default_na=False, na_values=[""])  # one is called null
    assert set(frame["variant"]) == {"candidate", "null"}
    assert len(frame) == 2 * len(counts.cells([100]))
    assert set(frame["workload"]) <= set(workloads.names())
    judged = frame[frame["variant"] == "candidate"]
    assert judged["spurious"].sum() == judged["not_highest"].sum() == 0
    assert (judged["search"] + judged["descend"] + judged["update"]).to_list() == pytest.approx(
        judged["nodes"].to_list(), rel=1e-4
    )
    assert frame[frame["variant"] == "null"]["spurious"].isna().all()


def test_a_size_below_the_smallest_is_refused(tmp_path: Path) -> None:
    arguments = ["counts", "null", "--largest", "10", "--out", str(tmp_path / "x.csv")]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code != 0
    assert "no power of ten from 100 on lies within 100 and 10" in done.stderr


def test_some_workloads_are_counted_at_the_sizes_that_are_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "counts.csv"
    words = ["counts", "candidate", "--workloads", "ring, startup", "--smallest", "1000"]
    done = CliRunner().invoke(main, [*words, "--largest", "1e4", "--out", str(out)])
    assert done.exit_code == 0, done.output
    frame = pd.read_csv(out)
    cells = [(name, size) for name in ("ring", "startup") for size in (1_000, 10_000)]
    assert list(zip(frame["workload"], frame["nr_live"], strict=True)) == cells
    done = CliRunner().invoke(main, ["counts", "candidate", "--workloads", "no", "--out", str(out)])
    assert done.exit_code == 1
    assert "no workload named 'no'" in done.stderr
    alone = ["counts", "candidate", "--workloads", "near_empty", "--smallest", "1000"]
    done = CliRunner().invoke(main, [*alone, "--out", str(out)])
    assert done.exit_code == 2
    assert "near_empty: no such sizes" in done.stderr


def test_who_is_too_slow_at_one_size_is_not_asked_at_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counts, "NODE_BUDGET", 20_000)
    rows = [
        row
        for row in counts.measure(["mainline", "candidate"], [100, 1000, 10_000])
        if row.workload == "full_32bit"
    ]
    reasons = [row.reason for row in rows if row.variant == "mainline"]
    assert reasons == ["more than 20,000 nodes"] * 3
    assert [row.nodes for row in rows if row.variant == "mainline"] == [None] * 3
