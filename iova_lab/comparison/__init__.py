"""Is a candidate faster or slower than the base, where, by how much, and what does it cost besides?

Measure (`measure`), keep (`save`, `load`), and write it in every form that a patch discussion needs
(`write`, `terminal`; one cell's finding is a `Verdict`).
"""

from iova_lab.comparison.measuring import OnNote, OnProgress, measure
from iova_lab.comparison.outputs import as_json, write, write_all
from iova_lab.comparison.plan import DEFAULT_CELLS, Cell, Plan, cell_at
from iova_lab.comparison.result import CellResult, Comparison, Subject
from iova_lab.comparison.screen import terminal
from iova_lab.comparison.store import load, save
from iova_lab.comparison.words import Verdict, verdict, verdicts
from iova_lab.measuring.statistics import Interval, Ratio

__all__ = [
    "DEFAULT_CELLS",
    "Cell",
    "CellResult",
    "Comparison",
    "Interval",
    "OnNote",
    "OnProgress",
    "Plan",
    "Ratio",
    "Subject",
    "Verdict",
    "as_json",
    "cell_at",
    "load",
    "measure",
    "save",
    "terminal",
    "verdict",
    "verdicts",
    "write",
    "write_all",
]
