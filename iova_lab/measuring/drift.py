"""How far a time of an asv run drifts: the floor below which two times are not compared.

asv measures one cell after the other, so what slows the machine for a while passes for a difference
between variants.  The benchmark drift.Drift times one variant a second time, in the same cells and
far from the first time in the same run.  The greatest ratio of the two times of a cell is the
floor: no ratio of times of that run is closer to 1 and known not to be 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from iova_lab.measuring.results import select

#: Fewer cells timed twice than this give no floor.
FEWEST = 3

KEYS = ["variant", "workload", "nr_live"]


@dataclass(frozen=True)
class Floor:
    """The greatest ratio (above 1) of two times of one cell, its cell, and how many were timed."""

    ratio: float
    variant: str
    workload: str
    nr_live: int
    nr_cells: int

    def __str__(self) -> str:
        return (
            f"{self.variant} timed twice in this run differed by up to"
            f" {100 * (self.ratio - 1):.1f} % in {self.nr_cells} cells"
            f" ({self.workload} at {self.nr_live:,} live ranges)"
        )


def floor(frame: pd.DataFrame) -> Floor | None:
    """The floor of one run, from its cells that were timed twice; None with fewer than three."""
    first = select(frame, metric="ns_per_op").set_index(KEYS)["value"]
    again = select(frame, metric="ns_again").set_index(KEYS)["value"]
    apart = (np.log(again) - np.log(first)).abs().dropna()
    if len(apart) < FEWEST:
        return None
    variant, workload, nr_live = apart.idxmax()
    ratio = math.exp(float(apart.max()))
    return Floor(ratio, str(variant), str(workload), int(nr_live), len(apart))


def load(frame: pd.DataFrame) -> tuple[float, float] | None:
    """Median and greatest one-minute load average during the run, or None."""
    values = select(frame, metric="load")["value"]
    return (float(values.median()), float(values.max())) if len(values) else None
