"""Traces of events that have no limit, and of columns: what is known, what is assumed, and said."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from iova_lab.commands.cli import main
from iova_lab.traces.explained import Settled, explained, settle
from iova_lab.traces.file import ALLOC_FAST, FREE_FAST, RESERVE, Rows, TraceFile, open_trace
from iova_lab.traces.importer import Imported, ImportTextError, import_text
from iova_lab.traces.info import trace_info
from iova_lab.traces.trace import TRACE_DIR, read_fast_trace
from tests.support import approximate_texts as texts

ROOT = Path(__file__).resolve().parent.parent
RANGE = "IOMMU: iova={start:#x} - {end:#x}"
MAP = f"  demo-{{pid}} [000] ..... {{us:.6f}}: map: {RANGE} paddr=0x1 size={{size}}\n"
UNMAP = f"  demo-{{pid}} [000] ..... {{us:.6f}}: unmap: {RANGE} size={{size}}\n"
DMA = "  a-7 [000] ..... 1.{}: dma_map_phys: dev0 dir=X dma_addr={} size={} phys_addr={} attrs=\n"
PAGE = 4096


def event(form: str, us: float, start: int, pages: int = 1, pid: int = 7) -> str:
    size = pages * PAGE
    return form.format(us=us * 1e-6 + 1, start=start, end=start + size, size=size, pid=pid)


def imported(folder: Path, text: str, **options: str) -> tuple[Imported, Rows]:
    (folder / "t.txt").write_text(text)
    columns = options.pop("columns", None)
    done = import_text(
        folder / "t.txt",
        folder / "t.npz",
        kernel="6.12.9",
        assume_limit=options.pop("assume_limit", None),
        columns=tuple(columns.split(",")) if columns else None,
    )
    assert not options
    return done, np.concatenate(list(open_trace(folder / "t.npz").pieces()))


def seen(rows: Rows) -> list[tuple[int, int, int]]:
    """Op, pfn and size of each row."""
    return [(int(row["op"]), int(row["pfn"]), int(row["size"])) for row in rows]


def recorded(rows: Rows) -> Rows:
    """The rows that are no ranges of before the recording."""
    found: Rows = rows[rows["op"] != RESERVE]
    return found


def asked(rows: Rows) -> list[tuple[int, int, int]]:
    """As `seen`, of the recorded rows."""
    return seen(recorded(rows))


# ---- what each tool prints ----


@pytest.mark.parametrize("tool", texts.IOMMU)
def test_pieces_of_every_tool_are_ranges(tool: str, tmp_path: Path) -> None:
    done, rows = imported(tmp_path, texts.IOMMU[tool])
    assert asked(rows) == [
        (ALLOC_FAST, 0x3FFFFFC00, 1024),
        (ALLOC_FAST, 0xFFFF0, 8),
        (FREE_FAST, 0xFFFF0, 8),
    ]
    assert recorded(rows)["limit_pfn"].tolist() == [(1 << 34) - 1, (1 << 20) - 1, 0]
    assert set(recorded(rows)["cpu"].tolist()) == {4}
    assert done.dropped == ()
    assert any("3 pieces were taken for 2 ranges" in note for note in done.notes)
    assert any("1 ranges were reserved at the beginning" in note for note in done.notes)


@pytest.mark.parametrize("flags", ["d.h.", "d.h1.", "d.h1..", "d..h1..", "d..h1.2."])
def test_every_layout_of_flags(flags: str, tmp_path: Path) -> None:
    _, rows = imported(tmp_path, texts.tracefs(flags))
    assert len(asked(rows)) == 3


@pytest.mark.parametrize("release", ["6.12", "7.3"])
def test_dma_events_of_both_releases(release: str, tmp_path: Path) -> None:
    _, rows = imported(tmp_path, texts.DMA_6_12 if release == "6.12" else texts.DMA_7_3)
    assert asked(rows) == [
        (ALLOC_FAST, 0xFFFFF, 1),
        (ALLOC_FAST, 0xFFFFC, 3),
        (FREE_FAST, 0xFFFFC, 3),
        (FREE_FAST, 0xFFFFF, 1),
    ]
    assert recorded(rows)["dom"].tolist() == [0, 1, 1, 0]  # a domain for each device


def test_the_form_of_older_kernels_without_an_end(tmp_path: Path) -> None:
    text = (
        "  ufs-88 [000] ..... 51.000021: map: IOMMU: iova=0xffff36000 paddr=0x1164d8000 size=8192\n"
    )
    _, rows = imported(tmp_path, text)
    assert asked(rows) == [(ALLOC_FAST, 0xFFFF36, 2)]


def test_a_mail_and_cut_ends_are_counted(tmp_path: Path) -> None:
    lines = texts.IOMMU["tracefs"].splitlines()
    quoted = "".join(f"> \x1b[31m{line}\x1b[0m\r\n" for line in lines)
    cut = f"> 00 - 0x1000 size=4096\r\n{quoted}> {lines[-1][:70]}"
    done, rows = imported(tmp_path, cut)
    assert len(asked(rows)) == 3
    assert sum(one.count for one in done.dropped) == 2


def test_a_refused_request_and_a_range_within_a_page(tmp_path: Path) -> None:
    text = DMA.format(1, "100000f80", 256, 9000) + DMA.format(2, "f" * 16, 4096, 9000)
    _, rows = imported(tmp_path, text)
    assert asked(rows) == [(ALLOC_FAST, 0x100000, 2), (ALLOC_FAST, 0, 1)]
    assert recorded(rows)["limit_pfn"].tolist() == [(1 << 21) - 1] * 2


def test_dma_events_of_babeltrace(tmp_path: Path) -> None:
    done, rows = imported(tmp_path, texts.DMA_BABELTRACE)
    assert asked(rows) == [(ALLOC_FAST, 0xFFFFF, 1), (FREE_FAST, 0xFFFFF, 1)]
    assert done.dropped == ()


DEVICE = {"device": "0000:03:00.0", "dir": "2", "attrs": "0x0"}


def test_dma_events_of_perfs_json_follow_from_their_fields(tmp_path: Path) -> None:
    text = texts.perf_json(
        [
            {**DEVICE, "phys_addr": 0x10B2C0000, "dma_addr": 0xFFFFF000, "size": 2048},
            {**DEVICE, "virt_addr": "0xffff888100000000", "dma_addr": "0xffffc000", "size": 8192}
            | {"flags": "3264"},
            {**DEVICE, "phys_addrs": "ARRAY[00]", "dma_addrs": "ARRAY[00]", "lengths": "ARRAY[00]"},
            {**DEVICE, "dma_addr": 0xFFFFF000, "size": 2048},  # a sync: nothing of the allocator
            {**DEVICE, "virt_addr": "0xffff888100000000", "dma_addr": "0xffffc000", "size": 8192},
            {**DEVICE, "addr": 0xFFFFF000, "size": 2048},
        ]
    )
    done, rows = imported(tmp_path, text)
    assert asked(rows) == [
        (ALLOC_FAST, 0xFFFFF, 1),
        (ALLOC_FAST, 0xFFFFC, 2),
        (FREE_FAST, 0xFFFFC, 2),
        (FREE_FAST, 0xFFFFF, 1),
    ]
    assert [one.count for one in done.dropped] == [1]  # the scatter list


def test_perfs_json_has_the_kernel_and_may_be_cut(tmp_path: Path) -> None:
    text = texts.IOMMU["perf JSON"]
    (tmp_path / "t.json").write_text(text[: text.rindex('"size"')])
    done = import_text(tmp_path / "t.json", tmp_path / "t.npz")
    assert done.kernel == "6.12.9"
    assert done.nr_rows == 3  # one was live before the recording
    assert [one.count for one in done.dropped] == [1]


def test_perfs_json_without_fields_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportTextError, match=r"without the fields of events.*`perf script`"):
        imported(tmp_path, texts.perf_json([{"period": 1}]))


def test_a_kernel_in_a_header_is_one_that_can_be_printed(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(
        "# os release : 6.1.9\x1b[31m\x07x\n" + texts.IOMMU["perf script"]
    )
    assert import_text(tmp_path / "t.txt", tmp_path / "t.npz").kernel == "6.1.9"


def test_a_range_at_address_zero_is_nobodys_request(tmp_path: Path) -> None:
    text = event(MAP, 1, 0) + event(UNMAP, 2, 0) + event(MAP, 3, 0x9000)
    done, rows = imported(tmp_path, text)
    assert asked(rows) == [(ALLOC_FAST, 9, 1)]
    assert [one.count for one in done.dropped] == [2]


@pytest.mark.parametrize("size", ["0097152", "0x2000"])
def test_sizes_may_begin_with_zeros(size: str, tmp_path: Path) -> None:
    for text in (
        f"  a-8 [000] ..... 5.1: map: IOMMU: iova=0xffff36000 paddr=0x1 size={size}\n",
        DMA.format(1, "100000000", size, 9000),
        texts.IOMMU["babeltrace"].replace("size = 32768", f"size = {size}"),
    ):
        assert len(asked(imported(tmp_path, text)[1])) >= 1


def test_numbers_of_babeltrace_may_have_any_base(tmp_path: Path) -> None:
    text = texts.IOMMU["babeltrace"].replace("perf_tid = 2201", "perf_tid = 0x899")
    _, rows = imported(tmp_path, text)
    assert len(asked(rows)) == 3


def test_mappings_without_an_iommu_are_no_requests(tmp_path: Path) -> None:
    with pytest.raises(ImportTextError, match="mappings without an IOMMU"):
        imported(tmp_path, DMA.format(1, 9000, 1, 9000))


# ---- what is assumed ----


@pytest.mark.parametrize(("limit", "bits"), [("32", 32), ("48", 48), ("64", 64), ("auto", 32)])
def test_the_limit_is_what_is_assumed(limit: str, bits: int, tmp_path: Path) -> None:
    done, rows = imported(tmp_path, event(MAP, 1, 0xFFFFF000), assume_limit=limit)
    assert recorded(rows)["limit_pfn"].tolist() == [(1 << bits - 12) - 1]
    said = f"limits of {limit} bits" if limit != "auto" else "limits by address"
    assert said in str(done.approximate)


def test_an_address_above_the_limit_gets_a_larger_one(tmp_path: Path) -> None:
    done, rows = imported(tmp_path, event(MAP, 1, 1 << 36), assume_limit="32")
    assert recorded(rows)["limit_pfn"].tolist() == [(1 << 25) - 1]
    assert any("1 addresses lie above 32 bits" in note for note in done.notes)


def test_two_ranges_at_one_address_belong_to_two_domains(tmp_path: Path) -> None:
    text = event(MAP, 1, 0x8000) + event(MAP, 9000, 0x8000) + event(UNMAP, 9999, 0x8000)
    _, rows = imported(tmp_path, text)
    assert recorded(rows)["dom"].tolist() == [0, 1, 0]


def test_pieces_of_different_tasks_or_times_are_ranges_of_their_own(tmp_path: Path) -> None:
    text = event(MAP, 1, 0x8000) + event(MAP, 2, 0x9000, pid=8) + event(MAP, 9000, 0xA000, pid=8)
    _, rows = imported(tmp_path, text)
    assert [size for _, _, size in asked(rows)] == [1, 1, 1]


def test_ranges_of_before_the_recording_are_at_its_beginning(tmp_path: Path) -> None:
    text = event(MAP, 1, 0x8000) + event(UNMAP, 2, 0x20000, 4) + event(UNMAP, 3, 0x20000, 4)
    done, rows = imported(tmp_path, text)
    # From the lowest range that was seen to 4 GiB, what nobody got is taken.
    assert seen(rows) == [
        (RESERVE, 0x20, 4),
        (RESERVE, 0x9, 0x20 - 0x9),
        (RESERVE, 0x24, (1 << 20) - 0x24),
        (ALLOC_FAST, 0x8, 1),
        (FREE_FAST, 0x20, 4),
    ]
    assert [one.count for one in done.added] == [1]
    assert [one.count for one in done.dropped] == [1]  # freed twice
    assert trace_info(tmp_path / "t.npz").total.live_ranges[-1] == 3
    assert read_fast_trace(tmp_path / "t.npz").trace.stream.nr_slots == 4


def test_exact_records_take_no_assumption(tmp_path: Path) -> None:
    line = "  a-7 [000] ..... 1.0: iova_alloc_fast: dom=0xa size=0x1 limit=0xfffff pfn=0xffffe\n"
    done, rows = imported(tmp_path, event(MAP, 1, 0x8000) + line)
    assert (len(rows), done.approximate) == (1, None)
    with pytest.raises(ImportTextError, match="leave --assume-limit out"):
        imported(tmp_path, line, assume_limit="48")


# ---- how good it is, and that it is said ----


def as_events(file: TraceFile, dom: int) -> str:
    """The fast level of one domain, as iommu:map and unmap would show it."""
    found: list[str] = []
    sizes: dict[int, int] = {}
    for rows in file.pieces():
        for row in rows[(rows["dom"] == dom) & (rows["op"] <= FREE_FAST) & (rows["pfn"] > 0)]:
            start = int(row["pfn"]) * PAGE
            form = UNMAP if row["op"] == FREE_FAST else MAP
            pages = sizes.pop(start, 1) if form is UNMAP else int(row["size"])
            if form is MAP:
                sizes[start] = pages
            line = event(form, int(row["t_ns"]) / 1000, start, pages, pid=int(row["cpu"]) + 1)
            found.append(line.replace("[000]", f"[{int(row['cpu']):03d}]"))
    return "".join(found)


@pytest.mark.parametrize(("trace", "dom"), [("debian-6.12", 3), ("debian-6.12", 2)])
def test_what_was_recorded_is_explained_by_its_addresses(
    trace: str, dom: int, tmp_path: Path
) -> None:
    """Devices of the lab's own recording: from addresses alone all answers follow."""
    _, rows = imported(tmp_path, as_events(open_trace(TRACE_DIR / f"{trace}.npz"), dom))
    allocs = rows["op"] == ALLOC_FAST
    assert allocs.sum() > 500
    assert set(rows["limit_pfn"][allocs].tolist()) == {(1 << 20) - 1}
    assert explained(tmp_path / "t.npz") == 1
    rows["limit_pfn"][allocs] = (1 << 36) - 1
    _write_again(tmp_path / "t.npz", tmp_path / "wrong.npz", rows)
    assert explained(tmp_path / "wrong.npz") == 0


