"""Kernel releases."""

from __future__ import annotations

from iova_lab.reports.kinds import Kind, pages

KIND = Kind(
    summary="what each kernel release changed, by its own text",
    results="releases",
    out="releases",
    needs={"counts.jsonl": "iova-lab linux releases", "texts.jsonl": "iova-lab linux releases"},
    write=pages(releases="releases:write_releases"),
)
