"""Lock contention."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="what many CPUs wait for, measured and simulated",
    results="contention",
    out="contention",
    needs={
        "services.jsonl": "iova-lab contention sweep",
        "sweep.jsonl": "iova-lab contention sweep",
    },
    write=pages(contention="contention:write_contention"),
)