@pytest.mark.parametrize(
    ("trace", "dom", "with_them", "nr_domains"),
    [("debian-6.1", 2, 0.07, 1), ("debian-6.12", 2, 1, 0)],
)
def test_leftovers_of_an_alignment_are_no_ranges_of_before(
    trace: str, dom: int, with_them: float, nr_domains: int, tmp_path: Path
) -> None:
    """Where both are possible, mainline's answers decide."""
    _, rows = imported(tmp_path, as_events(open_trace(TRACE_DIR / f"{trace}.npz"), dom))
    assert round(explained(tmp_path / "t.npz"), 2) == with_them
    assert settle(tmp_path / "t.npz") == Settled(1, nr_domains)
    assert explained(tmp_path / "t.npz") == 1
    settled = np.concatenate(list(open_trace(tmp_path / "t.npz").pieces()))
    assert (recorded(settled) == recorded(rows)).all()
    assert (len(settled) < len(rows)) == bool(nr_domains)
    assert settle(tmp_path / "t.npz") == Settled(1)


@pytest.mark.slow
def test_every_request_of_a_busy_disk_is_found(tmp_path: Path) -> None:
    file = open_trace(TRACE_DIR / "debian-6.12.npz")
    _, rows = imported(tmp_path, as_events(file, 1))
    exact = np.concatenate(list(file.pieces()))
    exact = exact[(exact["dom"] == 1) & (exact["op"] <= FREE_FAST) & (exact["pfn"] > 0)]
    fields = ["op", "pfn", "size"]
    assert len(exact) > 100_000
    assert (np.sort(recorded(rows)[fields]) == np.sort(exact[fields])).all()


