"""Is the text of tracing tools read right, and is what is missing in it told?"""

from __future__ import annotations

import gzip
import lzma
import random
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from iova_lab.commands.cli import main
from iova_lab.kernel import KernelError, probes
from iova_lab.traces import agreement
from iova_lab.traces.file import (
    ALLOC,
    ALLOC_FAST,
    FREE,
    FREE_FAST,
    IN_INTERRUPT,
    RESERVE,
    SIZE_ALIGNED,
    TRACE_DTYPE,
    WENT_ON,
)
from iova_lab.traces.importer import calls, order
from iova_lab.traces.importer.calls import Calls
from iova_lab.traces.importer.text import Event, ImportTextError, Tally, events
from iova_lab.traces.importer.write import Imported, import_text
from iova_lab.traces.replay import replay_trace
from iova_lab.traces.trace import TraceError, read_fast_trace, read_trace

TEXTS = sorted((Path(__file__).parent / "golden" / "tracing").glob("*.txt.gz"))


def imported(folder: Path, lines: str | list[str]) -> Imported:
    source = folder / "trace.txt"
    source.write_text(lines if isinstance(lines, str) else "\n".join(lines) + "\n")
    return import_text(source, folder / "trace.npz", kernel="6.12.0")


def rows(done: Imported) -> list[tuple[int, ...]]:
    """Per row: op, dom, pfn, size, flags."""
    table = np.load(done.path)["ops"]
    assert table.dtype == TRACE_DTYPE
    return [
        (int(r["op"]), int(r["dom"]), int(r["pfn"]), int(r["size"]), int(r["flags"])) for r in table
    ]


def line(
    event: str,
    *,
    at: float = 1.0,
    cpu: int = 0,
    pid: int | None = None,
    flags: str = ".....",
    **fields: int,
) -> str:
    """One line of tracefs; each CPU has a task of its own unless it is said."""
    shown = " ".join(f"{name}={value:#x}" for name, value in fields.items())
    pid = 7 + cpu if pid is None else pid
    return f"    nvme-{pid}   [{cpu:03}] {flags} {at:12.6f}: iova_{event}: (f+0x4/0x50) {shown}"


INIT = line("init", dom=0xA0, granule=4096, start=1)


# ---- the text of real tools ----


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name.removesuffix(".txt.gz"))
def test_what_a_real_tool_printed_replays_on_mainline(path: Path, tmp_path: Path) -> None:
    kernel = path.name.removesuffix(".txt.gz").split("-")[1]
    done = import_text(path, tmp_path / "t.npz", kernel=kernel)
    assert done.nr_lost == 0
    frame, _ = agreement.report(read_trace(done.path), "mainline")
    assert frame["nr_allocs"].sum() > 20
    assert (frame["share_mended"] == 1).all()


def test_there_is_text_of_every_tool_on_both_kernels() -> None:
    tools = ("tracefs", "tracecmd", "perf", "bpftrace")
    names = {path.name.removesuffix(".txt.gz") for path in TEXTS}
    assert names == {f"{tool}-{kernel}" for tool in tools for kernel in ("6.1", "6.12")}


@pytest.mark.parametrize(
    "text",
    [
        "  dd-12   [001] d.h2.  5.000001: iova_free: (remove_iova+0x4/0x80) dom=0xa pfn=0x9",
        "  dd-12   [001]  5.000001: iova_free:            (ffffffff8193a764) dom=0xa pfn=9",
        "dd    12 [001]     5.000001: iova:iova_free: (ffffffff8193a764) dom=0xa pfn=0x9",
        " kworker/0:1-eve-12    [001]     5.000001000: iova_free: dom=10 pfn=9",
        "  dd-12  (  12) [001] ...1. 5.000001: iova_free: (a <- b) dom=0xa pfn=0x9",
        " <idle>-12     [001] d.s..     5.000001: iova_free: dom=0xa pfn=0x9",
    ],
)
def test_every_tools_line_says_the_same(text: str) -> None:
    (event,) = events([text.encode()], calls.NAMES, Tally())
    assert (event.time_ns, event.cpu, event.thread, event.name) == (
        5_000_001_000,
        1,
        12,
        "iova_free",
    )
    assert event.fields == {"dom": 10, "pfn": 9}


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("CPU:0 [LOST 12 EVENTS]", 12),
        ("CPU 1: 34 EVENTS DROPPED", 34),
        ("  [56 events lost]", 56),
        ("LOST 78 events!", 78),
    ],
)
def test_what_a_tool_lost_is_told(tmp_path: Path, text: str, lost: int) -> None:
    alloc = line("alloc", dom=0xA0, size=1, limit=99, aligned=1, pfn=99)
    done = imported(tmp_path, [INIT, text, alloc])
    assert done.nr_lost == lost
    assert any("lost by the tool" in note for note in done.notes)


