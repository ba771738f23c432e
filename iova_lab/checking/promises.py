"""What does each variant promise, what does it keep, and what does it cost at worst?

A yes stands on a claim or a search without a find, and on every judged request of the grid below; a
no stands on an `Example`; a number stands on a counted replay.  `measure` replays every workload at
every size on every variant; `answers` puts one cell of the table per variant and question.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError, IovaLabError
from iova_lab.checking.counterexamples import Example, examples
from iova_lab.checking.questions import QUESTIONS
from iova_lab.measuring import scaling
from iova_lab.measuring.cells import COMMON_CASE, SHORT_NODE_BUDGET, number, sizes_up_to
from iova_lab.measuring.counts import count
from iova_lab.measuring.frames import columns_of
from iova_lab.measuring.growth import LOGARITHM
from iova_lab.measuring.results import MEASURED, NOT_APPLICABLE, OVER_BUDGET
from iova_variants import Claim

#: The common case, and where memory per range is read: both with the same live ranges throughout.
COMMON, MEMORY = COMMON_CASE[0], "random_replace"
ANY_MASK = "high_limit"

#: What the contract promises for every variant, and what a variant may claim, by column.
CLAIMED = {"complete": Claim.COMPLETE, "exact top-down": Claim.EXACT}
DECLARED = {
    "respects the limit": Claim.ABOVE_LIMIT,
    "respects start_pfn": Claim.BELOW_START,
    "every request returns": Claim.ENDLESS,
    "frees without memory": Claim.FREE_NEEDS_MEM,
}
COUNTED = {
    "respects the limit": "above_limit",
    "complete": "spurious",
    "exact top-down": "not_highest",
}
COLUMNS = tuple(dict.fromkeys(question.column for question in QUESTIONS.values()))


class PromiseError(IovaLabError, ValueError):
    """Examples, claims and measurements contradict each other; the message says how to mend it."""


@dataclass(frozen=True)
class Cell:
    """One answer: what is shown, and the anchors on the page that it stands on."""

    variant: str
    column: str
    answer: str
    stands_on: tuple[str, ...]


def at_least_two(largest: int) -> list[int]:
    """`sizes_up_to`, which have to be two or more.  Raises `InvalidValueError`."""
    sizes = sizes_up_to(largest)
    if len(sizes) < 2:
        raise InvalidValueError(f"largest {largest}: growth needs two sizes, so at least 1000")
    return sizes


def grid() -> list[str]:
    """The workloads that have a number of live ranges: traces have their own."""
    return [name for name in workloads.names() if not name.startswith("trace_")]


class GridRow(NamedTuple):
    """A row of the grid; the counts are None where ``reason`` says why there are none."""

    variant: str
    workload: str
    nr_live: int
    status: str
    reason: str
    nodes_per_op: float | None
    worst_nodes: float | None
    failures: float | None
    spurious: float | None
    not_highest: float | None
    above_limit: float | None
    nr_requests: float | None
    bytes_per_range: float | None
    node_bytes: float | None


def measure(
    sizes: Sequence[int], on_progress: Callable[[], object], variants: Sequence[str] = ()
) -> pd.DataFrame:
    """Replay every workload at every size on ``variants``, all of the lab's if none is named.

    Counted and judged; what is not the lab's own runs in a child process.

    Columns are those of `GridRow`.  ``on_progress`` is called once per cell.  A variant that
    exceeds `SHORT_NODE_BUDGET` at one size is not asked at larger ones.
    """
    rows = []
    for workload in grid():
        given_up: set[str] = set()
        for nr_live in sizes:
            for variant in variants or iova_variants.names(fake=False):
                rows.append(_cell(variant, workload, nr_live, given_up))
                on_progress()
    return pd.DataFrame(rows, columns=columns_of(GridRow))


_NO_COUNTS = (None, None, None, None, None, None, None, None, None)


def _cell(variant: str, workload: str, nr_live: int, given_up: set[str]) -> GridRow:
    cell = variant, workload, nr_live
    if reason := workloads.get(workload).why_not(nr_live):
        return GridRow(*cell, NOT_APPLICABLE, reason, *_NO_COUNTS)
    over_budget = GridRow(*cell, OVER_BUDGET, f"more than {SHORT_NODE_BUDGET:,} nodes", *_NO_COUNTS)
    if variant in given_up:
        return over_budget
    timeout = math.inf if iova_variants.is_foreign(variant) else None
    stream = workloads.generate(workload, nr_live)
    try:
        found = count(variant, stream, SHORT_NODE_BUDGET, timeout=timeout)
    except iova_variants.TooLongError:
        given_up.add(variant)
        return over_budget
    return GridRow(
        *(*cell, MEASURED, ""),
        nodes_per_op=found.nodes_per_op,
        worst_nodes=found.worst,
        failures=found.nr_failures,
        spurious=found.nr_spurious,
        not_highest=found.nr_not_highest,
        above_limit=found.nr_above_limit,
        nr_requests=found.kinds["alloc"].nr_ops,
        bytes_per_range=found.bytes / max(found.nr_live, 1),
        node_bytes=found.node_bytes,
    )


def growth(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Exponent and class of nodes_per_op or worst_nodes over the sizes: see `scaling.exponents`."""
    # scaling knows one exact count by name; the worst op is another.
    counts = frame.rename(columns={metric: "value"})
    counts = counts.assign(metric="nodes_per_op", ci_lo=np.nan, ci_hi=np.nan)
    return scaling.exponents(counts, frozenset())


