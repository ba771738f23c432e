"""Does the rcache over `mainline` do, call by call, what three real kernels did?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import iova_variants
from iova_lab import workloads
from iova_lab.traces import fast_agreement
from iova_lab.traces.file import ALLOC, RESERVE, open_trace, write_trace
from iova_lab.traces.trace import TRACE_DIR, FastTrace, TraceError, read_fast_trace, read_trace
from iova_variants.opstream import Op

#: Kernel, allocs, addresses that agree as recorded, calls, calls that go as far as recorded, mends.
RECORDED = [
    ("6.1", 111_653, 106_025, 220_976, 220_971, 5),
    ("6.12", 194_349, 164_883, 386_363, 386_353, 12),
    ("7.3", 17_176, 17_176, 34_334, 34_334, 0),
]


def fast_trace(kernel: str) -> FastTrace:
    """The fast level of one of the lab's traces."""
    return read_fast_trace(TRACE_DIR / f"debian-{kernel}.npz")


@pytest.mark.slow
@pytest.mark.parametrize("recorded", RECORDED, ids=[row[0] for row in RECORDED])
def test_every_call_agrees_once_the_order_is_mended(
    recorded: tuple[str, int, int, int, int, int],
) -> None:
    kernel, *counts, nr_notes = recorded
    fast = fast_trace(kernel)
    frame, mended = fast_agreement.report(fast)
    columns = ["nr_allocs", "nr_agree", "nr_calls", "nr_reach_agree"]
    assert frame[columns].sum().tolist() == counts
    assert (frame["share_mended"] == 1).all()
    assert (frame["reach_share_mended"] == 1).all()
    assert len(mended.notes) == nr_notes
    in_order = replace(fast, trace=mended.trace)
    assert fast_agreement.compare(in_order).address.all()
    # Mending moves calls and adds reserved ranges; it loses none and makes none up.
    rows = mended.trace.rows
    assert np.sort(rows[rows >= 0]).tolist() == fast.trace.rows.tolist()

    wrong = replace(fast_agreement.rcache_for(mended.trace), magazine_size=128)
    assert not fast_agreement.compare(in_order, rcache=wrong).reach.all()


def test_the_last_call_of_a_domain_is_mended_behind_reserves_that_were_added(
    tmp_path: Path,
) -> None:
    """Row 202 of the recording was interrupted; its domain was set up before the recording."""
    whole, dom, last = open_trace(TRACE_DIR / "debian-6.1.npz"), 5, 202
    rows = next(whole.pieces())
    rows = rows[(rows["op"] < ALLOC) | (rows["op"] == RESERVE)][: last + 1]
    rows = rows[(rows["dom"] != dom) | (rows["op"] != RESERVE)]
    write_trace(tmp_path / "t.npz", len(rows), [rows], whole.meta)
    fast = read_fast_trace(tmp_path / "t.npz")
    assert not fast_agreement.compare(fast).address[-1]
    mended = fast_agreement.mend(fast)
    assert [note.split(":")[0] for note in mended.notes] == [f"domain {dom}"] * 2
    assert len(mended.trace.rows) > len(fast.went_on)  # so its index is beyond the file's rows
    assert fast_agreement.compare(replace(fast, trace=mended.trace)).address.all()


def test_the_kernel_decides_which_rcache() -> None:
    traces = {kernel: fast_trace(kernel).trace for kernel in ("6.1", "6.12", "7.3")}
    chosen = {kernel: fast_agreement.rcache_for(trace) for kernel, trace in traces.items()}
    assert {kernel: rcache.kernel for kernel, rcache in chosen.items()} == {
        "6.1": "pre-6.7",
        "6.12": "6.7",
        "7.3": "7.3",
    }
    with pytest.raises(ValueError, match="does not begin with a version"):
        fast_agreement.rcache_for(replace(traces["6.1"], kernel="next"))


def test_a_trace_without_a_fast_level_says_so(tmp_path: object) -> None:
    path = Path(f"{tmp_path}/tree.npz")
    whole = open_trace(TRACE_DIR / "debian-6.1.npz")
    tree = np.concatenate([rows[rows["op"] >= ALLOC] for rows in whole.pieces()])
    write_trace(path, len(tree), [tree], whole.meta)
    with pytest.raises(TraceError, match="no alloc_iova_fast"):
        read_fast_trace(path)


@pytest.mark.parametrize(
    ("kernel", "raced", "nr_before"),
    [("6.1", 37_415, 20_000), ("6.12", 24_026, 20_000), ("7.3", None, 16_270)],
)
def test_a_recorded_workload_is_what_the_kernel_answered(
    kernel: str, raced: int | None, nr_before: int
) -> None:
    """Through the recorded rcache every address is the recorded one, up to the first race."""
    fast = fast_trace(kernel)
    workload = workloads.get(f"trace_{kernel.replace('.', '_')}")
    assert workload.recorded is not None
    disk = workload.recorded()
    assert disk.stream is workload.make(100)
    rcache = fast_agreement.rcache_for(disk)
    pfns = iova_variants.replay("mainline", disk.stream, rcache=rcache, pfns=True).pfns
    before = disk.rows < (raced or np.inf)
    assert (pfns == disk.recorded)[before].all()
    assert before.sum() >= nr_before
    # The races are the recording's: with them mended every address of the trace agrees (above).
    assert (pfns == disk.recorded).all() == (raced is None)
    whole = fast.trace.stream.ops[np.isin(fast.trace.rows, disk.rows)]
    for name in ("op", "size", "limit_pfn", "cpu"):
        assert (whole[name] == disk.stream.ops[name]).all()


def test_the_tree_of_6_12_was_asked_for_no_free() -> None:
    """Why the workloads are windows of the fast level: the rcache kept what was freed."""
    ops = read_trace(TRACE_DIR / "debian-6.12.npz").stream.ops
    assert not (ops["op"] == Op.FREE).any()
    assert (ops["op"] == Op.ALLOC).sum() == 7_635
