"""What is stored of a boot of `iova_lab.kernel.io`: a row, and on demand a trace.

Instructions inside the allocator are without the floor, which is what a call that does nothing
costs as it is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import iova_variants
from iova_lab.basics.reading import Row
from iova_lab.kernel import KernelError
from iova_lab.kernel.files import Kernel
from iova_lab.kernel.io import Outcome, PhaseRun, Settings
from iova_lab.kernel.io_allocators import can_record, has_own_caches
from iova_lab.kernel.io_memory import CALLS, Struct, quantile
from iova_lab.measuring.rows import verified_cell
from iova_lab.traces import agreement
from iova_lab.traces.file import TraceFile, write_trace
from iova_lab.traces.trace import read_trace

_ALLOC, _FREE = CALLS.index("alloc_fast"), CALLS.index("free_fast")


def row(kernel: Kernel, outcome: Outcome, settings: Settings) -> Row:
    """What is stored of a boot: how it was made, its phases, and what went wrong."""
    found: Row = {
        "release": kernel.release,
        "allocator": outcome.allocator,
        "code": outcome.code,
        "mode": "strict" if settings.strict else "lazy",
        "forcedac": settings.forcedac,
        "crowd": settings.crowd,
        "scale": settings.scale,
        "held": settings.held,
        "phases": [_phase(run, outcome) for run in outcome.runs],
    }
    if outcome.errors:
        found["errors"] = list(outcome.errors)
    return found


def by_load(row: Row, loads: Sequence[str]) -> list[Row]:
    """One row for each load of a boot: a later boot with some of them replaces these alone.

    An error is of the whole boot, so each has it; a load that was not reached has no phases.
    """
    found = []
    for load in loads:
        phases = [phase for phase in row["phases"] if phase["phase"].split("-")[0] == load]
        found.append({**row, "load": load, "phases": phases})
    return found


def add_verified(row: Row, before: Iterable[Row]) -> Row:
    """What was read and compared with this code so far, by this load: ``before`` and this row."""
    found: Row = {name: row[name] for name in ("release", "allocator", "code", "load")}
    sums = [old for old in before if verified_cell(old) == verified_cell(found)][-1:]
    found["boots"] = 1 + sum(old["boots"] for old in sums)
    for name in ("bytes", "corrupt"):
        own = sum(phase[name] for phase in row["phases"])
        found[name] = own + sum(old[name] for old in sums)
    return found


def _phase(run: PhaseRun, outcome: Outcome) -> Row:
    report = outcome.report
    found: Row = {
        "phase": run.phase.name,
        "ops": run.nr_ops,
        "bytes": run.nr_bytes,
        "corrupt": run.nr_corrupt,
        "instructions": round(run.per_op, 1),
    }
    counts = report.phase(run.phase.name) if report is not None else None
    if report is None or counts is None:
        return found
    return found | _inside(run, counts, report.header["floor"], outcome.allocator)


def per_second(instructions: float) -> float:
    """I/Os per second of guest time, from the instructions of one: one takes a nanosecond."""
    return 1e9 / instructions if instructions else 0.0


def _inside(run: PhaseRun, counts: Struct, floor: int, allocator: str) -> Row:
    alloc, free = counts["calls"][_ALLOC], counts["calls"][_FREE]
    sizes = {str(1 << power): int(nr) for power, nr in enumerate(counts["sizes"]) if nr}
    found: Row = {"failed": int(alloc["nr_failed"]), "sizes": sizes}
    found |= _cost("alloc", alloc, floor) | _cost("free", free, floor)
    found["inside"] = _inside_per_op(found, run.nr_ops)
    if not has_own_caches(allocator):
        found |= {"tree": int(counts["nr_tree_allocs"]), "flushes": int(counts["nr_flushes"])}
    if counts["holds"]["nr"]:
        found |= _cost("hold", counts["holds"], 0)
        # How many is their sum; `io_memory.lowest` has what a bucket begins with.
        buckets = counts["holds"]["buckets"]
        found["holds"] = {str(bucket): int(nr) for bucket, nr in enumerate(buckets) if nr}
    return found


def _inside_per_op(costs: Row, nr_ops: int) -> float:
    """Each allocation with its free, which may come in another phase."""
    if not costs["allocs"] or not costs["frees"]:
        return 0.0
    pair = float(costs["alloc"]) + float(costs["free"])
    return round(pair * int(costs["allocs"]) / max(nr_ops, 1), 1)


def _cost(name: str, cost: Struct, floor: int) -> Row:
    nr, worst = int(cost["nr"]), int(cost["worst"])
    if not nr:
        return {f"{name}s": 0}
    return {
        f"{name}s": nr,
        name: round(int(cost["instructions"]) / nr - floor, 1),
        f"{name}_p99": min(quantile(cost["buckets"], 0.99), worst) - floor,
        f"{name}_worst": worst - floor,
    }


# ---- the trace ----


@dataclass(frozen=True)
class Recorded:
    """The trace of a boot, and how many of its allocations user space answers alike."""

    file: TraceFile
    nr_allocs: int
    nr_equal: int


def write_recorded(kernel: Kernel, outcome: Outcome, target: Path) -> TraceFile:
    """Write the calls of a boot as a trace.  Raises `KernelError` where some were not recorded."""
    report = outcome.report
    if report is None or not can_record(outcome.allocator):
        raise KernelError(
            f"{outcome.allocator}: only calls of an allocator behind the lab's caches are recorded "
            "here; those of the kernel's own are recorded by `iova-lab kernel record`"
        )
    if nr := report.header["nr_unrecorded"]:
        raise KernelError(f"{outcome.allocator}: no room for {nr:,} calls: take a smaller --scale")
    meta = {
        "kernel": kernel.release,
        "granule": report.header["granule"],
        "start_pfn": report.header["start_pfn"],
        "source": f"iova-lab kernel io, {outcome.allocator} behind the DMA API",
    }
    return write_trace(target, len(report.rows), [report.rows], meta)


def compare(file: TraceFile, variant: str) -> Recorded:
    """Replay what reached the tree on the same variant in user space.  Raises `TraceError`."""
    trace = read_trace(file.path)
    pfns = iova_variants.replay(variant, trace.stream, pfns=True, judge=True, timeout=None).pfns
    frame = agreement.table(trace, pfns)
    return Recorded(file, int(frame["nr_allocs"].sum()), int(frame["nr_agree"].sum()))
