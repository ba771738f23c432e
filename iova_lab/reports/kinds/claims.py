"""Published claims."""

from __future__ import annotations

from pathlib import Path

from iova_lab.reports.kinds import Kind


def _write(results: Path, out: Path) -> dict[str, Path]:
    from iova_lab.reports.claims import write_claims

    return {"claims": write_claims(results, out)}


KIND = Kind(
    summary="which published claims hold on the measured machine",
    results="",
    out="claims",
    needs={"claims/*.json": "iova-lab claims --all"},
    write=_write,
)
