"""Lock contention."""

from __future__ import annotations

from pathlib import Path

from iova_lab.reports.kinds import Kind


def _write(results: Path, out: Path) -> dict[str, Path]:
    from iova_lab.reports.contention import write_contention

    return {"contention": write_contention(results, out)}


KIND = Kind(
    summary="what many CPUs wait for, measured and simulated",
    results="contention",
    out="contention",
    needs={
        "services.jsonl": "iova-lab contention sweep",
        "sweep.jsonl": "iova-lab contention sweep",
    },
    write=_write,
)
