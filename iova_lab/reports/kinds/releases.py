"""Kernel releases."""

from __future__ import annotations

from pathlib import Path

from iova_lab.reports.kinds import Kind


def _write(results: Path, out: Path) -> dict[str, Path]:
    from iova_lab.reports.releases import write_releases

    return {"releases": write_releases(results, out)}


KIND = Kind(
    summary="what each kernel release changed, by its own text",
    results="releases",
    out="releases",
    needs={"counts.jsonl": "iova-lab linux releases", "texts.jsonl": "iova-lab linux releases"},
    write=_write,
)
