"""How does the cost of a find grow?  Fitted, predicted, measured.

The cost is fitted at up to 1,000 live ranges and measured at ten times as many: a fit that does not
predict that is reported as wrong.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from scipy import stats

from iova_lab.checking.worst import score as scoring
from iova_lab.checking.worst.genome import Genome
from iova_lab.checking.worst.score import Cost, Goal
from iova_lab.measuring.growth import grow
from iova_variants.child import VariantError

#: Where a cost is measured and fitted, and where the fit is held to a measurement.
SIZES = (10, 30, 100, 300, 1000)
VERIFIED_AT = 10_000
#: A fit is right if it is within this share of what is measured.
CLOSE = 0.1


@dataclass(frozen=True)
class Fit:
    """Nodes = ``slope`` * live + ``constant``; what that predicts, and what was measured."""

    growth: str
    slope: float
    constant: float
    live: int
    predicted: float
    measured: int | None

    @property
    def holds(self) -> bool:
        """Whether the prediction is close."""
        if self.measured is None:
            return False
        return abs(self.predicted - self.measured) <= CLOSE * self.measured

    def __str__(self) -> str:
        law = f"{self.growth}: {self.slope:.2f} n {'-' if self.constant < 0 else '+'} "
        law += f"{abs(self.constant):.0f}"
        if self.measured is None:
            return f"{law}; too expensive to measure at {self.live:,} live ranges"
        verdict = "" if self.holds else ", which the fit does not predict"
        at = f"{self.predicted:,.0f} predicted and {self.measured:,} measured"
        return f"{law}; {at} at {self.live:,} live ranges{verdict}"


def fitted(variant: str, genome: Genome, goal: Goal, rcache: str = "off") -> Fit | None:
    """The cost over live ranges; None where some size has no such op, or breaks the variant."""
    try:
        found = [scoring.costs(variant, genome, nr, rcache=rcache).get(goal) for nr in SIZES]
    except VariantError:
        return None
    points = [cost for cost in found if cost is not None]
    live = np.array([cost.live for cost in points], float)
    if len(points) < len(SIZES) or (np.diff(live) <= 0).any():
        return None
    nodes = np.array([cost.nodes for cost in points], float)
    line = stats.linregress(live, nodes)
    ten: Cost | None = None
    with suppress(VariantError):  # too long, for one
        ten = scoring.costs(variant, genome, VERIFIED_AT, rcache=rcache).get(goal)
    if ten and ten.live > live[-1]:  # the class has all that was measured; the line has not
        live, nodes = np.append(live, ten.live), np.append(nodes, ten.nodes)
    growth = grow(live, np.repeat(nodes[:, None], 3, axis=1)).supported
    at = ten.live if ten else VERIFIED_AT
    predicted = float(line.intercept + line.slope * at)
    return Fit(
        growth, float(line.slope), float(line.intercept), at, predicted, ten.nodes if ten else None
    )
