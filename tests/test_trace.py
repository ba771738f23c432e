"""Is a file that is not a trace told in one line, and does `mainline` answer as the kernel did?"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import IovaLabError
from iova_lab.traces import agreement
from iova_lab.traces.trace import TRACE_DIR, TRACE_DTYPE, TraceError, read_trace
from iova_variants.opstream import Op, OpFlag

META = {"kernel": "test", "granule": 4096, "start_pfn": 1}
ALLOC_FAST, FREE_FAST, ALLOC, FREE, RESERVE = range(5)
ALIGNED = 1 << 3
TRACES = ["debian-6.1", "debian-6.12", "debian-7.3"]


def rows(*calls: tuple[int, int, int]) -> npt.NDArray[np.void]:
    """Rows of (op, pfn, dom), one page each below 2^20."""
    table = np.zeros(len(calls), TRACE_DTYPE)
    for row, (op, pfn, dom) in zip(table, calls, strict=True):
        row["op"], row["pfn"], row["dom"] = op, pfn, dom
    table["size"] = 1
    table["limit_pfn"] = 2**20 - 1
    return table


def columns() -> dict[str, Any]:
    """The fields of a good trace, an array each."""
    return {name: GOOD[name] for name in GOOD.dtype.names or ()}


def write(path: Path, table: npt.NDArray[Any], meta: object = META) -> Path:
    """Write a trace file."""
    text = meta if isinstance(meta, str) else json.dumps(meta)
    np.savez_compressed(path, ops=table, meta=np.array(text))
    return path


GOOD = rows((ALLOC_FAST, 0xFFFFF, 0), (ALLOC, 0xFFFFF, 0), (FREE, 0xFFFFF, 0))


def test_a_small_trace_is_read(tmp_path: Path) -> None:
    table = rows(
        (RESERVE, 0xFEE00, 3),
        (ALLOC_FAST, 0xFFFFF, 3),
        (ALLOC, 0xFFFFF, 3),
        (FREE_FAST, 0xFFFFF, 3),
        (ALLOC, 0, 3),
        (FREE, 0xFFFFF, 3),
        (ALLOC, 0xFFFFF, 3),
    )
    table["size"][0], table["flags"][2] = 256, ALIGNED
    trace = read_trace(write(tmp_path / "t.npz", table))
    ops = trace.stream.ops
    assert trace.rows.tolist() == [0, 2, 4, 5, 6]
    assert ops["op"].tolist() == [Op.RESERVE, Op.ALLOC, Op.ALLOC, Op.FREE, Op.ALLOC]
    assert ops["slot"].tolist() == [0, 1, 2, 1, 3]
    assert ops["limit_pfn"][0] == 0xFEEFF
    assert ops["flags"].tolist() == [0, OpFlag.SIZE_ALIGNED, 0, 0, 0]
    assert trace.recorded.tolist() == [0xFEE00, 0xFFFFF, 2**64 - 1, 0xFFFFF, 0xFFFFF]
    assert (trace.stream.nr_domains, trace.kernel) == (4, "test")
    iova_variants.check(trace.stream)


def damage(path: Path) -> None:
    """Spoil bytes in the middle of the compressed rows."""
    data = bytearray(path.read_bytes())
    data[80:120] = b"\xff" * 40
    path.write_bytes(data)


def bad_file(tmp_path: Path, kind: str) -> Path:
    path = write(tmp_path / "t.npz", GOOD)
    match kind:
        case "missing":
            path.unlink()
        case "directory":
            path.unlink()
            path.mkdir()
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("t_ns,op,pfn\n1,2,3\n", encoding="utf-8")
        case "truncated":
            path.write_bytes(path.read_bytes()[:-40])
        case "one byte":
            path.write_bytes(path.read_bytes()[:1])
        case "damaged":
            damage(path)
        case "array":
            np.save(tmp_path / "t.npy", GOOD)
            (tmp_path / "t.npy").rename(path)
        case "other zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("hello.txt", "hello")
        case "objects":
            np.savez(path, ops=np.array([{}], object), meta=np.array("{}"))
        case "no rows":
            np.savez(path, meta=np.array(json.dumps(META)))
        case "no meta":
            np.savez(path, ops=GOOD)
        case "other dtype":
            write(path, np.zeros(4, [("pfn", "<u8"), ("op", "u1")]))
        case "two dimensions":
            write(path, GOOD.reshape(1, -1))
        case "no column":
            np.savez(path, **dict(list(columns().items())[1:]), meta=np.array(json.dumps(META)))
        case "other column":
            other = {"pfn": GOOD["pfn"].astype("<u4")}
            np.savez(path, **columns() | other, meta=np.array(json.dumps(META)))
        case "short column":
            short = {"pfn": GOOD["pfn"][1:]}
            np.savez(path, **columns() | short, meta=np.array(json.dumps(META)))
        case "meta is not JSON":
            write(path, GOOD, "kernel=6.1")
        case "meta is a number":
            write(path, GOOD, "5")
        case "meta is bare":
            write(path, GOOD, {})
        case "granule is text":
            write(path, GOOD, META | {"granule": "4K"})
        case "granule is 0":
            write(path, GOOD, META | {"granule": 0})
        case "fast level only":
            write(path, GOOD[:1])
        case "no rows at all":
            write(path, GOOD[:0])
        case _:
            raise AssertionError(kind)
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "No such file or directory"),
        ("directory", "Is a directory"),
        ("empty", "not a trace"),
        ("text", "not a trace"),
        ("one byte", "not a trace"),
        ("truncated", "truncated, or not a trace"),
        ("damaged", "truncated, or not a trace"),
        ("array", "not a trace"),
        ("other zip", "not a trace: it has no (meta and no ops|ops and no meta)"),
        ("objects", "meta has no granule"),
        ("no rows", "not a trace: it has no ops"),
        ("no meta", "not a trace: it has no meta"),
        ("other dtype", "ops have dtype"),
        ("two dimensions", "ops have .*dimensions"),
        ("no column", "not a trace: it has no t_ns"),
        ("other column", "pfn have dtype uint32, not uint64"),
        ("short column", "not a trace: its arrays differ in length: t_ns 3, pfn 2"),
        ("meta is not JSON", "meta is not JSON"),
        ("meta is a number", "meta"),
        ("meta is bare", "meta has no granule, kernel, start_pfn"),
        ("granule is text", "granule"),
        ("granule is 0", "granule"),
        ("fast level only", "no request reached the tree: there is nothing to replay"),
        ("no rows at all", "no request reached the tree: there is nothing to replay"),
    ],
)
def test_a_file_that_is_not_a_trace_is_told(tmp_path: Path, kind: str, message: str) -> None:
    path = bad_file(tmp_path, kind)
    with pytest.raises(TraceError, match=message) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    with pytest.raises(IovaLabError):
        workloads.generate(str(path), 100)


BAD_ROWS = {
    "row 1 has the unknown op code 7": rows((ALLOC, 5, 0), (7, 5, 0)),
    "row 2 frees pfn 0x6 of domain 0, which is not live": rows(
        (ALLOC, 5, 0), (ALLOC_FAST, 5, 0), (FREE, 6, 0)
    ),
    "row 2 frees pfn 0x5 of domain 0, which is not live": rows(
        (ALLOC, 5, 0), (FREE, 5, 0), (FREE, 5, 0)
    ),
    "row 1 frees pfn 0x5 of domain 1, which is not live": rows((ALLOC, 5, 0), (FREE, 5, 1)),
    "row 1 allocates pfn 0x5 of domain 0, which is still live": rows((ALLOC, 5, 0), (ALLOC, 5, 0)),
}


@pytest.mark.parametrize("message", BAD_ROWS)
def test_a_bad_row_is_named(tmp_path: Path, message: str) -> None:
    path = write(tmp_path / "t.npz", BAD_ROWS[message])
    with pytest.raises(TraceError, match=message) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}: row ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("size", 0, "row 1: size is 0"),
        ("limit_pfn", 0, "row 1: limit_pfn lies below start_pfn"),
        ("limit_pfn", 2**60, "row 1: limit_pfn does not fit in 64 bits"),
    ],
)
def test_a_row_that_no_kernel_would_ask_is_named(
    tmp_path: Path, field: str, value: int, message: str
) -> None:
    table = rows((ALLOC_FAST, 5, 0), (ALLOC, 5, 0))
    table[field][1] = value
    path = write(tmp_path / "t.npz", table)
    with pytest.raises(TraceError, match=message) as caught:
        read_trace(path)
    assert str(caught.value).startswith(f"{path}: ")


def test_a_trace_by_path_is_a_workload(tmp_path: Path) -> None:
    path = write(tmp_path / "t.npz", GOOD)
    stream = workloads.generate(str(path), 100)
    result = iova_variants.replay("mainline", stream, pfns=True)
    assert result.pfns.tolist() == [0xFFFFF, 0xFFFFF]


# ---- the recorded traces ----


@pytest.mark.parametrize("name", TRACES)
def test_mainline_answers_as_the_kernel_did(name: str) -> None:
    """As recorded nearly always, and always once two gaps of the recording are mended."""
    trace = read_trace(TRACE_DIR / f"{name}.npz")
    frame, mended = agreement.report(trace, "mainline")
    nr_wrong = int((frame["nr_allocs"] - frame["nr_agree"]).sum())
    assert nr_wrong == {"debian-6.1": 29, "debian-6.12": 3, "debian-7.3": 0}[name]
    assert (frame["share_mended"] == 1).all()
    assert (frame["first_row_mended"] == -1).all()
    assert len(mended.notes) == (1 if nr_wrong else 0)
    nr_allocs = {"debian-6.1": 9_839, "debian-6.12": 7_635, "debian-7.3": 510}[name]
    assert frame["nr_allocs"].sum() == (trace.stream.ops["op"] == Op.ALLOC).sum() == nr_allocs


@pytest.mark.parametrize("name", TRACES)
def test_mending_changes_little_and_says_what(name: str) -> None:
    trace = read_trace(TRACE_DIR / f"{name}.npz")
    mended = agreement.mend(trace).trace
    iova_variants.check(mended.stream)
    added = len(mended.rows) - len(trace.rows)
    assert added == {"debian-6.1": 5, "debian-6.12": 0, "debian-7.3": 0}[name]
    assert sorted(mended.rows[added:]) == trace.rows.tolist()
    moved = np.flatnonzero(mended.rows[added:] != trace.rows)
    assert len(moved) == {"debian-6.1": 0, "debian-6.12": 2, "debian-7.3": 0}[name]


@pytest.mark.parametrize("name", TRACES)
def test_agreement_can_fail(name: str) -> None:
    """Another allocator does not answer as the kernel did, and mending does not hide that."""
    trace = read_trace(TRACE_DIR / f"{name}.npz")
    pfns = iova_variants.replay("mainline", trace.stream, pfns=True).pfns
    spoiled = pfns.copy()
    index = np.flatnonzero(trace.stream.ops["op"] == Op.ALLOC)[10]
    spoiled[index] -= 1
    before, after = agreement.table(trace, pfns), agreement.table(trace, spoiled)
    assert (before["nr_agree"] - after["nr_agree"]).sum() == 1
    assert trace.rows[index] in after["first_row"].to_numpy()


@pytest.mark.parametrize("name", TRACES)
def test_recorded_answers_are_possible(name: str) -> None:
    trace = read_trace(TRACE_DIR / f"{name}.npz")
    ops = trace.stream.ops
    allocs = (ops["op"] == Op.ALLOC) & (trace.recorded != 2**64 - 1)
    ends = trace.recorded[allocs] + ops["size"][allocs] - np.uint64(1)
    assert (ends <= ops["limit_pfn"][allocs]).all()
    aligned = allocs & (ops["flags"] == OpFlag.SIZE_ALIGNED)
    powers = 2 ** np.ceil(np.log2(ops["size"][aligned])).astype(np.uint64)
    assert (trace.recorded[aligned] % powers == 0).all()
    judged = iova_variants.replay("mainline", trace.stream, judge=True, verify=False)
    assert judged.nr_spurious == 0
