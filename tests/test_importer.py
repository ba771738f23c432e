"""Is the text of tracing tools read right, and is what is missing in it told?"""

from __future__ import annotations

import gzip
import lzma
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from iova_lab import agreement
from iova_lab.cli import main
from iova_lab.importer import calls
from iova_lab.importer.calls import ALLOC, ALLOC_FAST, FREE, FREE_FAST, RESERVE
from iova_lab.importer.text import ImportTextError, Tally, events
from iova_lab.importer.write import Imported, import_text
from iova_lab.kernel import KernelError, probes
from iova_lab.trace import TRACE_DTYPE, read_trace

TEXTS = sorted((Path(__file__).parent / "golden" / "tracing").glob("*.txt.gz"))


def unpacked(path: Path, folder: Path) -> Path:
    text = folder / path.name.removesuffix(".gz")
    text.write_bytes(gzip.decompress(path.read_bytes()))
    return text


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


def line(event: str, *, at: float = 1.0, cpu: int = 0, flags: str = ".....", **fields: int) -> str:
    shown = " ".join(f"{name}={value:#x}" for name, value in fields.items())
    return f"    nvme-7   [{cpu:03}] {flags} {at:12.6f}: iova_{event}: (f+0x4/0x50) {shown}"


INIT = line("init", dom=0xA0, granule=4096, start=1)


# ---- the text of real tools ----


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name.removesuffix(".txt.gz"))
def test_what_a_real_tool_printed_replays_on_mainline(path: Path, tmp_path: Path) -> None:
    done = import_text(unpacked(path, tmp_path), tmp_path / "t.npz", kernel="6.12.0")
    assert done.nr_lost == 0
    frame, _ = agreement.report(read_trace(done.path), "mainline")
    assert frame["nr_allocs"].sum() > 20
    assert (frame["share_mended"] == 1).all()


def test_there_is_text_of_every_tool() -> None:
    names = {path.name.split("-")[0] for path in TEXTS}
    assert names == {"tracefs", "tracecmd", "perf", "bpftrace"}


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
    (event,) = events([text], calls.NAMES, Tally(), "t")
    assert (event.time_ns, event.cpu, event.pid, event.name) == (5_000_001_000, 1, 12, "iova_free")
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
        (ALLOC, 0, 98, 2, calls.SIZE_ALIGNED),
        (ALLOC_FAST, 0, 98, 2, calls.WENT_ON),
        (ALLOC_FAST, 0, 96, 2, 0),
        (FREE_FAST, 0, 98, 2, calls.WENT_ON | calls.IN_INTERRUPT),
        (FREE, 0, 98, 2, calls.IN_INTERRUPT),
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
        (ALLOC, 0, 99, 1, calls.SIZE_ALIGNED),
        (ALLOC_FAST, 0, 99, 1, calls.WENT_ON),
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
    assert "note: 1 lines of 3" in done.output
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


def test_mutated_text_never_breaks_the_importer(tmp_path: Path) -> None:
    rng = random.Random(0)
    text = gzip.decompress(TEXTS[0].read_bytes())[:20_000]
    for _ in range(60):
        broken = bytearray(text)
        for _ in range(rng.randrange(1, 30)):
            broken[rng.randrange(len(broken))] = rng.randrange(256)
        (tmp_path / "t.txt").write_bytes(broken)
        try:
            import_text(tmp_path / "t.txt", tmp_path / "t.npz", kernel="6.12.0")
        except ImportTextError:
            continue


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
