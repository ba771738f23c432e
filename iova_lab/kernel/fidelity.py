"""Does the same code answer, and cost, the same in user space and in the kernel?

Every variant replays every workload in booted kernels, instructions counted, and each address is
held against a replay of the same stream in user space.  One line per cell goes into a file at
once, so a run that was stopped goes on where it was.
"""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab import workloads
from iova_lab.basics.reading import Row
from iova_lab.basics.writing import append_row
from iova_lab.kernel.files import Kernel
from iova_lab.kernel.replay import Job, KernelResult, replay
from iova_lab.measuring import rows
from iova_lab.measuring.cells import EMULATED_KERNEL_NODE_BUDGET, EMULATED_NODE_BUDGET
from iova_lab.measuring.code_digest import module_digest
from iova_lab.measuring.counts import count
from iova_variants.opstream import Op, OpStream

#: What exists in the kernel only, and the variant that must answer as it does.
COUNTERPARTS = {"kernel": "mainline", "maple_kernel": "maple"}
#: What the kernel's own allocator is compared with may visit more nodes than the others.
ORACLE = "mainline"
LARGEST = 10**6
SMALLEST = 1000

#: A shared object counts in its own variables, so it replays for one thread at a time.
_user_space = threading.Lock()


def counterpart(variant: str) -> str:
    """The variant in user space that must answer as this one does in the kernel."""
    return COUNTERPARTS.get(variant, variant)


@dataclass(frozen=True)
class Agreement:
    """How many ops got the same pfn in the kernel as ``counterpart`` got in user space."""

    variant: str
    counterpart: str
    nr_ops: int
    nr_equal: int
    first: tuple[int, int, int] | None  # op, pfn in the kernel, pfn in user space

    @property
    def differs(self) -> bool:
        return self.nr_equal != self.nr_ops

    def __str__(self) -> str:
        text = f"{self.nr_equal:,} of {self.nr_ops:,}"
        if self.first is None:
            return text
        op, here, there = self.first
        return (
            f"{self.variant}: {text} addresses as {self.counterpart} in user space; the first "
            f"that is not: op {op}, {here:#x} in the kernel, {there:#x} in user space"
        )


def addresses(result: KernelResult) -> Agreement:
    """Hold every pfn of ``result`` against a replay of the same stream in user space."""
    name = counterpart(result.job.variant)
    with _user_space:
        expected = iova_variants.replay(name, result.job.stream, pfns=True, timeout=math.inf).pfns
    different = np.flatnonzero(expected != result.pfns)
    first = None
    if len(different):
        op = int(different[0])
        first = (op, int(result.pfns[op]), int(expected[op]))
    nr_ops = len(expected)
    return Agreement(result.job.variant, name, nr_ops, nr_ops - len(different), first)


@dataclass(frozen=True)
class Cell:
    """What is measured in one boot: variants on one stream."""

    workload: str
    nr_live: int
    variants: tuple[str, ...]

    @property
    def stream(self) -> OpStream:
        return workloads.generate(self.workload, self.nr_live)


