"""Does a count of one variant exceed a bound: ``random_replace@1000.nodes > 100``?

For scripts that look for the change that made something worse, such as `git bisect run`.  All that
metrics are exact, so the result is the same on every machine.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from iova_lab import comparison, workloads
from iova_lab.basics.errors import InvalidValueError
from iova_lab.comparison.counting import Counts, counted

#: Metrics of a criterion, by the names of `iova-lab try`'s table.
METRICS: dict[str, Callable[[Counts], float]] = {
    "nodes": lambda counts: counts.nodes_per_op,
    "worst": lambda counts: counts.worst,
    "refused": lambda counts: counts.nr_failures,
    "spurious": lambda counts: counts.nr_spurious or 0,
    "bytes": lambda counts: counts.bytes_per_range,
}
#: Former names of metrics.
_FORMER = {"needlessly": "spurious"}
_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}
_GRAMMAR = re.compile(
    r"\s*(?P<cell>\S+)\.(?P<metric>[a-z]+)\s*(?P<operator>[<>]=?|[=!]=)"
    r"\s*(?P<number>\d+(?:\.\d+)?)\s*"
)


@dataclass(frozen=True)
class Criterion:
    """One comparison; ``metric`` and ``operator`` are keys of the tables above."""

    cell: comparison.Cell
    metric: str
    operator: str
    number: float

    def __str__(self) -> str:
        return f"{self.cell.name}.{self.metric} {self.operator} {self.number:g}"

    def value(self, variant: str) -> float:
        """Count it: one replay, in a child process.  Raises `VariantError`, `BuildError`."""
        plan = comparison.Plan(base=variant, candidates=(variant,), cells=(self.cell,))
        return METRICS[self.metric](counted(plan, variant, self.cell))

    def holds(self, value: float) -> bool:
        """Does this value meet the criterion?"""
        return _OPERATORS[self.operator](value, self.number)


def parse(text: str) -> Criterion:
    """Read ``WORKLOAD[@N].METRIC OP NUMBER``; N is by default what `comparison.cell_at` has.

    Raises `InvalidValueError`; `NotFoundError` and `SizeError` for the workload.
    """
    found = _GRAMMAR.fullmatch(text)
    metric = _FORMER.get(found["metric"], found["metric"]) if found else ""
    if not found or metric not in METRICS:
        raise InvalidValueError(
            f"{text!r} is no criterion WORKLOAD[@N].METRIC OP NUMBER such as 'ring@1000.nodes > "
            f"20'; METRIC is one of {', '.join(METRICS)}, OP one of {' '.join(_OPERATORS)}"
        )
    cell = comparison.cell_at(*workloads.split(found["cell"]))
    return Criterion(cell, metric, found["operator"], float(found["number"]))
