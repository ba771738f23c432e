"""What people send instead of a trace, or a trace that went through a mail or a terminal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from iova_lab.commands.cli import main
from iova_lab.traces.importer import ImportTextError, import_text

GOLDEN = Path(__file__).parent / "golden" / "tracing"
TASK = "        fio-2201    [004] ..... 50.12642"
ALLOC = "iova_alloc: (f+0x1/0x2 <- g) dom=0xff1 size=0x1 limit=0xfffff aligned=1 pfn=0xffffe"
FREE = "iova_free: (f+0x0/0x7) dom=0xff1 pfn=0xffffe"
PLAIN = f"{TASK}1: {ALLOC}\n{TASK}2: {FREE}\n"
HEADER = "# os release : 6.12.9-amd64\n"

FOREIGN = {
    "functions": (f"{TASK}0: alloc_iova_fast <-iommu_dma_alloc_iova\n", "the function tracer"),
    "graph": (" 3)   0.512 us    |  alloc_iova_fast();\n", "the function tracer"),
    "soft lockup": (
        "[1204412.331200] watchdog: BUG: soft lockup - CPU#61 stuck for 23s! [ksoftirqd/61:372]\n"
        "[1204412.331220] RIP: 0010:alloc_iova+0x1b2/0x230\n",
        "a kernel log with a lockup",
    ),
    "slabtop": (
        " OBJS ACTIVE  USE OBJ SIZE  SLABS OBJ/SLAB CACHE SIZE NAME\n"
        "3145728 3140011  99%    0.06K  49152       64    196608K iommu_iova\n",
        "a listing of slab caches",
    ),
    "lock_stat": (
        "   class name    con-bounces    contentions   waittime-min   waittime-max\n"
        "   &iovad->iova_rbtree_lock:          8011           8123           0.11\n",
        "lock statistics",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_another_file_is_named_with_what_is_needed(name: str, tmp_path: Path) -> None:
    text, what = FOREIGN[name]
    source = tmp_path / "sent.txt"
    source.write_text(text)
    done = CliRunner().invoke(main, ["trace", "import", str(source), "--kernel", "6.12"])
    assert done.exit_code == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"iova-lab: {source}: ")
    assert what in line
    assert "record the probes of docs/recording.md" in line
    assert not (tmp_path / "sent.npz").exists()


def test_other_events_beside_ours_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "mixed.txt"
    pieces = f"{TASK}0: map: IOMMU: iova=0x8000 - 0x9000 paddr=0x1 size=4096\n"
    source.write_text(2 * pieces + PLAIN)
    done = import_text(source, tmp_path / "mixed.npz", kernel="6.12")
    assert (done.nr_rows, [one.count for one in done.dropped]) == (2, [2])


@pytest.mark.parametrize(
    ("before", "after"),
    [("", "\r\n"), ("> ", "\n"), (">> ", "\r\n"), ("> > ", "\n"), ("> \x1b[31m", "\x1b[0m\r\n")],
    ids=repr,
)
def test_a_mail_and_a_terminal_change_nothing(before: str, after: str, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text(HEADER + PLAIN)
    sent = [f"{before}{line}{after}" for line in (HEADER + PLAIN).splitlines()]
    (tmp_path / "sent.txt").write_bytes("".join(sent).encode())
    ours, theirs = (
        import_text(tmp_path / f"{name}.txt", tmp_path / f"{name}.npz")
        for name in ("plain", "sent")
    )
    assert (theirs.nr_rows, theirs.kernel, theirs.dropped) == (2, "6.12.9-amd64", ())
    with np.load(ours.path) as plain, np.load(theirs.path) as found:
        assert (plain["ops"] == found["ops"]).all()
    quoted = [note for note in theirs.notes if "quoted" in note]
    assert [note.split()[0] for note in quoted] == (["3"] if before else [])


def test_what_a_mail_cut_off_is_counted(tmp_path: Path) -> None:
    quoted = "".join(f"> {line}\r\n" for line in PLAIN.splitlines())
    (tmp_path / "sent.txt").write_text(f"> FO size=0x1\r\n{quoted}> {TASK}3: {FREE[:20]}")
    done = import_text(tmp_path / "sent.txt", tmp_path / "sent.npz", kernel="6.12")
    assert done.nr_rows == 2
    assert sorted(one.line for one in done.dropped) == [1, 4]


@pytest.mark.parametrize(
    ("kernel", "fits"),
    [
        ("6.12.9-amd64", True),
        ("6.12.9", True),
        ("6.12", True),
        ("6.1", False),
        ("5.10.0", False),
        ("6.12.9-amd64-dbg", True),
        ("6.12.90", False),
    ],
)
def test_the_kernel_given_is_held_against_the_header(
    kernel: str, fits: bool, tmp_path: Path
) -> None:
    source, target = tmp_path / "trace.txt", tmp_path / "trace.npz"
    source.write_text(HEADER + PLAIN)
    if fits:
        assert import_text(source, target, kernel=kernel).kernel == kernel
        return
    with pytest.raises(ImportTextError, match=f"recorded on 6.12.9-amd64, .* --kernel is {kernel}"):
        import_text(source, target, kernel=kernel)
    assert not target.exists()


@pytest.mark.parametrize(
    ("kernel", "fits"), [("6.1", False), ("6.8.12", False), ("6.9", True), ("7.3", True)]
)
@pytest.mark.parametrize("tool", ["tracefs", "perf", "tracecmd"])
def test_the_kernel_given_is_held_against_the_form_of_the_records(
    tool: str, kernel: str, fits: bool, tmp_path: Path
) -> None:
    """Seen: text of 6.12 taken for one of 6.1, whose rcache is another."""
    source, target = GOLDEN / f"{tool}-6.12.txt.gz", tmp_path / "trace.npz"
    if fits:
        assert import_text(source, target, kernel=kernel).kernel == kernel
        return
    with pytest.raises(
        ImportTextError, match=rf"line \d+: .* from 6\.9 on, and --kernel is {kernel}"
    ):
        import_text(source, target, kernel=kernel)
    assert not target.exists()


def test_two_records_per_call_are_of_any_kernel(tmp_path: Path) -> None:
    for kernel in ("6.1", "6.12"):
        assert import_text(GOLDEN / "tracefs-6.1.txt.gz", tmp_path / "a.npz", kernel=kernel).nr_rows
