"""Which cells does a benchmark's page show first, and how does each variant look?

asv's index.json gets one more entry, ``iova_lab``, which www/views.js and www/lines.js read.  A
view is what asv has in its address: every variant over the number of live ranges, for the workload
that sets them apart most, of the machine that was measured last.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
from asv.graph import Graph

from iova_lab.measuring.catalogue import fake_variants

VARIANT, SIZE = "variant", "nr_live"
#: More than this from the least to the greatest, and an axis is logarithmic.
DECADE = 10

View = dict[str, list[str]]


def read_data(path: Path) -> Any:
    """What a file of asv's data holds."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_data(path: Path, value: Any) -> None:
    """Write one, as asv does."""
    path.write_text(json.dumps(value, separators=(",", ":")), encoding="utf-8")


def graph_path(html: Path, params: dict[str, str | None], name: str) -> Path:
    """Where asv has the graph of a benchmark, or, named ``summary``, the list of all.

    Both are of one machine and environment, which ``params`` are.
    """
    return html / f"{Graph.get_file_path(params, name)}.json"


def add_to_index(
    html: Path, unmeasured: Iterable[str] = (), intervals: Iterable[str] = ()
) -> dict[str, Any]:
    """Add ``iova_lab`` to the index.json in ``html``, and return what was added.

    ``unmeasured`` benchmarks have no results; of those in ``intervals``, graphs have whiskers.
    """
    path = html / "index.json"
    index = read_data(path)
    benchmarks = index["benchmarks"].values()
    found = {one["name"]: _view(one, index, html) for one in benchmarks}
    lab = {
        "views": {name: view for name, view in found.items() if view},
        "looks": looks({value for one in benchmarks for value in _values(one, VARIANT)}),
        "log_axes": _log_axes(benchmarks),
        "machines": _machines(index, html),
        "graphs": {name: _graphs(name, index, html) for name in index["benchmarks"]},
        "unmeasured": sorted(unmeasured),
        "intervals": sorted(intervals),
        "workloads": sorted({value for one in benchmarks for value in _values(one, "workload")}),
    }
    write_data(path, index | {"iova_lab": lab})
    return lab


