"""The known pathologies."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="the known pathologies: symptoms, releases, fixes, workloads",
    results="",
    out="pathologies",
    needs={},
    write=pages(pathologies="pathologies:write_pathologies"),
)
