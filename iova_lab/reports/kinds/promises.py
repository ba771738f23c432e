"""The promises of every variant."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="what each variant guarantees, costs at worst, and gets wrong",
    results="promises",
    out="promises",
    needs={"promises.json": "iova-lab promises --measure"},
    write=pages(promises="promises:write_promises"),
)
