"""The promises of every variant."""

from __future__ import annotations

from pathlib import Path

from iova_lab.reports.kinds import Kind


def _write(results: Path, out: Path) -> dict[str, Path]:
    from iova_lab.reports.promises import write_promises

    return {"promises": write_promises(results, out)}


KIND = Kind(
    summary="what each variant guarantees, costs at worst, and gets wrong",
    results="promises",
    out="promises",
    needs={"promises.json": "iova-lab promises --measure"},
    write=_write,
)
