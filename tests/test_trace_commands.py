"""Does what the trace commands say of a trace hold?  Does a synthetic one never pass for real?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from iova_lab import workloads
from iova_lab.commands.cli import main
from iova_lab.kernel import KernelError, probes
from iova_lab.rendering.figures import STYLE
from iova_lab.rendering.looks import COLOURS, LINES
from iova_lab.traces import file as trace_file
from iova_lab.traces.file import (
    ALLOC,
    ALLOC_FAST,
    FREE,
    FREE_FAST,
    IN_INTERRUPT,
    RESERVE,
    TRACE_DTYPE,
    WENT_ON,
    Rows,
    TraceError,
    open_trace,
    write_trace,
)
from iova_lab.traces.info import NR_POINTS, trace_info
from iova_lab.traces.picture import picture
from iova_lab.traces.replay import replay_trace
from iova_lab.traces.scale import scale_trace
from iova_lab.traces.trace import TRACE_DIR, read_fast_trace, read_trace
from tests.support.alike import assert_alike
from tests.support.lab import SUPPORT

RECORDED = TRACE_DIR / "debian-6.12.npz"
META = {"kernel": "6.12.0", "granule": 4096, "start_pfn": 1}
#: op, dom, cpu, size, pfn, flags
SMALL = [
    (RESERVE, 0, 0, 256, 0xFEE00, 0),
    (ALLOC, 0, 0, 1, 0xFFFFF, 0),
    (ALLOC_FAST, 0, 0, 1, 0xFFFFF, WENT_ON),
    (ALLOC, 0, 1, 4, 0xFFFF8, 0),
    (ALLOC_FAST, 0, 1, 3, 0xFFFF8, WENT_ON),
    (FREE_FAST, 0, 1, 1, 0xFFFFF, IN_INTERRUPT),
    (ALLOC_FAST, 0, 1, 1, 0xFFFFF, 0),
    (ALLOC, 1, 0, 64, 0, 0),
    (ALLOC_FAST, 1, 0, 64, 0, WENT_ON),
]


def table(rows: Sequence[tuple[int, ...]]) -> Rows:
    found = np.zeros(len(rows), TRACE_DTYPE)
    for name, values in zip(
        ("op", "dom", "cpu", "size", "pfn", "flags"), zip(*rows, strict=True), strict=True
    ):
        found[name] = values
    found["t_ns"] = np.arange(len(rows)) * 10**6
    found["limit_pfn"][np.isin(found["op"], [ALLOC, ALLOC_FAST])] = 0xFFFFF
    return found


@pytest.fixture
def small(tmp_path: Path) -> Path:
    write_trace(tmp_path / "small.npz", len(SMALL), [table(SMALL)], META)
    return tmp_path / "small.npz"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["trace", *map(str, arguments)])


# ---- info ----


def test_info_counts_what_is_there(small: Path) -> None:
    info = trace_info(small)
    assert (info.nr_rows, info.level, info.synthetic) == (9, "fast", None)
    total, (first, second) = info.total, info.domains
    assert total.nr_ops == {"alloc_fast": 4, "free_fast": 1, "alloc": 3, "free": 0, "reserve": 1}
    assert total.sizes == {1: 2, 3: 1, 64: 1}
    assert total.limits == {0xFFFFF: 4}
    assert (total.nr_refused, second.nr_refused, total.nr_in_interrupt) == (1, 1, 1)
    assert (first.peak_live_ranges, first.peak_live_pfns, first.live_ranges[-1]) == (2, 4, 2)
    assert first.cpus == [0, 1]
    assert total.hit_rate == pytest.approx(1 / 3)  # 64 pfns are nothing for the rcache
    assert total.hit_rates == {0: 0.5, 2: 0.0}
    assert second.hit_rate is None
    assert len(total.live_ranges) == len(info.times_s) == NR_POINTS


@pytest.mark.slow
@pytest.mark.long
def test_pieces_change_nothing(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (small, RECORDED):
        whole = trace_info(path)
        monkeypatch.setattr(trace_file, "ROWS_AT_ONCE", 4 if path is small else 9_973)
        assert trace_info(path) == whole


@pytest.mark.slow
def test_the_curve_is_the_live_set() -> None:
    """Against the obvious way, on a real recording."""
    info = trace_info(RECORDED)
    rows = np.concatenate([*open_trace(RECORDED).pieces()])
    for one in info.domains:
        mine = rows[rows["dom"] == one.dom]
        steps = np.where(mine["op"] == ALLOC_FAST, 1, np.where(mine["op"] == FREE_FAST, -1, 0))
        assert one.peak_live_ranges == max(int(np.cumsum(steps).max()), 0)
        assert one.live_ranges[-1] == steps.sum()
        assert one.nr_rows == len(mine)


def test_info_without_one_level_knows_no_hit_rate(tmp_path: Path) -> None:
    rows = table([row for row in SMALL if row[0] >= ALLOC])
    write_trace(tmp_path / "t.npz", len(rows), [rows], META)
    info = trace_info(tmp_path / "t.npz")
    assert (info.level, info.total.hit_rate) == ("tree", None)
    assert info.total.peak_live_ranges == 3  # the tree has what is reserved, too


@pytest.mark.slow
def test_the_info_command(small: Path, tmp_path: Path) -> None:
    done = run("info", small, "--picture", tmp_path / "p.png")
    assert done.exit_code == 0, done.output
    assert "33.3%" in done.stdout
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "p.svg").exists()
    assert json.loads(run("info", small, "--json").stdout)["total"]["sizes"] == {
        "1": 2,
        "3": 1,
        "64": 1,
    }
    assert "picture is a .png" in run("info", small, "--picture", "p.pdf").stderr


@pytest.mark.slow
def test_the_same_trace_gives_the_same_picture(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        assert run("info", RECORDED, "--picture", tmp_path / name).exit_code == 0
    assert_alike(tmp_path / "a.svg", tmp_path / "b.svg")


# ---- replay ----


def test_replay_holds_every_variant_against_the_recording() -> None:
    found = replay_trace(RECORDED, ["mainline", "augmented"], nr_timings=1)
    mainline, augmented = found.variants
    assert (mainline.nr_agree, mainline.nr_allocs, mainline.first_row) == (7632, 7635, 298_835)
    assert augmented.nr_agree is not None
    assert augmented.nr_agree < 7632
    assert mainline.nodes_per_op is not None
    assert mainline.nodes_per_op > 1


@pytest.mark.slow
def test_replay_at_the_fast_level_has_a_hit_rate() -> None:
    (mainline,) = replay_trace(RECORDED, level="fast", nr_timings=1).variants
    assert mainline.hit_rate == pytest.approx(trace_info(RECORDED).total.hit_rate, abs=0.01)


def test_a_variant_that_breaks_takes_no_other_with_it(tmp_path: Path) -> None:
    broken = (SUPPORT / "tiny.c").read_text()
    body = re.search(r"static unsigned long \w+_alloc\([^{]*\{", broken)
    assert body
    (tmp_path / "tiny.c").write_text(
        broken[: body.end()] + "\n\t__builtin_trap();" + broken[body.end() :]
    )
    done = run("replay", RECORDED, tmp_path / "tiny.c", "mainline", "--timings", "1", "--json")
    assert done.exit_code == 1
    assert "killed by SIG" in done.stderr
    first, second = json.loads(done.stdout)["variants"]
    assert first["error"]
    assert second["nr_agree"] == 7632


def test_the_replay_command_leads_to_check() -> None:
    done = run("replay", RECORDED, "--timings", "1")
    assert done.exit_code == 0
    assert "99.96%" in done.stdout
    assert f"iova-lab trace check {RECORDED}" in done.stdout
    assert "no variant" in run("replay", RECORDED, "nonesuch").stderr


# ---- scale ----


@pytest.mark.slow
@pytest.mark.parametrize("how", ["same-domain", "domains"])
@pytest.mark.parametrize("name", ["debian-6.1", "debian-6.12"])
def test_a_scaled_trace_is_whole(name: str, how: str, tmp_path: Path) -> None:
    source, target = TRACE_DIR / f"{name}.npz", tmp_path / "t.npz"
    made = scale_trace(source, target, 3, how=how)
    assert made.nr_refused == 0
    read_trace(target)  # they hold every row against every other
    fast = read_fast_trace(target)
    before, after = trace_info(source), trace_info(target)
    for op in ("alloc_fast", "free_fast"):
        assert after.total.nr_ops[op] == 3 * before.total.nr_ops[op]
    assert after.total.sizes == {size: 3 * nr for size, nr in before.total.sizes.items()}
    assert after.total.limits == {limit: 3 * nr for limit, nr in before.total.limits.items()}
    assert 2.5 < after.total.peak_live_ranges / before.total.peak_live_ranges <= 3
    nr_times = 3 if how == "domains" else 1
    assert len(after.domains) == nr_times * len(before.domains)
    assert after.total.nr_ops["reserve"] == nr_times * before.total.nr_ops["reserve"]
    assert fast.trace.synthetic is not None


@pytest.mark.slow
def test_one_copy_is_what_was_recorded(tmp_path: Path) -> None:
    """Nothing is made up: as often as drivers asked, as often went on to the tree."""
    scale_trace(RECORDED, tmp_path / "t.npz", 1)
    before, after = trace_info(RECORDED), trace_info(tmp_path / "t.npz")
    assert after.total.nr_ops == before.total.nr_ops
    assert after.total.hit_rate == before.total.hit_rate
    # Neighbours whose records fell in time may have changed places within a point of the curve.
    assert after.total.peak_live_ranges == before.total.peak_live_ranges
    assert np.allclose(after.total.live_ranges, before.total.live_ranges, atol=10)


def test_the_tree_level_alone_is_scaled_as_it_is(tmp_path: Path) -> None:
    rows = [row for row in SMALL if row[0] >= ALLOC] + [(FREE, 0, 0, 1, 0xFFFFF, 0)]
    write_trace(tmp_path / "t.npz", len(rows), [table(rows)], META)
    scale_trace(tmp_path / "t.npz", tmp_path / "x.npz", 4)
    total = trace_info(tmp_path / "x.npz").total
    assert (total.nr_ops["alloc"], total.nr_ops["free"], total.nr_ops["reserve"]) == (12, 4, 1)


def test_what_finds_no_room_is_not_freed_either(tmp_path: Path) -> None:
    rows = table([(ALLOC, 0, 0, 6, 3, 0), (FREE, 0, 0, 6, 3, 0)])
    rows["limit_pfn"][0] = 8
    write_trace(tmp_path / "t.npz", 2, [rows], META)
    made = scale_trace(tmp_path / "t.npz", tmp_path / "x.npz", 3, stagger_ns=1)
    total = trace_info(tmp_path / "x.npz").total
    assert (made.nr_refused, total.nr_refused, total.nr_ops["free"]) == (2, 2, 1)


@pytest.mark.slow
def test_a_synthetic_trace_never_passes_for_a_recorded_one(tmp_path: Path) -> None:
    target = tmp_path / "x.npz"
    done = run("scale", RECORDED, "2", "--out", target)
    assert done.exit_code == 0, done.output
    label = open_trace(target).synthetic
    assert label is not None
    assert label.startswith("2 copies of debian-6.12.npz in the same domains")
    for shown in (
        done.stdout,
        run("info", target).stdout,
        run("replay", target, "--timings", "1").stdout,
        CliRunner().invoke(main, ["replay", "mainline", str(target)]).stdout,
        workloads.get(str(target)).doc,
        picture(trace_info(target), STYLE, COLOURS, LINES).get_suptitle(),
    ):
        assert "SYNTHETIC" in shown
        assert "2 copies" in shown
    replayed = json.loads(run("replay", target, "--timings", "1", "--json").stdout)
    assert replayed["synthetic"] == label
    assert replayed["variants"][0]["nr_agree"] is None
    check = run("check", target)
    assert check.exit_code == 1
    assert "is synthetic" in check.stderr
    scale_trace(target, tmp_path / "y.npz", 2)
    assert f"itself synthetic: {label}" in str(open_trace(tmp_path / "y.npz").synthetic)


# ---- the file ----


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    meta = np.array(json.dumps(META | {"version": 3}))
    np.savez(tmp_path / "t.npz", ops=table(SMALL), meta=meta)
    with pytest.raises(TraceError, match="a trace of version 3; this reads 1 and 2"):
        open_trace(tmp_path / "t.npz")


@pytest.mark.parametrize("command", ["info", "replay", "check"])
def test_what_is_no_trace_is_one_line(command: str, tmp_path: Path) -> None:
    (tmp_path / "t.npz").write_bytes(b"PK\x03\x04")
    done = run(command, tmp_path / "t.npz")
    assert done.exit_code == 1
    assert "not a trace" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_large_arrays_lie_in_a_file(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from iova_lab.traces import trace

    before = read_trace(small)
    monkeypatch.setattr(trace, "IN_MEMORY", 0)
    read_trace.cache_clear()
    after = read_trace(small)
    read_trace.cache_clear()
    assert isinstance(after.recorded, np.memmap)
    assert (after.stream.ops == before.stream.ops).all()
    assert (after.recorded == before.recorded).all()


@pytest.mark.parametrize("block", [0, 1])
def test_numpy_alone_reads_it_as_the_documentation_says(block: int, tmp_path: Path) -> None:
    whole, path = open_trace(RECORDED), tmp_path / "t.npz"
    write_trace(path, whole.nr_rows, whole.pieces(), whole.meta)
    text = (Path(__file__).parent.parent / "docs" / "traces.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[block]
    if "while" in code:
        code = code.replace("rows =", "pieces.append(") + ")"
    names: dict[str, object] = {"path": path, "pieces": []}
    exec(code, names)
    pieces = names["pieces"] or [names["rows"]]
    assert isinstance(pieces, list)
    assert (np.concatenate(pieces) == np.concatenate([*whole.pieces()])).all()
    assert len(pieces) == (2 if block else 1)


def test_a_packed_trace_has_the_same_rows_in_fewer_bytes(tmp_path: Path) -> None:
    whole, path = open_trace(RECORDED), tmp_path / "t.npz"
    write_trace(path, whole.nr_rows, whole.pieces(), whole.meta)
    done = CliRunner().invoke(main, ["trace", "pack", str(path), "--out", str(tmp_path / "p.npz")])
    assert done.exit_code == 0, done.output
    packed = open_trace(tmp_path / "p.npz")
    assert packed.meta == whole.meta | {"version": 2}
    assert all(
        (ours == theirs).all()
        for ours, theirs in zip(packed.pieces(), open_trace(path).pieces(), strict=True)
    )
    assert packed.path.stat().st_size < path.stat().st_size / 1.5


def test_the_documented_probes_are_the_ones_that_are_printed() -> None:
    text = (Path(__file__).parent.parent / "docs" / "recording.md").read_text()
    for line in probes.fprobes():
        assert f"    {line}\n" in text
    assert "private_free_iova" in probes.bpftrace("private_free_iova")
    assert "remove_iova" not in probes.bpftrace("private_free_iova")


def test_the_function_that_frees_is_the_one_that_the_kernel_has() -> None:
    offsets = {function: [9] for function, _ in probes.CALLS.values()}
    assert probes.freed_by({"remove_iova": 1}) == "remove_iova"
    assert probes.freed_by({"private_free_iova": 1}) == "private_free_iova"
    with pytest.raises(KernelError, match="read as root"):
        probes.freed_by({})
    assert any(
        line.startswith("p:iova/iova_free private_free_iova+5 dom=%di pfn=+32(%si)")
        for line in probes.kprobes(offsets, "private_free_iova")
    )


@pytest.mark.slow
def test_a_trace_of_the_lab_has_a_name_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    by_name = CliRunner().invoke(main, ["trace", "info", "debian-6.1", "--json"])
    by_path = CliRunner().invoke(
        main, ["trace", "info", str(TRACE_DIR / "debian-6.1.npz"), "--json"]
    )
    assert by_name.exit_code == 0, by_name.output
    assert by_name.stdout == by_path.stdout
    (tmp_path / "debian-6.1").write_text("a file of one's own goes first")
    assert (
        "truncated, or not a trace"
        in CliRunner().invoke(main, ["trace", "info", "debian-6.1"]).stderr
    )
