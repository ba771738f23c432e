"""The index of all pages."""

from __future__ import annotations

from pathlib import Path

from iova_lab.reports.kinds import Kind


def _write(results: Path, out: Path) -> dict[str, Path]:
    from iova_lab.basics.stored import require
    from iova_lab.reports.contents import write_contents

    require(out, "*/*.md", command="`make reports`", what="pages", option="--out")
    return {"contents": write_contents(out)}


KIND = Kind(
    summary="the index of the pages in --out, each with its question and its answer",
    results="",
    out="",
    needs={},
    write=_write,
    of_pages=True,
)
