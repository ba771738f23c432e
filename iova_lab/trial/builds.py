"""Is what is timed the same algorithm as what is counted, checked and threaded?

All builds of a file must give the same addresses for the same stream.  And what the counted build
counts is held against what the timed build does: the compiler adds a call to each basic block
(SanitizerCoverage, gcc and clang), and where the blocks per op grow with the live ranges, the
nodes per op must grow as well.
"""

from __future__ import annotations

import ctypes as c
import functools
from pathlib import Path

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab import workloads
from iova_lab.opstream import OpStream
from iova_variants import Variant, _build
from iova_variants._child import Tell, in_child

#: Live ranges between which the growth is looked at.
FEW, MANY = 100, 2000
#: Workloads on which a linear search is linear.
GROWING = ("ring", "random_replace", "full_32bit")
#: Basic blocks that one node may cost, and blocks per op that a logarithm may add besides.
BLOCKS_PER_NODE, SLACK = 40.0, 400.0
_WALL_S = 120.0

Pfns = npt.NDArray[np.uint64]


def differing(source: Path, stream: OpStream, sanitized: Pfns) -> str | None:
    """Where a build answers otherwise than the sanitized one, in one line."""
    for build in ("timed", "counted"):
        variant = iova_variants.load(str(source), build=build)
        answers = iova_variants.replay(variant, stream, pfns=True, judge=True, timeout=_WALL_S).pfns
        assert answers is not None
        if found := _first(answers, sanitized, build):
            return found
    threaded = iova_variants.replay_threads(
        str(source), stream, threads=1, in_turn=True, per_op=True, timeout=_WALL_S
    ).pfns
    assert threaded is not None
    return _first(threaded, sanitized[stream.nr_ageing :], "threaded", stream.nr_ageing)


def _first(answers: Pfns, sanitized: Pfns, build: str, offset: int = 0) -> str | None:
    rows = np.flatnonzero(answers != sanitized)
    if not len(rows):
        return None
    op = int(rows[0])
    one, other = (_pfn(int(array[op])) for array in (answers, sanitized))
    return (
        f"is another algorithm in the {build} build than in the sanitized one: "
        f"op {op + offset:,} gets {one} and {other}"
    )


def _pfn(pfn: int) -> str:
    return "a refusal" if pfn == 2**64 - 1 else f"pfn {pfn:#x}"


def uncounted(source: Path) -> str | None:
    """A workload on which work grows with the live ranges and counted nodes do not."""
    for name in GROWING:
        (few_blocks, few_nodes), (many_blocks, many_nodes) = (
            _work(source, workloads.generate(name, nr_live)) for nr_live in (FEW, MANY)
        )
        blocks, nodes = many_blocks - few_blocks, max(many_nodes - few_nodes, 0.0)
        if blocks > SLACK + BLOCKS_PER_NODE * nodes:
            return (
                f"does work that it does not count: on {name}, {MANY:,} live ranges take "
                f"{blocks:,.0f} more basic blocks per op than {FEW}, and {nodes:,.1f} more nodes "
                "(iova_visit() is missing)"
            )
    return None


def _work(source: Path, stream: OpStream) -> tuple[float, float]:
    """Basic blocks (of the timed algorithm) and counted nodes, both per op of the window."""
    traced = iova_variants.load(str(source), build="traced")
    counted = iova_variants.load(str(source), build="counted")
    visits = iova_variants.replay(counted, stream, timeout=_WALL_S).visits
    assert visits is not None
    return blocks_per_op(traced, stream), sum(visits.values()) / stream.nr_measured


def blocks_per_op(traced: Variant, stream: OpStream) -> float:
    """Basic blocks per op of the window: those of the stream without its ageing ops' alone."""
    aged = OpStream(
        stream.ops[: stream.nr_ageing],
        nr_ageing=stream.nr_ageing,
        nr_slots=stream.nr_slots,
        nr_domains=stream.nr_domains,
        granule=stream.granule,
        start_pfn=stream.start_pfn,
    )
    whole, before = (
        in_child(
            functools.partial(_blocks, traced, one),
            traced.name,
            lambda index: "while its basic blocks are counted",
            wall_s=_WALL_S,
        )
        for one in (stream, aged)
    )
    return (whole - before) / stream.nr_measured


def _blocks(traced: Variant, stream: OpStream, tell: Tell) -> int:
    counter = c.c_uint64.in_dll(traced.library, "trace_blocks")
    begin = counter.value
    iova_variants.replay(traced, stream)
    return counter.value - begin


def can_trace() -> bool:
    """Does the compiler know SanitizerCoverage?"""
    return _build.accepts("-fsanitize-coverage=trace-pc")