# ---- calls ----


def test_one_record_per_call(tmp_path: Path) -> None:
    done = imported(
        tmp_path,
        [
            INIT,
            line("reserve", dom=0xA0, lo=10, hi=19, ret=0xFF),
            line("alloc", dom=0xA0, size=2, limit=99, aligned=1, pfn=98),
            line("alloc_fast", dom=0xA0, size=2, limit=99, pfn=98),
            line("alloc_fast", dom=0xA0, size=2, limit=99, pfn=96),
            line("free_fast", dom=0xA0, pfn=98, size=2, flags="d.h1."),
            line("free", dom=0xA0, pfn=98, flags="d.h1."),
        ],
    )
    assert rows(done) == [
        (RESERVE, 0, 10, 10, 0),
        (ALLOC, 0, 98, 2, SIZE_ALIGNED),
        (ALLOC_FAST, 0, 98, 2, WENT_ON),
        (ALLOC_FAST, 0, 96, 2, 0),
        (FREE_FAST, 0, 98, 2, WENT_ON | IN_INTERRUPT),
        (FREE, 0, 98, 2, IN_INTERRUPT),
    ]
    assert not done.notes


def test_two_records_per_call_with_others_between_them(tmp_path: Path) -> None:
    done = imported(
        tmp_path,
        [
            INIT,
            line("alloc_fast", dom=0xA0, size=1, limit=99),
            line("alloc_fast", dom=0xA0, size=1, limit=50, cpu=1),
            line("alloc", dom=0xA0, size=1, limit=99, aligned=1),
            line("alloc_fast", dom=0xA0, size=4, limit=80),  # an interrupt's
            line("alloc_fast_ret1", pfn=80),
            line("alloc_fast_ret0", pfn=50, cpu=1),
            line("alloc_ret0", pfn=99),
            line("alloc_fast_ret0", pfn=99),
        ],
    )
    assert rows(done) == [
        (ALLOC_FAST, 0, 80, 4, 0),
        (ALLOC_FAST, 0, 50, 1, 0),
        (ALLOC, 0, 99, 1, SIZE_ALIGNED),
        (ALLOC_FAST, 0, 99, 1, WENT_ON),
    ]


def test_a_refused_request_has_no_address(tmp_path: Path) -> None:
    text = line("alloc", dom=0xA0, size=1, limit=99, aligned=0) + " pfn=(fault)"
    assert rows(imported(tmp_path, [INIT, text])) == [(ALLOC, 0, 0, 1, 0)]


