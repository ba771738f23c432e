"""The known pathologies."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, page

KIND = Kind(
    summary="the known pathologies: symptoms, releases, fixes, workloads",
    results="",
    out="pathologies",
    needs={},
    write=page(__name__, "pathologies:write_pathologies"),
)
