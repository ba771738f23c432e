"""The same cells on several machines."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="one suite on several machines: which results depend on the machine",
    results="",
    out="machines",
    needs={"*/machine.json": "iova-lab reference"},
    write=pages(machines="machines:write_machines"),
)