def test_a_domain_that_comes_again_is_another(tmp_path: Path) -> None:
    alloc = line("alloc", dom=0xA0, size=1, limit=99, aligned=0, pfn=99)
    done = imported(tmp_path, [INIT, alloc, line("put", dom=0xA0), INIT, alloc])
    assert rows(done) == [(ALLOC, 0, 99, 1, 0), (ALLOC, 1, 99, 1, 0)]


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        ([line("free", dom=0xA0, pfn=7)], calls.NOT_LIVE),
        ([line("alloc_ret0", pfn=7)], calls.NOT_BEGUN),
        ([line("alloc", dom=0xA0, size=1, limit=9, aligned=0)], calls.NOT_RETURNED),
        ([line("alloc", dom=0xA0, size=1, limit=9, pfn=9)], calls.NO_NUMBER),
        ([line("alloc", dom=0xA0, size=0, limit=9, aligned=0, pfn=9)], calls.TOO_LARGE),
        ([line("alloc", dom=0xA0, size=1, limit=99, aligned=0, pfn=99)], calls.FREE_LOST),
        (
            [
                line("init", dom=0xB0, granule=65536, start=1),
                line("alloc", dom=0xB0, size=1, limit=9, aligned=0, pfn=9),
            ],
            calls.OTHER_GEOMETRY,
        ),
        (["something else"], "no records of ours"),
        (
            [line("alloc", dom=0xC0, size=1, limit=9, aligned=0, pfn=9)],
            "domains were set up before the recording",
        ),
    ],
)
def test_what_is_left_out_is_told(tmp_path: Path, lines: list[str], note: str) -> None:
    alloc = line("alloc", dom=0xA0, size=1, limit=99, aligned=0, pfn=99)
    done = imported(tmp_path, [INIT, alloc, *lines])
    assert any(note in told for told in done.notes), done.notes
    read_trace(done.path)  # what is left is whole


def test_a_text_without_a_request_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("# tracer: nop\nhello\n")
    with pytest.raises(ImportTextError, match="2 lines, and none of them a request"):
        import_text(tmp_path / "x.txt", tmp_path / "x.npz", kernel="6.1.0")
    assert not (tmp_path / "x.npz").exists()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["trace", "import", *arguments])


def test_the_command_makes_a_file_that_can_be_checked(tmp_path: Path) -> None:
    source = tmp_path / "t.txt"
    alloc = line("alloc", dom=0xA0, size=1, limit=99, aligned=0, pfn=99)
    source.write_text("\n".join([INIT, alloc, "x"]) + "\n")
    done = run(str(source), "--kernel", "6.12.0")
    assert done.exit_code == 0
    assert "1 rows of 1 domains" in done.output
    assert (
        "note: left out: 1 lines are no records of ours: passed over; the first is line 3: x"
        in done.output
    )
    check = CliRunner().invoke(main, ["trace", "check", str(tmp_path / "t.npz")])
    assert check.exit_code == 0
    assert "1 of 1 allocations agree" in check.output


def test_a_file_that_is_not_there_is_no_traceback(tmp_path: Path) -> None:
    done = run(str(tmp_path / "none"), "--kernel", "6.12.0")
    assert done.exit_code == 2
    assert "does not exist" in done.output


# ---- whatever comes ----

FIELDS = st.dictionaries(
    st.sampled_from("dom size limit aligned pfn ret lo hi granule start".split()),
    st.integers(0, 2**64 - 1) | st.integers(0, 12),
    max_size=6,
)


