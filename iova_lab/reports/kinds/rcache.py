"""Memory of the per-CPU caches."""

from __future__ import annotations

from pathlib import Path

from iova_lab.reports.kinds import Kind


def _write(results: Path, out: Path) -> dict[str, Path]:
    from iova_lab.reports.rcache import write_rcache

    return {"rcache": write_rcache(results, out)}


KIND = Kind(
    summary="what the per-CPU caches take of memory, over CPUs and domains",
    results="rcache",
    out="rcache",
    needs={"memory.jsonl": "iova-lab rcache"},
    write=_write,
)
