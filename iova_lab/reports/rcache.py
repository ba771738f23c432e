"""The page on the memory of the per-CPU caches, from results/rcache alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from iova_lab.measuring import provenance
from iova_lab.measuring.rcache_memory import CPUS_OF_DOMAINS, FILE, KERNELS, LOADS, Row, require
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.reports.rcache_figure import figure, size_text

#: The load that the answer names, beside that of a domain that has just been created.
CREATED, NAMED = LOADS[0].name, "all CPUs, 1 size"


def write_rcache(results: Path, out_dir: Path) -> Path:
    """Write rcache.md, rcache.html and the figure into ``out_dir``, from ``results`` alone."""
    rows = require(results)
    over_cpus = [row for row in rows if row.domains == 1]
    over_domains = [row for row in rows if row.cpus == CPUS_OF_DOMAINS]
    parked = {tuple(row.parked for row in over_cpus if row.kernel == one) for one in KERNELS}
    answer = _answer(over_cpus)
    out_dir.mkdir(parents=True, exist_ok=True)
    save(figure(over_cpus, over_domains, answer), out_dir / "rcache")
    return write_page(
        out_dir,
        "rcache",
        answer=answer,
        loads=[load for load in LOADS if load.used],
        cpus_of_domains=CPUS_OF_DOMAINS,
        memory=_by_kernel(over_cpus, "possible CPUs", lambda row: size_text(row.bytes)),
        domains=_by_kernel(over_domains, "domains", lambda row: size_text(row.bytes)),
        parked=_by_kernel(over_cpus, "possible CPUs", lambda row: f"{row.parked:,}"),
        park_alike=len(parked) == 1,
        locks=_by_kernel(over_cpus, "CPUs online", lambda row: f"{row.flush_locks:,}"),
        made=provenance.of_files([results / FILE], "rcache"),
    )


def _answer(rows: Sequence[Row]) -> str:
    most = max(row.cpus for row in rows)
    at = {(row.kernel, row.load): size_text(row.bytes) for row in rows if row.cpus == most}
    new = {
        kernel: {"0": "none"}.get(text, text)
        for (kernel, load), text in at.items()
        if load == CREATED
    }
    return (
        f"With {most:,} possible CPUs, a new domain takes {new['6.12']} of magazines on 6.12 and"
        f" {new['7.3']} on 7.3, which takes {at['7.3', NAMED]} once each CPU frees ranges of"
        " one size."
    )


def _by_kernel(
    rows: Sequence[Row], head: str, shown: Callable[[Row], str]
) -> list[tuple[str, pd.DataFrame]]:
    """A table per kernel: a row per number of CPUs or of domains, a column per load."""
    return [
        (kernel, _table([row for row in rows if row.kernel == kernel], head, shown))
        for kernel in KERNELS
    ]


def _table(rows: Sequence[Row], head: str, shown: Callable[[Row], str]) -> pd.DataFrame:
    found: dict[int, dict[str, str]] = {}
    for row in rows:
        place = row.domains if head == "domains" else row.cpus
        found.setdefault(place, {head: f"{place:,}"})[row.load] = shown(row)
    return pd.DataFrame([found[place] for place in sorted(found)])
