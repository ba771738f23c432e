"""What the page on the search stands on: searches by several methods, finds, and lock holds.

Three stores of JSON lines.  `SEARCHES` has a row for each method, variant and seed: which known
faults were found, after how many genomes.  `FINDS` has what is wrong with each variant, shrunk.
`HOLDS` has the longest section under the lock of each variant on every workload and find.

Genomes tried are counted, for they do not depend on the machine and its load; seconds do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import msgspec

import iova_variants
from iova_lab import workloads
from iova_lab.basics.reading import read_rows
from iova_lab.basics.writing import append_row
from iova_lab.checking.worst import finds as finding
from iova_lab.checking.worst.elites import Elites
from iova_lab.checking.worst.evolve import Method, Search, Setting
from iova_lab.checking.worst.genome import Gene, Genome
from iova_lab.checking.worst.known import KNOWN, searched
from iova_lab.checking.worst.score import INSTRUCTIONS, NR_LIVE
from iova_lab.measuring.code_digest import code_digest
from iova_lab.measuring.steps import costliest, steps
from iova_variants import EndlessError
from iova_variants.opstream import OpStream

SEARCHES, FINDS, HOLDS = "searches.jsonl", "finds.jsonl", "holds.jsonl"
COMMAND = "iova-lab worst-study"

#: Live ranges at which lock holds are compared, where a workload has that size.
HOLDS_AT = 1000
#: Of a stream, ops of each kind that are stepped: those that visit the most nodes, and no more once
#: they visit so many.
STEPPED, STEPPED_NODES = 12, 500

Progress = Callable[[], None]


class SearchRow(msgspec.Struct):
    """One search: ``found`` has genomes and seconds until each known fault."""

    method: Method
    variant: str
    rcache: str
    seed: int
    nr_tried: int
    seconds: float
    found: dict[str, tuple[int, float]]


class FindRow(msgspec.Struct):
    """One find of one search: ``also`` are niches with the same genome, ``alike`` workloads."""

    variant: str
    rcache: str
    seed: int
    code: str
    goal: str
    value: float
    first_tried: int
    first_seconds: float
    fit: str
    alike: list[str]
    also: list[str]
    start_pfn: int
    genes: list[Gene]

    @property
    def genome(self) -> Genome:
        """The shrunk genome."""
        return Genome(tuple(self.genes), self.start_pfn)


class HoldRow(msgspec.Struct):
    """The longest section under the lock of one variant on one stream; the most nodes of an op."""

    variant: str
    code: str
    stream: str
    live: int
    hold: int
    instructions: int
    nodes: int


def stored(results: Path, name: str, schema: type[Any]) -> list[Any]:
    """Rows of a store; none where there is no file."""
    rows = read_rows(results / name, schema, written_by=COMMAND)
    return [msgspec.convert(row, schema) for row in rows]


def cells(methods: Sequence[Method], seeds: Sequence[int]) -> list[tuple[int, Setting]]:
    """Every variant with a known fault, by each method and seed."""
    return [
        (seed, Setting(variant, rcache, method))
        for seed in seeds
        for variant, rcache in searched()
        for method in methods
    ]


def search_all(
    results: Path,
    out: Path,
    wanted: Sequence[tuple[int, Setting]],
    *,
    rounds: int,
    executor: Executor,
    on_progress: Progress = lambda: None,
) -> None:
    """Search what is not stored yet."""
    have = {
        (row.seed, Setting(row.variant, row.rcache, row.method))
        for row in stored(results, SEARCHES, SearchRow)
    }
    for seed, setting in wanted:
        if (seed, setting) not in have:
            search = Search(setting, seed, out, lambda: nullcontext(executor))
            search.run(rounds=rounds)
            append_row(results / SEARCHES, msgspec.to_builtins(_search_row(search)))
        on_progress()


def _search_row(search: Search) -> SearchRow:
    setting = search.setting
    found = {
        one.key: (elite.first_tried, round(elite.first_seconds, 1))
        for one in KNOWN
        if (one.variant, one.rcache) == (setting.variant, setting.rcache)
        and (elite := one.first(search.elites))
    }
    return SearchRow(
        *(setting.method, setting.variant, setting.rcache, search.seed, search.nr_tried),
        *(round(search.seconds, 1), found),
    )


def settings(variants: Sequence[str] = ()) -> list[Setting]:
    """What finds are of: every variant, and those with a known fault of the rcache behind it.

    Raises what `iova_variants.load` does: a file that is no variant is told before hours of search.
    """
    for name in variants:
        iova_variants.load(name, build="counted")
    names = variants or iova_variants.names(fake=False)
    cached = [(name, rcache) for name, rcache in searched() if rcache != "off" and name in names]
    return [*(Setting(name, steps=True) for name in names), *(Setting(*one) for one in cached)]


def find_all(
    results: Path,
    out: Path,
    wanted: Sequence[Setting],
    *,
    seed: int,
    rounds: int,
    executor: Executor,
    on_progress: Progress = lambda: None,
) -> None:
    """Search every variant, also for instructions, and store the finds."""
    have = {
        (row.variant, row.rcache, row.code)
        for row in stored(results, FINDS, FindRow)
        if row.seed == seed
    }
    for setting in wanted:
        code = code_digest(setting.variant, "counted")
        if (setting.variant, setting.rcache, code) not in have:
            search = Search(setting, seed, out, lambda: nullcontext(executor))
            search.run(rounds=rounds)
            for row in _find_rows(setting, seed, code, search.elites):
                append_row(results / FINDS, msgspec.to_builtins(row))
        on_progress()


def _find_rows(setting: Setting, seed: int, code: str, elites: Elites) -> Iterator[FindRow]:
    """Finds, and the genomes of the most instructions."""
    shown = finding.finds(setting, elites)
    for niche, elite in elites.items():
        if niche.name in INSTRUCTIONS:
            what = (niche, elite.genome, elite.value, elite.nr_tried, elite.seconds)
            shown.append(finding.Find(setting, *what, fit=None, alike=()))
    for find in shown:
        yield FindRow(
            *(setting.variant, setting.rcache, seed, code, str(find.goal), round(find.value, 4)),
            *(find.first_tried, round(find.first_seconds, 1)),
            fit=str(find.fit) if find.fit else "",
            alike=list(find.alike),
            also=list(map(str, find.also)),
            start_pfn=find.genome.start_pfn,
            genes=list(find.genome.genes),
        )


def hold_all(results: Path, on_progress: Progress = lambda: None) -> None:
    """Measure the longest lock hold of every variant on every workload, and on every find."""
    have = {(row.variant, row.code, row.stream) for row in stored(results, HOLDS, HoldRow)}
    for variant, name, stream in streams(results):
        key = (variant, code_digest(variant, "counted"), name)
        if key not in have:
            with suppress(EndlessError):
                append_row(results / HOLDS, msgspec.to_builtins(_hold_row(variant, name, stream)))
        on_progress()


def streams(results: Path) -> Iterator[tuple[str, str, OpStream]]:
    """Each variant with each workload, and with each find of any variant."""
    found = [row for row in stored(results, FINDS, FindRow) if row.rcache == "off"]
    names = iova_variants.names(fake=False)
    for workload in workloads.names():
        one = workloads.get(workload)
        nr_live = min(max(HOLDS_AT, one.min_nr_live), one.max_nr_live)
        stream = workloads.generate(workload, nr_live)
        for variant in names:
            yield variant, workload, stream
    for variant in names:
        for row in found:
            if row.variant == variant:
                nr_live = NR_LIVE if row.goal in INSTRUCTIONS else HOLDS_AT
                yield variant, f"find: {row.goal}", row.genome.history(nr_live).stream()


def _hold_row(variant: str, name: str, stream: OpStream) -> HoldRow:
    """Ops that visit the most nodes are stepped.

    Raises `EndlessError` for a request that never returns.
    """
    replayed = iova_variants.replay(variant, stream, op_visits=True)
    counts = steps(variant, stream, costliest(stream, replayed.op_visits, STEPPED, STEPPED_NODES))
    return HoldRow(
        *(variant, code_digest(variant, "counted"), name, replayed.nr_live),
        hold=int(counts.holds.max(initial=0)),
        instructions=int(counts.instructions.max(initial=0)),
        nodes=replayed.worst_visits,
    )
