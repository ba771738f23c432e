"""What did booted kernels say?  Rows of results/kernel/, measured by `iova-lab kernel`."""

from __future__ import annotations

from pathlib import Path

from iova_lab.basics.errors import NoResultsError, NotFoundError
from iova_lab.basics.reading import Row
from iova_lab.claims.measurement import Measured
from iova_lab.measuring import rows

FIDELITY = "iova-lab kernel fidelity"


def fidelity(results: Path) -> list[Row]:
    """The last row of every cell, all kernels.  Raises `NoResultsError` if there is none."""
    files = sorted((results / "kernel").glob("*-amd64.jsonl"))
    found = {}
    for path in files:
        for row in rows.fidelity(path):
            found[row["release"], row["workload"], row["nr_live"], row["variant"]] = row
    if not found:
        raise NoResultsError(f"{results}/kernel has no rows: {FIDELITY} measures them")
    return [found[key] for key in sorted(found)]


def instructions(results: Path, pair: tuple[str, str], workload: str, nr_live: int) -> Measured:
    """Instructions per alloc and free of two variants, by kernel.

    Raises `NotFoundError` if no kernel has measured both.
    """
    found: Measured = {}
    for row in fidelity(results):
        if (row["workload"], row["nr_live"]) == (workload, nr_live) and row["variant"] in pair:
            kinds = {kind: row.get(f"instructions_{kind}") for kind in ("alloc", "free")}
            found.setdefault(row["release"], {})[row["variant"]] = kinds
    found = {release: both for release, both in found.items() if len(both) == len(set(pair))}
    if not found:
        raise NotFoundError(
            f"no kernel in {results}/kernel has {' and '.join(pair)} on {workload} at {nr_live:,}:"
            f" {FIDELITY} measures it"
        )
    return found


def said(measured: Measured, pair: tuple[str, str], kind: str) -> str:
    """The ratios of instructions as a half-sentence, for what stands beside a verdict."""
    ratios = [both[pair[1]][kind] / both[pair[0]][kind] for both in measured.values()]
    low, high = min(ratios), max(ratios)
    text = f"x{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"x{low:.2f} to x{high:.2f}"
    return f"{text} in instructions of a booted kernel"
