"""Is a count of a variant what a user does not accept?  ``random_replace@1000.nodes > 100``

For `git bisect run` and scripts: counts are exact, so a criterion holds or it does not.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import InvalidValueError
from iova_lab.measuring.cells import number
from iova_variants import ReplayResult

#: Live ranges where a criterion names none, or as near to that as the workload goes.
NR_LIVE = 1000
_TIMEOUT_S = 120.0

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_METRICS: dict[str, Callable[[ReplayResult], float]] = {
    "nodes": lambda result: sum((result.visits or {}).values()) / result.nr_ops,
    "worst": lambda result: float(result.worst_visits or 0),
    "refused": lambda result: float(result.nr_failures),
    "spurious": lambda result: float(result.nr_spurious or 0),
    "bytes": lambda result: float(result.bytes),
}


@dataclass(frozen=True)
class Criterion:
    """One count of one workload, and the bound that it must not pass."""

    workload: str
    nr_live: int
    metric: str
    comparison: str
    bound: float

    def broken_by(self, variant: str) -> str | None:
        """One line if the criterion holds for ``variant``, which is what it must not; else None.

        Raises `VariantError` where the replay fails.
        """
        stream = workloads.generate(self.workload, self.nr_live)
        result = iova_variants.replay(
            variant, stream, op_visits=True, judge=True, timeout=_TIMEOUT_S
        )
        value = _METRICS[self.metric](result)
        if not _COMPARE[self.comparison](value, self.bound):
            return None
        name = f"{self.workload}@{self.nr_live}.{self.metric}"
        return f"{name} is {number(value)}: {self.comparison} {number(self.bound)}"


def parse(text: str) -> Criterion:
    """Read a criterion.  Raises `InvalidValueError`; `NotFoundError` for an unknown workload."""
    found = re.fullmatch(r"\s*(\w+)(?:@(\d+))?\.(\w+)\s*(>=|<=|>|<)\s*([\d.]+(?:e\d+)?)\s*", text)
    metrics = ", ".join(_METRICS)
    if not found or found[3] not in _METRICS:
        raise InvalidValueError(
            f"no criterion: {text!r}; one is WORKLOAD[@N].METRIC > NUMBER, METRIC one of {metrics}"
        )
    workload = workloads.get(found[1])
    nearest = min(max(NR_LIVE, workload.min_nr_live), workload.max_nr_live)
    nr_live = int(found[2]) if found[2] else nearest
    if reason := workload.why_not(nr_live):
        raise InvalidValueError(f"{text!r}: {reason}")
    return Criterion(workload.name, nr_live, found[3], found[4], float(found[5]))
