"""What is a number of asv's pages, and which of them does its list show?

asv has the seconds of a whole window; the reports have ns per op, so the pages get that too.  asv's
list has a row per cell, 18,980 of them, and calls every difference of two commits a recent change:
the times of two runs differ by the state of the machine alone, so only counts change there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from iova_lab.dashboard.views import SIZE, VARIANT, View, graph_path, read_data, write_data
from iova_lab.measuring.catalogue import fake_variants
from iova_lab.measuring.results import nr_measured

WORKLOAD = "workload"
TIMED_UNIT, UNIT = "seconds", "ns/op"
#: Of `coverage` and of the load: not about an allocator.
NOT_LISTED = ("reason", "processes")
_NS = 1e9


def per_op(html: Path) -> None:
    """Turn seconds per window into ns per op, in every graph and list of ``html``."""
    path = html / "index.json"
    index = read_data(path)
    for name, benchmark in index["benchmarks"].items():
        if benchmark.get("unit") != TIMED_UNIT or WORKLOAD not in benchmark["param_names"]:
            continue
        factors = ns_per_op(benchmark)
        for params in index["graph_param_list"]:
            _scale_graph(graph_path(html, params, name), factors)
            _scale_list(graph_path(html, params, "summary"), name, factors)
        benchmark["unit"] = UNIT
    write_data(path, index)


def ns_per_op(benchmark: dict[str, Any]) -> list[float]:
    """By which a window's seconds are multiplied, cell by cell."""
    return [_NS / nr_measured(cell[WORKLOAD]) for cell in cells(benchmark)]


def unmeasured(html: Path) -> list[str]:
    """Benchmarks without any result; each gets an empty graph for asv's grid."""
    index = read_data(html / "index.json")
    machines = index["graph_param_list"]
    found = [
        name
        for name in index["benchmarks"]
        if not any(graph_path(html, params, name).is_file() for params in machines)
    ]
    for name in found:
        write_data(html / "graphs" / "summary" / f"{name}.json", [])
    return found


def shorten_lists(html: Path, views: dict[str, View]) -> None:
    """Leave in asv's lists the cells of the views, at the largest size, and counts that changed."""
    index = read_data(html / "index.json")
    benchmarks = index["benchmarks"]
    listed = {name: list(cells(benchmark)) for name, benchmark in benchmarks.items()}
    for params in index["graph_param_list"]:
        path = graph_path(html, params, "summary")
        if path.is_file():
            rows = [_without_noise(row, benchmarks) for row in read_data(path)]
            rows = [row for row in rows if _unit(row, benchmarks) not in NOT_LISTED]
            write_data(path, list(_shown(rows, listed, views)))


def _shown(
    rows: list[dict[str, Any]], listed: dict[str, list[dict[str, str]]], views: dict[str, View]
) -> Iterator[dict[str, Any]]:
    placed = [(row, listed[row["name"]][row["idx"]]) for row in rows if row["idx"] is not None]
    fakes = fake_variants({cell.get(VARIANT, "") for _, cell in placed})
    sized = [
        (row, (row["name"], cell.get(VARIANT), cell.get(WORKLOAD)), float(cell.get(SIZE, 0)))
        for row, cell in placed
        if row["last_value"] is not None and cell.get(VARIANT) not in fakes
    ]
    largest: dict[tuple[str, str | None, str | None], float] = {}
    for _, key, size in sized:
        largest[key] = max(largest.get(key, 0), size)
    for row, key, size in sized:
        name, _, workload = key
        seen = views.get(name, {}).get(f"p-{WORKLOAD}", [])
        is_in_view = repr(workload) in seen and size == largest[key]
        if is_in_view or row["prev_value"] is not None:
            yield row


def _without_noise(row: dict[str, Any], benchmarks: dict[str, Any]) -> dict[str, Any]:
    """A row as it is if it is a count; a time has no change."""
    if _unit(row, benchmarks) in (TIMED_UNIT, UNIT, "ns"):
        return row | {"prev_value": None, "change_rev": None}
    return row


def _unit(row: dict[str, Any], benchmarks: dict[str, Any]) -> str:
    return str(benchmarks[row["name"]].get("unit"))


def cells(benchmark: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Each cell of a benchmark in asv's order, by parameter, without the quotes of repr()."""
    for values in itertools.product(*benchmark["params"]):
        plain = (value.strip("'") for value in values)
        yield dict(zip(benchmark["param_names"], plain, strict=True))


def _scale_graph(path: Path, factors: list[float]) -> None:
    if path.is_file():
        points = read_data(path)
        write_data(path, [[revision, _scaled(values, factors)] for revision, values in points])


def _scaled(values: Any, factors: list[float]) -> Any:
    """The values of all cells; asv has one null where a commit has none."""
    if not isinstance(values, list):
        return values
    return [
        None if value is None else value * factor
        for value, factor in zip(values, factors, strict=True)
    ]


def _scale_list(path: Path, name: str, factors: list[float]) -> None:
    if not path.is_file():
        return
    rows = read_data(path)
    for row in rows:
        if row["name"] == name:
            for key in ("last_value", "last_err", "prev_value"):
                if row[key] is not None:
                    row[key] *= factors[row["idx"]]
    write_data(path, rows)
