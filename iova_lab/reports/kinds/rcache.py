"""Memory of the per-CPU caches."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="what the per-CPU caches take of memory, over CPUs and domains",
    results="rcache",
    out="rcache",
    needs={"memory.jsonl": "iova-lab rcache"},
    write=pages(rcache="rcache:write_rcache"),
)
