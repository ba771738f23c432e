"""The lab's own proposal."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="the lab's own proposal: criteria, objections, numbers",
    results="",
    out="candidate",
    needs={"candidate/counts.csv.gz": "iova-lab counts"},
    write=pages(candidate="candidate.page:write_evidence"),
)
