"""The search for the worst case."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="what a search from random streams finds, and how fast",
    results="worst",
    out="worst",
    needs={"*.jsonl": "iova-lab worst-study"},
    write=pages(worst="worst:write_worst"),
)
