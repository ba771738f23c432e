"""What did booted kernels say?  Rows of results/kernel/, measured by `iova-lab kernel`."""

from __future__ import annotations

from pathlib import Path

from iova_lab.basics.errors import NotFoundError
from iova_lab.claims.measurement import Measured
from iova_lab.measuring import rows

FIDELITY = "iova-lab kernel fidelity"


def instructions(results: Path, pair: tuple[str, str], workload: str, nr_live: int) -> Measured:
    """Instructions per alloc and free of two variants, by kernel.

    Raises `NotFoundError` if no kernel has measured both.
    """
    found: Measured = {}
    for row in rows.of_kernels(results / "kernel"):
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