def _write_again(source: Path, target: Path, rows: Rows) -> None:
    from iova_lab.traces.file import write_trace

    write_trace(target, len(rows), [rows], open_trace(source).meta)


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["trace", *words])


@pytest.mark.slow
def test_it_is_marked_wherever_it_is_shown(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(texts.IOMMU["tracefs"])
    trace = str(tmp_path / "t.npz")
    done = run("import", str(tmp_path / "t.txt"), "--kernel", "6.12.9")
    assert "note: APPROXIMATE: no probe saw the allocator" in done.stdout
    assert "mainline explains " in done.stdout
    for words in (["info", trace], ["replay", trace], ["check", trace]):
        assert "APPROXIMATE: no probe" in run(*words).stdout, words
    scaled = run("scale", trace, "2", "--out", str(tmp_path / "two.npz"))
    assert "approximate: no probe" in scaled.stdout
    assert json.loads(run("info", trace, "--json").stdout)["approximate"]
    shown = json.loads(run("replay", trace, "--json").stdout)
    assert shown["approximate"]
    again = run("import", str(tmp_path / "t.txt"), "--kernel", "6.12.9", "--json")
    assert json.loads(again.stdout)["explained"] == 1


# ---- columns ----


def test_columns_with_a_limit_are_exact(tmp_path: Path) -> None:
    done, rows = imported(tmp_path, texts.COLUMNS)
    assert asked(rows) == [
        (ALLOC_FAST, 0x3FFFFFC00, 1024),
        (ALLOC_FAST, 0xFFFF0, 8),
        (FREE_FAST, 0xFFFF0, 8),
    ]
    assert (done.approximate, done.nr_domains) == (None, 1)


def test_columns_that_a_user_names(tmp_path: Path) -> None:
    text = "1.5 0 map 0xfffff000 8192 x\n1.6 0 unmap 0xfffff000 8192 y\n"
    done, rows = imported(tmp_path, text, columns="ts,cpu,op,addr,bytes,-")
    assert asked(rows) == [(ALLOC_FAST, 0xFFFFF, 2), (FREE_FAST, 0xFFFFF, 2)]
    assert rows["t_ns"].tolist() == [0, 100_000_000]
    assert "limits by address" in str(done.approximate)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("1.0,0,0,alloc,0x10", "5 columns in place of 7"),
        ("1.0,0,0,take,0x10,1,9", "op 'take' is none of alloc, "),
        ("1.0,0,0,alloc,ten,1,9", "pfn 'ten' is no whole number"),
        ("noon,0,0,alloc,0x10,1,9", "ts 'noon' is no number of seconds"),
        ("1.0,70000,0,alloc,0x10,1,9", "cpu 70000 is no CPU"),
    ],
)
def test_a_wrong_line_is_named_with_an_example(line: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ImportTextError) as caught:
        imported(tmp_path, texts.COLUMNS + line + "\n")
    message = str(caught.value)
    assert "line 6: " in message
    assert says in message
    assert "for example ts,cpu,dom,op,pfn,size,limit / " in message


@pytest.mark.parametrize(
    "columns", ["ts,cpu,pfn", "ts,op,size", "op,pfn,size", "ts,op,pfn,size,bits"]
)
def test_columns_that_make_no_request_are_refused(columns: str, tmp_path: Path) -> None:
    with pytest.raises(ImportTextError, match="an example"):
        imported(tmp_path, "1,2\n", columns=columns)


def test_the_script_of_the_documentation_writes_such_a_text(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "traces.md").read_text(encoding="utf-8")
    (script,) = (
        block for block in page.split("```python\n")[1:] if block.startswith("# A text that")
    )
    script = script.partition("```")[0]
    assert len(script.splitlines()) <= 10
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    report, rows = imported(tmp_path, done.stdout)
    assert report.approximate is None
    assert asked(rows)[0] == (ALLOC_FAST, 0xFFFFF, 1)