@pytest.mark.slow
@given(
    st.lists(
        st.builds(
            lambda name, fields, cpu: line(name.removeprefix("iova_"), cpu=cpu, **fields),
            st.sampled_from(sorted(calls.NAMES)),
            FIELDS,
            st.integers(0, 2),
        )
        | st.text(max_size=80),
        max_size=60,
    )
)
def test_whatever_comes_the_trace_is_whole(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("import")
    alloc = line("alloc", dom=0xA0, size=1, limit=99, aligned=0, pfn=99)
    done = imported(folder, [INIT, alloc, *lines])
    table = np.load(done.path)["ops"]
    live: set[tuple[int, int, bool]] = set()
    for row in table:
        key = (int(row["dom"]), int(row["pfn"]), int(row["op"]) in (ALLOC_FAST, FREE_FAST))
        if row["op"] in (FREE, FREE_FAST):
            assert key in live
            live.remove(key)
        elif row["pfn"] or row["op"] == RESERVE:
            assert key not in live
            live.add(key)


# ---- levels ----


def level_of_a_real_text(folder: Path, events: str, name: str = "tracefs-6.12") -> Imported:
    """A real recording without the probes of one level."""
    lines = gzip.decompress((TEXTS[0].parent / f"{name}.txt.gz").read_bytes()).decode().split("\n")
    kept = [text for text in lines if re.search(rf"iova_({events})(_ret\d?)?:", text)]
    return imported(folder, kept)


@pytest.mark.parametrize("name", ["tracefs-6.12", "tracefs-6.1"])
def test_the_fast_level_alone_replays_through_the_rcache(name: str, tmp_path: Path) -> None:
    done = level_of_a_real_text(tmp_path, "init|put|reserve|alloc_fast|free_fast", name)
    found = replay_trace(done.path)
    assert (found.level, found.rcache) == ("fast", "6.7")
    (mainline,) = found.variants
    assert mainline.nr_allocs is not None
    assert mainline.nr_allocs > 100
    assert mainline.error is None
    if name == "tracefs-6.12":
        assert mainline.nr_agree == mainline.nr_allocs
    with pytest.raises(TraceError, match="trace replay"):
        read_trace(done.path)


def test_the_tree_level_alone_replays_as_it_is(tmp_path: Path) -> None:
    done = level_of_a_real_text(tmp_path, "init|put|reserve|alloc|free")
    found = replay_trace(done.path)
    assert found.level == "tree"
    assert found.variants[0].nr_agree == found.variants[0].nr_allocs
    with pytest.raises(TraceError, match="no alloc_iova_fast"):
        read_fast_trace(done.path)


# ---- Linux 5.x: no Debian kernel to record it on; text made by hand, as its documentation has it


TEXT_5_10 = """\
# tracer: nop
#
# entries-in-buffer/entries-written: 8/8   #P:4
#
#                              _-----=> irqs-off
#                             / _----=> need-resched
#                            | / _---=> hardirq/softirq
#                            || / _--=> preempt-depth
#                            ||| /     delay
#           TASK-PID   CPU#  ||||    TIMESTAMP  FUNCTION
#              | |       |   ||||       |         |
  modprobe-301   [002] ....   100.000001: iova_init: (init_iova_domain+0x5/0x90) \
dom=0xffff888100a0d208 granule=0x1000 start=0x1
   kworker-77    [001] d..1   100.000010: iova_alloc_fast: (alloc_iova_fast+0x5/0x2b0) \
dom=0xffff888100a0d208 size=0x1 limit=0xfffff
   kworker-77    [001] d..1   100.000011: iova_alloc: (alloc_iova+0x5/0x2f0) \
dom=0xffff888100a0d208 size=0x1 limit=0xfffff aligned=1
   kworker-77    [001] d..1   100.000012: iova_alloc_ret0: (alloc_iova+0x2e0/0x2f0) pfn=0xfffff
   kworker-77    [001] d..1   100.000013: iova_alloc_fast_ret1: (alloc_iova_fast+0x99/0x2b0) \
pfn=0xfffff
    <idle>-0     [003] d.h2   100.000020: iova_free_fast: (free_iova_fast+0x5/0x1a0) \
dom=0xffff888100a0d208 pfn=0xfffff size=0x1
    <idle>-0     [003] d.h2   100.000021: iova_free: (private_free_iova+0x5/0x60) \
dom=0xffff888100a0d208 pfn=0xfffff
"""


def test_text_of_5_10_has_four_flags_and_another_function(tmp_path: Path) -> None:
    done = imported(tmp_path, TEXT_5_10)
    assert rows(done) == [
        (ALLOC, 0, 0xFFFFF, 1, SIZE_ALIGNED),
        (ALLOC_FAST, 0, 0xFFFFF, 1, WENT_ON),
        (FREE_FAST, 0, 0xFFFFF, 1, WENT_ON | IN_INTERRUPT),
        (FREE, 0, 0xFFFFF, 1, IN_INTERRUPT),
    ]
    assert not done.notes


# ---- order, and who interrupts whom ----


def test_a_task_that_was_displaced_returns_elsewhere(tmp_path: Path) -> None:
    """Another task calls on the same CPU meanwhile, and is done first or last."""
    done = imported(
        tmp_path,
        [
            INIT,
            line("alloc_fast", dom=0xA0, size=1, limit=99, pid=50),
            line("alloc_fast", dom=0xA0, size=2, limit=99, pid=60),
            line("alloc_fast_ret0", pfn=99, pid=50, cpu=3),
            line("alloc_fast_ret0", pfn=96, pid=60),
        ],
    )
    assert rows(done) == [(ALLOC_FAST, 0, 99, 1, 0), (ALLOC_FAST, 0, 96, 2, 0)]
    assert np.load(done.path)["ops"]["cpu"].tolist() == [3, 0]


def test_an_interrupt_between_a_free_and_its_tree_is_none_of_its_business(tmp_path: Path) -> None:
    done = imported(
        tmp_path,
        [
            INIT,
            line("alloc", dom=0xA0, size=1, limit=99, aligned=1, pfn=99),
            line("alloc_fast", dom=0xA0, size=1, limit=99, pfn=99),
            line("alloc_fast", dom=0xA0, size=1, limit=99, pfn=98),
            line("free_fast", dom=0xA0, pfn=99, size=1),
            line("free_fast", dom=0xA0, pfn=98, size=1, flags="d.h1."),
            line("free", dom=0xA0, pfn=99),
        ],
    )
    flags = {row[2]: row[4] for row in rows(done) if row[0] == FREE_FAST}
    assert flags == {99: WENT_ON, 98: IN_INTERRUPT}


def test_lines_out_of_order_are_sorted_and_told(tmp_path: Path) -> None:
    """As bpftrace prints them: a free on one CPU before the alloc on another."""
    done = imported(
        tmp_path,
        [
            INIT,
            line("free", dom=0xA0, pfn=99, cpu=1, at=1.003),
            line("alloc", dom=0xA0, size=1, limit=99, aligned=1, pfn=99, at=1.002),
        ],
    )
    assert [row[0] for row in rows(done)] == [ALLOC, FREE]
    assert any("1 records came after a later one, by up to 0.001" in note for note in done.notes)


def test_a_clock_that_begins_again_is_another_recording(tmp_path: Path) -> None:
    alloc = line("alloc", dom=0xA0, size=1, limit=99, aligned=1, pfn=99, at=100)
    again = line("free", dom=0xA0, pfn=99, at=50)
    done = imported(tmp_path, [INIT, alloc, again])
    assert [row[0] for row in rows(done)] == [ALLOC, FREE]
    assert any("1 times the clock fell by more than a second" in note for note in done.notes)


@pytest.mark.slow
def test_more_than_a_window_comes_out_in_order_and_whole(tmp_path: Path) -> None:
    nr_events = 3 * order.WINDOW
    found = [Event(t, 0, 1, False, "x", {}) for t in range(nr_events)]
    rng = random.Random(0)
    mixed = [found[i] for i in sorted(range(nr_events), key=lambda i: i + rng.randrange(1000))]
    assert list(order.Order().events(mixed)) == found


@pytest.mark.slow
def test_calls_that_never_return_do_not_pile_up(tmp_path: Path) -> None:
    tally = Tally()
    found = Calls(tally.drops)
    call = Event(0, 0, 7, False, "iova_alloc", {"dom": 1, "size": 1, "limit": 9, "aligned": 0})
    many = [replace(call, thread=thread) for thread in range(calls.MOST_THREADS + 5)]
    assert not list(found.rows([call] * 100 + many))
    assert tally.drops.counts == {calls.NOT_RETURNED: 100 + len(many)}


@pytest.mark.parametrize(
    "bad",
    [
        line("alloc", dom=0xA0, size=1, limit=0, aligned=0, pfn=0),
        line("alloc", dom=0xA0, size=1, limit=2**60, aligned=0, pfn=0),
        line("alloc_fast", dom=0xA0, size=2**32, limit=99, pfn=7),
        line("reserve", dom=0xA0, lo=9, hi=8, ret=1),
        line("init", dom=0xB0, granule=3, start=1),
        line("alloc", dom=0xA0, size=1, limit=99, aligned=0, pfn=7, cpu=99999),
    ],
)
def test_a_request_that_no_allocator_could_be_asked_is_left_out(tmp_path: Path, bad: str) -> None:
    alloc = line("alloc", dom=0xA0, size=1, limit=99, aligned=0, pfn=99)
    done = imported(tmp_path, [INIT, bad, alloc])
    assert rows(done) == [(ALLOC, 0, 99, 1, 0)]
    assert done.dropped[0].line == 2
    read_trace(done.path)


def test_a_domain_does_not_change_what_rows_before_it_were_held_against(tmp_path: Path) -> None:
    alloc = line("alloc", dom=0xC0, size=1, limit=99, aligned=0, pfn=99)
    late = line("init", dom=0xB0, granule=4096, start=500)
    done = imported(tmp_path, [alloc, late, alloc.replace("0xc0", "0xb0")])
    assert [drop.reason for drop in done.dropped] == [calls.OTHER_GEOMETRY]
    assert [drop.count for drop in done.dropped] == [2]
    read_trace(done.path)


def test_a_line_of_perf_may_have_process_and_thread() -> None:
    text = b"dd    11/12 [001]  5.000001: iova:iova_free: (ffffffff8193a764) dom=0xa pfn=0x9"
    (event,) = events([text], calls.NAMES, Tally())
    assert event.thread == 12


# ---- the probes ----

CODE = """
\t.globl alloc_iova_fast, alloc_iova, reserve_iova, _text
_text:
alloc_iova_fast:
\tret
\tnop
\tret
alloc_iova:
\tjmp thunk
reserve_iova:
\tjmp {to}
\tret
thunk:
\tret
end:
"""


def kernel_image(folder: Path, to: str, pack: Callable[[bytes], bytes]) -> dict[str, int]:
    """An image with `CODE` at a kernel's address, packed; its symbols."""
    (folder / "a.s").write_text(CODE.format(to=to))
    base = ["-Wl,-Ttext=0xffffffff81000000", "-nostdlib", "-static", "-Wl,-e,_text"]
    subprocess.run(["cc", *base, "a.s", "-o", "a.out"], cwd=folder, check=True)
    shown = subprocess.run(["nm", "a.out"], cwd=folder, check=True, capture_output=True, text=True)
    (folder / "vmlinuz").write_bytes(b"head" + pack((folder / "a.out").read_bytes()) + b"tail")
    symbols = probes.parse_kallsyms(shown.stdout)
    symbols["__x86_return_thunk"] = symbols["thunk"]
    return symbols


@pytest.mark.parametrize("pack", [lzma.compress, gzip.compress])
@pytest.mark.parametrize("slide", [0, 0x7000000])
def test_return_instructions_are_read_from_the_image(
    tmp_path: Path, pack: Callable[[bytes], bytes], slide: int
) -> None:
    symbols = kernel_image(tmp_path, "thunk", pack)
    moved = {name: address + slide for name, address in symbols.items()}
    found = probes.returns(tmp_path / "vmlinuz", moved)
    assert found["alloc_iova_fast"] == [0, 2]
    assert found["alloc_iova"] == [0]
    assert len(found["reserve_iova"]) == 2


def test_a_function_that_ends_in_another_can_not_be_probed(tmp_path: Path) -> None:
    symbols = kernel_image(tmp_path, "alloc_iova", lzma.compress)
    with pytest.raises(KernelError, match="reserve_iova ends in another function"):
        probes.returns(tmp_path / "vmlinuz", symbols)


def test_an_image_that_is_none_is_told(tmp_path: Path) -> None:
    symbols = kernel_image(tmp_path, "thunk", bytes)
    with pytest.raises(KernelError, match="has no vmlinux inside"):
        probes.returns(tmp_path / "vmlinuz", symbols)


def test_probes_name_events_that_the_importer_knows() -> None:
    offsets = {function: [9, 20] for function, _ in probes.CALLS.values()}
    for probe in probes.fprobes() + probes.kprobes(offsets):
        assert probe.split()[0].split("/")[1] in calls.NAMES
