"""Real I/O through allocators."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="real I/O of unmodified drivers through each allocator",
    results="kernel",
    out="kernel",
    needs={"io.jsonl": "iova-lab kernel io", "io-verified.jsonl": "iova-lab kernel io"},
    write=pages(io="io:write_io"),
)