def answers(
    frame: pd.DataFrame,
    span: Mapping[str, float],
    known: Mapping[str, Example] | None = None,
) -> list[Cell]:
    """Every cell of the table: promises first, then what was measured; ``span`` in the churn.

    ``known`` are the examples by name, the stored ones if None.  Raises `PromiseError` where a
    claim or a count of a variant of the lab is contradicted by the examples, or lacks one.
    """
    known = examples() if known is None else known
    mean = growth(frame, "nodes_per_op")
    cells = []
    for variant in frame["variant"].unique():
        counts = frame[frame["variant"] == variant]
        curves = mean[mean["variant"] == variant].set_index("workload")
        cells += [_promise(variant, column, counts, curves, known) for column in COLUMNS]
        cells += _measured(variant, counts, curves, span[variant])
    return cells


def _promise(
    variant: str,
    column: str,
    counts: pd.DataFrame,
    curves: pd.DataFrame,
    known: Mapping[str, Example],
) -> Cell:
    names = [f"{variant}-{key}" for key, one in QUESTIONS.items() if one.column == column]
    found = [name for name in names if name in known]
    if column == "any mask":
        return _any_mask(variant, found, counts, curves)
    if not iova_variants.is_foreign(variant):
        _agree(variant, column, found, counts)
    elif not found and (_is_counted(column, counts) or _claims_it(variant, column, DECLARED)):
        return Cell(variant, column, "no", (_evidence(column),))
    if found:
        cost_only = column == "no 32-bit special case" and found == [f"{variant}-moved-cost"]
        return Cell(variant, column, "in cost only" if cost_only else "no", tuple(found))
    promised = column in DECLARED or _claims_it(variant, column, CLAIMED)
    return Cell(variant, column, "yes" if promised else "none found", (_evidence(column),))


def _evidence(column: str) -> str:
    return "evidence-" + column.replace(" ", "-")


def _claims(variant: str) -> Claim:
    return iova_variants.load(variant, build="counted").claims


def _claims_it(variant: str, column: str, by_column: Mapping[str, Claim]) -> bool:
    """Does the variant have the claim that `CLAIMED` or `DECLARED` has for this column?"""
    return bool(by_column.get(column, Claim(0)) & _claims(variant))


def _is_counted(column: str, counts: pd.DataFrame) -> bool:
    """Was it broken in the grid?"""
    return column in COUNTED and bool(counts[COUNTED[column]].sum() > 0)


def _agree(variant: str, column: str, found: list[str], counts: pd.DataFrame) -> None:
    """Examples, claims and counts of one cell must not contradict each other."""
    mend = "run `python -m iova_lab.checking.example_search`, or mend the claim"
    if column in DECLARED and _claims_it(variant, column, DECLARED) != bool(found):
        raise PromiseError(
            f"{variant}: {DECLARED[column].name} is claimed without an example, or"
            f" an example is there without the claim; {mend}"
        )
    if found and _claims_it(variant, column, CLAIMED):
        raise PromiseError(f"{variant}: claims to be {column}, but there is {found[0]}; {mend}")
    if not found and _is_counted(column, counts):
        raise PromiseError(f"{variant}: {column} is broken in the grid, without an example; {mend}")


def _any_mask(variant: str, found: list[str], counts: pd.DataFrame, curves: pd.DataFrame) -> Cell:
    """At most logarithmic under `ANY_MASK`, with answers below the limit, which may not be ignored.

    By its bound: a B-tree grows level by level, so its logarithm is neither flat nor smooth.
    """
    if ANY_MASK not in curves.index:
        return Cell(variant, "any mask", "not measured", ("growth",))
    if counts[counts["workload"] == ANY_MASK]["above_limit"].sum() > 0:
        found = [*found, f"{variant}-limit"]
    elif curves["exponent"][ANY_MASK] <= LOGARITHM:
        return Cell(variant, "any mask", "yes", ("growth",))
    return Cell(variant, "any mask", "no", (*found, "growth"))


def _measured(variant: str, counts: pd.DataFrame, curves: pd.DataFrame, span: float) -> list[Cell]:
    common = counts[(counts["workload"] == COMMON) & (counts["status"] == MEASURED)]
    memory = counts[(counts["workload"] == MEMORY) & (counts["status"] == MEASURED)]
    largest = memory.sort_values("nr_live").iloc[-1]
    cells = (
        ("worst case", worst_case(curves), "growth"),
        ("nodes/op near_empty", number(common["nodes_per_op"].iloc[0]), "common-case"),
        ("node bytes", f"{largest['node_bytes']:.0f}", "memory"),
        ("slab bytes/range", number(largest["bytes_per_range"]), "memory"),
        ("span in churn", number(round(span, 2)), "address-span"),
        ("free() takes", free_takes(variant), "common-case"),
    )
    return [Cell(variant, column, answer, (anchor,)) for column, answer, anchor in cells]


def free_takes(variant: str) -> str:
    """What a caller has to know of a range to free it."""
    return "pfn, size" if Claim.FREE_NEEDS_SIZE in _claims(variant) else "pfn"


def worst_case(curves: pd.DataFrame) -> str:
    """The largest exponent, where it is, and how many workloads are linear."""
    worst, exponent = curves["exponent"].idxmax(), curves["exponent"].max()
    nr_linear = int((curves["supported_class"] == "linear").sum())
    return f"n^{exponent:.2f} {worst}; linear in {nr_linear} of {len(curves)}"