def sizes(workload: str, most: int | None = None) -> list[int]:
    """Sizes to measure at, the largest first; the last is for all, however much they walk.

    None but the last is larger than ``most``, by default `LARGEST`.
    """
    found = workloads.get(workload)
    largest = min(LARGEST if most is None else most, found.max_nr_live)
    smallest = max(min(SMALLEST, largest), found.min_nr_live)
    between = [n for n in (largest // 10, largest // 100) if n > smallest]
    return list(dict.fromkeys((largest, *between, smallest)))


def plan(
    names: Iterable[str],
    variants: Iterable[str],
    on_progress: Callable[[], object] = lambda: None,
    budget: int = EMULATED_NODE_BUDGET,
    most: int | None = None,
) -> list[Cell]:
    """Which variants at which sizes: the smallest, and the largest that each can pay for.

    That is ``most`` (`LARGEST`), or the workload's own most, or a tenth or a hundredth where a
    counted replay in user space visits more than ``budget`` nodes.  ``on_progress`` is called once
    per workload.
    """
    variants = list(variants)
    cells = []
    with ThreadPoolExecutor(2) as pool:
        for name in names:
            left = variants
            for nr_live in sizes(name, most)[:-1]:
                counting = partial(nodes, workload=name, nr_live=nr_live, budget=budget)
                asked = sorted({counterpart(variant) for variant in left})
                counts = dict(zip(asked, pool.map(counting, asked), strict=True))
                paid = [v for v in left if counts[counterpart(v)] is not None]
                left = [v for v in left if v not in paid]
                cells.append(Cell(name, nr_live, tuple(paid)))
            cells.append(Cell(name, sizes(name, most)[-1], tuple(variants)))
            on_progress()
    # The small ones first: they take minutes, and say most of it.
    cells.sort(key=lambda cell: cell.nr_live != sizes(cell.workload)[-1])
    return [cell for cell in cells if cell.variants]


@cache
def nodes(
    variant: str, workload: str, nr_live: int, budget: int = EMULATED_NODE_BUDGET
) -> float | None:
    """Nodes visited per measured op in user space; None where all visit more than ``budget``."""
    if variant == ORACLE:
        budget = max(budget, EMULATED_KERNEL_NODE_BUDGET)
    if nr_live == sizes(workload)[-1]:
        budget = 0
    stream = workloads.generate(workload, nr_live)
    try:
        return count(variant, stream, budget).nodes_per_op
    except iova_variants.TooLongError:
        return None


def measure(
    kernel: Kernel,
    cells: Iterable[Cell],
    out: Path,
    on_progress: Callable[[Cell, str, int], object] = lambda cell, variant, op: None,
) -> Iterator[Row]:
    """Replay ``cells`` in ``kernel``; appends a row per variant to ``out``, and yields it.

    Rows that are there already, of the same code and stream, are yielded and not measured again.
    """
    known = {_key(row): row for row in rows.fidelity(out)}
    for cell in cells:
        stream = cell.stream
        heads = {variant: _head(kernel, cell, variant) for variant in cell.variants}
        yield from (known[_key(head)] for head in heads.values() if _key(head) in known)
        jobs = [Job(name, stream) for name, head in heads.items() if _key(head) not in known]

        def on_op(index: int, op: int, cell: Cell = cell, jobs: list[Job] = jobs) -> None:
            on_progress(cell, jobs[index].variant, op)

        for result in replay(kernel, jobs, on_progress=on_op):
            row = heads[result.job.variant] | _figures(result)
            append_row(out, row)
            yield row


def _key(row: Row) -> tuple[object, ...]:
    return tuple(row[name] for name in ("release", "variant", "workload", "nr_live", "code"))


def _head(kernel: Kernel, cell: Cell, variant: str) -> Row:
    return {
        "release": kernel.release,
        "workload": cell.workload,
        "nr_live": cell.nr_live,
        "variant": variant,
        "code": code_digest(variant, cell.stream),
        "source": module_digest(variant),
    }


def code_digest(variant: str, stream: OpStream) -> str:
    """A digest of the variant's C, of what it shares with others, and of the stream."""
    code = module_digest(variant).encode()
    return hashlib.sha256(code + stream.digest().encode()).hexdigest()[:16]


def _figures(result: KernelResult) -> Row:
    """All that is told of one replay; instructions per measured op, the floor in them."""
    if result.error:
        return {"error": result.error}
    agreement = addresses(result)
    stream = result.job.stream
    cycles = result.cycles.astype(np.float64)
    window, ops = cycles[stream.nr_ageing :], stream.ops["op"][stream.nr_ageing :]
    return {
        "nr_ops": agreement.nr_ops,
        "nr_equal": agreement.nr_equal,
        "first": agreement.first and str(agreement),
        "nr_measured": stream.nr_measured,
        "instructions": _mean(window),
        "instructions_alloc": _mean(window[ops == Op.ALLOC]),
        "instructions_free": _mean(window[ops == Op.FREE]),
        "instructions_ageing": _mean(cycles[: stream.nr_ageing]),
        "p50": float(np.quantile(window, 0.5)),
        "p99": float(np.quantile(window, 0.99)),
        "worst": float(window.max()),
    }


def _mean(values: npt.NDArray[np.float64]) -> float | None:
    return round(float(values.mean()), 3) if len(values) else None
