"""Stored values, the reasons for a value that is missing, and the only comparison of two values.

A value carries its cell: workload, number of live ranges, level, place and machine.  `ratio`
compares two values of one cell only, so no page can compare 10^6 live ranges with 10^5, or a time
of one machine with a time of another.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import numpy as np

from iova_lab.basics.errors import InvalidValueError
from iova_lab.measuring.statistics import Interval, log_ratio

#: The common case: every measured size of these workloads, and nothing else.
COMMON_CASE = ("near_empty", "ring", "startup", "trace_6_1", "trace_6_12", "trace_7_3")

#: Nodes that one replay may visit: 10 to 30 s of walking.  Counted, so every machine skips alike.
NODE_BUDGET = 3_000_000_000
#: The same where many cells are counted in a row: more than any linear window at 10^5.
SHORT_NODE_BUDGET = 1_000_000_000
#: The same of a job in an emulated kernel, ageing included: it visits some 5 million a second ...
EMULATED_NODE_BUDGET = 100_000_000
#: ... and of the kernel's own allocator there, which the others are compared with.
EMULATED_KERNEL_NODE_BUDGET = 2_000_000_000

#: Published cost of a node, ns: one walk of 10^6 nodes takes 16 to 33 ms (Peng Zhang's histogram,
#: iommu list, 2022).
NS_PER_NODE = (16.0, 33.0)
#: Seconds after which the kernel's watchdogs complain, as they are set by default.
SOFT_LOCKUP_S, HARD_LOCKUP_S = 20.0, 10.0

#: An op is pathological if it visits more than this share of the live ranges ...
PATHOLOGICAL_SHARE = 0.1
#: ... where there are at least this many; below, a tenth is a short search.
PATHOLOGICAL_FROM = 1_000

TREE = "tree"
USER_SPACE = "user space"
#: The machine of a count: exact, and the same on every machine.
ANY_MACHINE = "any"


def sizes_up_to(largest: float, smallest: float = 100) -> list[int]:
    """Powers of ten, 100 and above, from ``smallest`` to ``largest``."""
    return [10**power for power in range(2, 10) if smallest <= 10**power <= largest]


class Missing(Enum):
    """Why a cell has no value.  A value of 0 is a value ("none"), and never one of these."""

    NOT_MEASURED = "not measured"
    NOT_APPLICABLE = "not applicable"
    OVER_BUDGET = "over the node budget"
    FAILED = "failed"

    def __str__(self) -> str:
        return self.value


class UnlikeError(InvalidValueError):
    """Two values of different cells, metrics or units were compared; the message names both."""


@dataclass(frozen=True, order=True)
class Cell:
    """Where a value belongs.

    ``nr_live`` is the number of live ranges after the window, whatever a workload calls its size;
    ``level`` is `TREE` or an rcache model; ``where`` is `USER_SPACE` or a kernel release;
    ``machine`` is `ANY_MACHINE` for counts, which are the same everywhere.
    """

    workload: str
    nr_live: int
    level: str = TREE
    where: str = USER_SPACE
    machine: str = ANY_MACHINE

    def __str__(self) -> str:
        parts = [f"{self.workload} at {self.nr_live:,} live ranges"]
        parts += [self.level] if self.level != TREE else []
        parts += [self.where] if self.where != USER_SPACE else []
        parts += [f"on {self.machine}"] if self.machine != ANY_MACHINE else []
        return ", ".join(parts)

    @property
    def is_common(self) -> bool:
        """Does it belong to the common case?"""
        return self.workload in COMMON_CASE


@dataclass(frozen=True, kw_only=True)
class Measured(Interval):
    """A value of a cell, with its 99 % interval."""

    variant: str
    metric: str
    cell: Cell
    unit: str

    @classmethod
    def count(cls, variant: str, metric: str, cell: Cell, value: float, unit: str) -> Measured:
        """An exact value: its interval has no width."""
        return cls(
            value=value, lo=value, hi=value, variant=variant, metric=metric, cell=cell, unit=unit
        )

    def __str__(self) -> str:
        return format_value(self.value, self.unit, exact=self.is_exact)


@dataclass(frozen=True, kw_only=True)
class CellRatio(Interval):
    """Value of ``variant`` over that of ``base`` in one cell, with its 99 % interval."""

    variant: str
    base: str
    metric: str
    cell: Cell

    def __str__(self) -> str:
        return f"x{number(self.value)}"


def ratio(value: Measured | Missing, base: Measured | Missing) -> CellRatio | Missing:
    """Compare two values of one cell: ``value`` over ``base``, interval by MOVER on logarithms.

    Missing if either is, and not applicable if either is 0 or less.  Raises `UnlikeError` unless
    both agree in workload, nr_live, level, where, machine, metric and unit.
    """
    if isinstance(value, Missing):
        return value
    if isinstance(base, Missing):
        return base
    for name in ("metric", "unit", "cell"):
        ours, theirs = getattr(value, name), getattr(base, name)
        if ours != theirs:
            raise UnlikeError(
                f"{value.metric} of {value.variant} can't be compared with {base.metric} of"
                f" {base.variant}: {name} {ours} is not {theirs}"
            )
    if value.value <= 0 or base.value <= 0:
        return Missing.NOT_APPLICABLE
    return CellRatio(
        **vars(_quotient(value, base)),
        variant=value.variant,
        base=base.variant,
        metric=value.metric,
        cell=value.cell,
    )


def _quotient(upper: Interval, lower: Interval) -> Interval:
    """``upper`` / ``lower``, 99 %; without an interval if an end is unknown or not positive."""
    quotient = upper.value / lower.value
    if upper.is_exact and lower.is_exact:
        return Interval.exact(quotient)
    pair = np.array([[one.value, one.lo, one.hi] for one in (upper, lower)])
    if not (np.isfinite(pair) & (pair > 0)).all():
        return Interval(quotient, math.nan, math.nan)
    return Interval(*log_ratio(*pair).tolist()).exp()


def extremes(ratios: Iterable[CellRatio | Missing]) -> tuple[CellRatio, CellRatio] | None:
    """The least and the greatest of these; None if all are missing."""
    known = sorted((one for one in ratios if isinstance(one, CellRatio)), key=lambda one: one.value)
    return (known[0], known[-1]) if known else None


def is_pathological(
    nr_live: int,
    worst_nodes: float | Missing,
    spurious_failures: float | Missing,
    above_limit: float | Missing,
) -> bool | None:
    """Is this cell pathological for a variant?  None if what was measured can't decide it.

    It is if one op visits more than 10 % of the live ranges where there are at least 1,000, if a
    request fails spuriously, or if an answer lies above its limit.
    """
    found = [
        exceeds_share(nr_live, worst_nodes),
        _exceeds(spurious_failures, 0),
        _exceeds(above_limit, 0),
    ]
    if True in found:
        return True
    return None if None in found else False


def exceeds_share(nr_live: int, worst_nodes: float | Missing) -> bool | None:
    """Does an op visit more than 10 % of at least 1,000 live ranges?  None if it is unknown."""
    if nr_live < PATHOLOGICAL_FROM:
        return False
    return _exceeds(worst_nodes, PATHOLOGICAL_SHARE * nr_live)


def _exceeds(count: float | Missing, most: float) -> bool | None:
    if isinstance(count, Missing):
        return False if count is Missing.NOT_APPLICABLE else None
    return count > most


def number(value: float, *, exact: bool = True) -> str:
    """Digits for a reader: whole counts in full, all else with three significant digits.

    ``exact=False`` is for times: 29,626.4 is 29,600.  ``-`` for NaN.
    """
    if math.isnan(value):
        return "-"
    if exact and float(value).is_integer():
        return f"{value:,.0f}"
    if value == 0 or not math.isfinite(value):
        return f"{value:.0f}"
    decimals = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, decimals)
    decimals = max(0, 2 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{decimals}f}"


def format_value(value: float | Missing, unit: str, *, exact: bool = True) -> str:
    """A value with its unit, ``19 nodes`` or ``29,600 ns/op``; a missing one by its reason."""
    return str(value) if isinstance(value, Missing) else f"{number(value, exact=exact)} {unit}"
