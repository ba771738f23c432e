"""Is what is timed the same algorithm as what is counted, checked and threaded?

All builds of a file must give the same addresses for the same stream.  And what the counted build
counts is held against what the timed build does, by calls that the compiler adds to it (gcc and
clang): one at each access to memory, so that the objects that an op uses are counted without the
variant's help, and one at each basic block, for work that uses no memory.
"""

from __future__ import annotations

import ctypes as c
import functools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

import iova_variants
from iova_lab import workloads
from iova_variants import Variant, building
from iova_variants.child import Tell, in_child
from iova_variants.opstream import OpStream

#: Live ranges between which the growth is looked at.
FEW, MANY = 100, 2000
#: Workloads on which a linear search is linear.
GROWING = ("ring", "random_replace", "full_32bit")
#: Objects that an op may use for each node that it counts, and besides: the domain, the lock, the
#: new range.  The lab's variants: at most 1.1 for each, and 5 besides.
OBJECTS_PER_NODE, MORE_OBJECTS = 1.25, 6.0
#: Basic blocks that one node may cost, and blocks per op that a logarithm may add besides.
BLOCKS_PER_NODE, SLACK = 40.0, 400.0
_WALL_S = 120.0

Pfns = npt.NDArray[np.uint64]


def differing(source: Path, stream: OpStream, sanitized: Pfns) -> str | None:
    """Where a build answers otherwise than the sanitized one, in one line."""
    for build in ("timed", "counted"):
        variant = iova_variants.load(str(source), build=build)
        answers = iova_variants.replay(variant, stream, pfns=True, judge=True, timeout=_WALL_S).pfns
        if found := _first(answers, sanitized, build):
            return found
    threaded = iova_variants.replay_threads(
        str(source), stream, threads=1, in_turn=True, per_op=True, timeout=_WALL_S
    ).pfns
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
    return "a refusal" if pfn == iova_variants.REFUSED else f"pfn {pfn:#x}"


@dataclass(frozen=True)
class Work:
    """What the timed algorithm does, and the nodes that the counted one counts; all per op."""

    blocks: float
    objects: float
    nodes: float


def uncounted(source: Path) -> str | None:
    """A workload on which work is done that is not counted, in one line."""
    for name in GROWING:
        few, many = (
            work(source, workloads.generate(name, nr_live), timeout=_WALL_S)
            for nr_live in (FEW, MANY)
        )
        for nr_live, done in ((FEW, few), (MANY, many)):
            if done.objects > MORE_OBJECTS + OBJECTS_PER_NODE * done.nodes:
                return (
                    f"does work that it does not count: on {name} with {nr_live:,} live ranges an "
                    f"op uses {done.objects:,.1f} objects and counts {done.nodes:,.1f} nodes "
                    "(iova_visit() is missing)"
                )
        blocks, nodes = many.blocks - few.blocks, max(many.nodes - few.nodes, 0.0)
        if blocks > SLACK + BLOCKS_PER_NODE * nodes:
            return (
                f"does work that it does not count: on {name}, {MANY:,} live ranges take "
                f"{blocks:,.0f} more basic blocks per op than {FEW}, and {nodes:,.1f} more nodes "
                "(iova_visit() is missing)"
            )
    return None


def work(source: Path, stream: OpStream, *, timeout: float) -> Work:
    """Count what the window of ``stream`` takes: all of it less its ageing ops alone."""
    traced = iova_variants.load(str(source), build="traced")
    counted = iova_variants.load(str(source), build="counted")
    nodes = iova_variants.replay(counted, stream, build="counted", timeout=timeout).nodes
    aged = replace(stream, ops=stream.ops[: stream.nr_ageing])
    whole, before = (
        in_child(
            functools.partial(_traced, traced, one),
            traced.name,
            lambda index: "while its work is counted",
            wall_s=timeout,
        )
        for one in (stream, aged)
    )
    nr = stream.nr_measured
    blocks, objects = ((all_ - some) / nr for all_, some in zip(whole, before, strict=True))
    return Work(blocks, objects, nodes / nr)


def _traced(traced: Variant, stream: OpStream, tell: Tell) -> tuple[int, int]:
    """Basic blocks and objects."""
    names = ("trace_blocks", "trace_objects")
    counters = [c.c_uint64.in_dll(traced.library, name) for name in names]
    begin = [counter.value for counter in counters]
    iova_variants.replay(traced, stream)
    blocks, objects = (
        counter.value - before for counter, before in zip(counters, begin, strict=True)
    )
    return blocks, objects


def can_trace() -> bool:
    """Does the compiler know the flags of the traced build?"""
    return all(map(building.accepts, building.VARIANT_CFLAGS["traced"]))
