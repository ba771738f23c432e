"""Published claims."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="which published claims hold on the measured machine",
    results="",
    out="claims",
    needs={"claims/*.json": "iova-lab claims --all"},
    write=pages(claims="claims:write_claims"),
)