def looks(variants: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Colour, width, dashes and marker of each variant, as in the report's figures."""
    from iova_lab.rendering import figures
    from iova_lab.rendering.looks import styles

    names = set(variants)
    fakes = fake_variants(names)
    drawn = styles(sorted(names - fakes))
    looks = {name: _look(style) for name, style in drawn.items()}
    floor = {"color": figures.FLOOR, "width": 1, "dash": [6, 3], "radius": 0, "marker": None}
    return looks | dict.fromkeys(sorted(fakes), floor)


def _look(style: dict[str, Any]) -> dict[str, Any]:
    width = style["linewidth"]
    dash = [] if style["linestyle"] == "-" else [width * length for length in style["linestyle"][1]]
    return {
        "color": style["color"],
        "width": round(width, 2),
        "dash": [round(length, 1) for length in dash],
        "radius": round(style["markersize"] / 2, 1),
        "marker": style["marker"],
    }


def address(benchmark: str, view: View) -> str:
    """What follows the # in the address of a graph: the inverse of asv's parse_hash_string."""
    parts = [f"{quote(key)}={quote(value)}" for key, values in view.items() for value in values]
    return f"{benchmark}?{'&'.join(parts)}"


def _values(benchmark: dict[str, Any], name: str) -> list[str]:
    """The values of a parameter, without the quotes of Python's repr."""
    if name not in benchmark["param_names"]:
        return []
    values = benchmark["params"][benchmark["param_names"].index(name)]
    return [value.strip("'") for value in values]


def _numbers(values: list[str]) -> list[float]:
    """Sorted; none at all if one of them is not a number."""
    try:
        return sorted(float(value) for value in values)
    except ValueError:
        return []


def _log_axes(benchmarks: Iterable[dict[str, Any]]) -> dict[str, list[float]]:
    axes: dict[str, list[float]] = {}
    for one in benchmarks:
        for name, values in zip(one["param_names"], one["params"], strict=True):
            numbers = _numbers(values)
            if numbers and 0 < numbers[0] * DECADE < numbers[-1]:
                axes[name] = sorted({*axes.get(name, []), *numbers})
    return axes


def _points(html: Path, benchmark: str, params: dict[str, str | None]) -> list[Any]:
    """A graph of asv: [revision, values of all cells] per commit that was measured."""
    path = graph_path(html, params, benchmark)
    return read_data(path) if path.is_file() else []


def _graphs(name: str, index: dict[str, Any], html: Path) -> dict[str, dict[str, str | None]]:
    """By machine, asv's parameters of the graph of a benchmark that was measured last."""
    newest: dict[str, tuple[int, dict[str, str | None]]] = {}
    for params in index["graph_param_list"]:
        points = _points(html, name, params)
        revision = points[-1][0] if points else -1
        if revision > newest.get(params["machine"], (-1, {}))[0]:
            newest[params["machine"]] = revision, params
    return {machine: params for machine, (_, params) in newest.items()}


def _newest(
    index: dict[str, Any], html: Path, benchmark: dict[str, Any]
) -> tuple[dict[str, Any], pd.Series] | None:
    """The asv parameters (a machine, mostly) measured last, and the cells that have a value."""
    axes = pd.MultiIndex.from_product(benchmark["params"], names=benchmark["param_names"])
    best = None
    for params in index["graph_param_list"]:
        points = _points(html, benchmark["name"], params)
        if not points or not isinstance(points[-1][1], list):
            continue
        cells = pd.Series(points[-1][1], index=axes, dtype=float).dropna()
        rank = (points[-1][0], len(cells))
        if len(cells) and (best is None or rank > best[0]):
            best = (rank, params, cells)
    return best[1:] if best else None


def _machines(index: dict[str, Any], html: Path) -> list[str]:
    """Machines, the one measured last first."""
    newest = [
        (max((points[-1][0] for points in graphs if points), default=-1), params["machine"])
        for params in index["graph_param_list"]
        if (graphs := [_points(html, name, params) for name in index["benchmarks"]])
    ]
    return list(dict.fromkeys(name for _, name in sorted(newest, reverse=True)))


def _view(benchmark: dict[str, Any], index: dict[str, Any], html: Path) -> View | None:
    """The view of one benchmark; None leaves it to asv: no sizes, no variants or no results."""
    names = benchmark["param_names"]
    if SIZE not in names or VARIANT not in names:
        return None
    newest = _newest(index, html, benchmark)
    if newest is None:
        return None
    params, cells = newest[0], _real(newest[1])
    if cells.empty:
        return None
    choice, chosen = _widest(cells)
    view: View = {"x-axis": [SIZE]}
    for name, values in zip(names, benchmark["params"], strict=True):
        if name != SIZE:
            view[f"p-{name}"] = [choice[name]] if name in choice else values
    for name, known in index["params"].items():
        if len(known) > 1 and params.get(name) is not None:
            view[name] = [params[name]]
    if 0 < chosen.min() * DECADE < chosen.max():
        view["y-axis-scale"] = ["log"]
    return view


def _widest(cells: pd.Series) -> tuple[dict[str, str], pd.Series]:
    """One value for each other parameter: most sizes, then the widest gap between variants.

    Also the cells that have these values.
    """
    others = [str(name) for name in cells.index.names if name not in (SIZE, VARIANT)]
    if not others:
        return {}, cells
    best: tuple[int, float] = (0, 0.0)
    choice: tuple[Any, ...] = ()
    chosen = cells
    for values, group in cells.groupby(level=others):
        sizes = group.groupby(level=SIZE)
        rank = (len(sizes), float((sizes.max() - sizes.min()).max()))
        if rank > best:
            best, chosen = rank, group
            choice = tuple(values) if isinstance(values, tuple) else (values,)
    return dict(zip(others, choice, strict=True)), chosen


def _real(cells: pd.Series) -> pd.Series:
    """Without the floor, whose values say nothing about allocators."""
    variants = cells.index.get_level_values(VARIANT).str.strip("'")
    return cells[~variants.isin(fake_variants(set(variants)))]
