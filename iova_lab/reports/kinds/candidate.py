"""The lab's own proposal."""

from __future__ import annotations

from pathlib import Path

from iova_lab.reports.kinds import Kind


def _write(results: Path, out: Path) -> dict[str, Path]:
    from iova_lab.reports.candidate.page import write_evidence

    return {"candidate": write_evidence(results, out)}


KIND = Kind(
    summary="the lab's own proposal: criteria, objections, numbers",
    results="",
    out="candidate",
    needs={"candidate/counts.csv": "iova-lab counts"},
    write=_write,
)
