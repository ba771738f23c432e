"""The page of the known pathologies, from iova_lab/pathologies alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from iova_lab.diagnosis.pathology import Fix, Pathology, pathologies
from iova_lab.rendering.pages import write_page


def write_pathologies(results: Path, out_dir: Path) -> Path:
    """Write pathologies.md and pathologies.html into ``out_dir``; ``results`` is not read."""
    every = pathologies()
    inside = {name: one for name, one in every.items() if one.kind == "allocator"}
    beside = {name: one for name, one in every.items() if one.kind == "other"}
    return write_page(
        out_dir,
        "pathologies",
        answer=_answer(inside),
        inside=_table(inside),
        beside=_table(beside).drop(columns=["reproduced by"]),
        fixes=_fixes(every),
        every=every,
    )


def _answer(inside: dict[str, Pathology]) -> str:
    still = sum(not one.until for one in inside.values())
    return (
        f"{len(inside)} problems of the allocator are known; {len(inside) - still} of them are"
        f" mended in a mainline release, and {still} are in today's."
    )


def _table(every: dict[str, Pathology]) -> pd.DataFrame:
    return pd.DataFrame([_row(name, one) for name, one in every.items()])


def _row(name: str, one: Pathology) -> dict[str, str]:
    shown = one.reproduce.removeprefix("iova-lab ")
    if one.workload is not None:
        layer = "" if one.workload.rcache == "off" else f" --rcache {one.workload.rcache}"
        shown = f"replay {one.workload.name}@{one.workload.default}{layer}"
    return {
        "pathology": f"[{one.title}](#{name.replace('_', '-')})",
        "symptom": one.symptom[0].says,
        "releases": f"v{one.since} and later" + (f", before v{one.until}" if one.until else ""),
        "mended in": ", ".join(_mended(fix) for fix in one.fix if fix.effect == "mends") or "-",
        "reproduced by": f"`{shown}`" if shown else "-",
    }


def _mended(fix: Fix) -> str:
    return ", ".join([f"v{fix.mainline}", *sorted(fix.stable.values())])


def _fixes(every: dict[str, Pathology]) -> pd.DataFrame:
    rows: dict[str, dict[str, str]] = {}
    for name, one in every.items():
        for fix in one.fix:
            key = fix.commit or f"v{fix.mainline}"
            row = rows.setdefault(
                key,
                {
                    "commit": fix.commit or "-",
                    "mainline": f"v{fix.mainline}",
                    "stable": ", ".join(sorted(fix.stable.values())) or "-",
                    "effect": fix.says,
                    "pathologies": "",
                },
            )
            row["pathologies"] = ", ".join(
                filter(None, [row["pathologies"], f"{name} ({fix.effect})"])
            )
    found = sorted(rows.values(), key=lambda row: tuple(map(int, row["mainline"][1:].split("."))))
    return pd.DataFrame(found)
