"""What the maple proposal costs on each kernel's own maple tree, over that kernel's allocator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from iova_lab.kernel.layout import series, version
from iova_lab.measuring.cells import COMMON_CASE, number
from iova_lab.measuring.rows import short_release
from iova_lab.rendering.tables import NOTHING

MAPLE, OWN = "maple_kernel", "kernel"
_CELL = ["workload", "nr_live"]


def costs(frame: pd.DataFrame) -> pd.DataFrame:
    """Per cell and kernel: instructions per op, over the kernel's own, and the worst op.

    Of each series the newest release, of each workload the smallest size, and of a recorded one the
    window that the newest kernel has.
    Columns: release, workload, nr_live, instructions, ratio, worst.
    """
    smallest = frame["nr_live"] == frame.groupby("workload")["nr_live"].transform("min")
    newest = {series(release): release for release in _releases(frame)}
    rows = frame[smallest & frame["variant"].isin([MAPLE, OWN])]
    rows = rows[rows["release"].isin(newest.values())]
    rows = rows.assign(age=rows["release"].map({name: version(name) for name in _releases(rows)}))
    rows = rows.sort_values("age")
    rows = rows[rows["nr_measured"] == rows.groupby("workload")["nr_measured"].transform("last")]
    key = ["release", *_CELL]
    own = rows.loc[rows["variant"] == OWN, [*key, "instructions"]]
    found = rows[rows["variant"] == MAPLE].merge(own, on=key, suffixes=("", "_own"))
    found["ratio"] = found["instructions"] / found["instructions_own"]
    return found.sort_values(key)[[*key, "instructions", "ratio", "worst"]].reset_index(drop=True)


def table(found: pd.DataFrame) -> pd.DataFrame:
    """A row per workload, three columns per kernel."""
    cells = found[_CELL].drop_duplicates()
    shown = pd.DataFrame(
        {"workload": cells["workload"], "live": [f"{size:,}" for size in cells["nr_live"]]}
    )
    for release in _releases(found):
        short = short_release(release)
        rows = found[found["release"] == release].set_index(_CELL)
        rows = rows.reindex(pd.MultiIndex.from_frame(cells))
        shown[f"{short}: per op"] = [number(value) for value in rows["instructions"]]
        shown[f"{short}: of its own"] = [_times(value) for value in rows["ratio"]]
        shown[f"{short}: worst"] = [number(value) for value in rows["worst"]]
    return shown


def summary(found: pd.DataFrame) -> dict[str, Any]:
    """Numbers of the sentences; {} where no kernel has both."""
    if found.empty:
        return {}
    releases = _releases(found)
    return {
        "newest": releases[-1],
        "common": ", ".join(COMMON_CASE),
        "kernels": [_of_kernel(found[found["release"] == name], name) for name in releases],
        "moved": [_moved(found, name, releases[-1]) for name in releases[:-1]],
    }


def _releases(found: pd.DataFrame) -> list[str]:
    return sorted(found["release"].unique(), key=version)


def _of_kernel(rows: pd.DataFrame, release: str) -> dict[str, Any]:
    common = rows[rows["workload"].isin(COMMON_CASE)]["ratio"]
    ends = f"{_times(common.min())} to {_times(common.max())}" if len(common) else NOTHING
    return {
        "release": release,
        "common": ends,
        "cheaper": f"{(rows['ratio'] < 1).sum()}",
        "nr": f"{len(rows)}",
    }


def _moved(found: pd.DataFrame, old: str, new: str) -> dict[str, Any]:
    """Instructions and worst ops on one kernel over those on another, in the cells of both."""
    before, after = (found[found["release"] == name].set_index(_CELL) for name in (old, new))
    both = after[["instructions", "worst"]] / before[["instructions", "worst"]]
    both = both.dropna()
    moved: dict[str, Any] = {"old": old, "nr": f"{len(both)}"}
    for name in both:
        low, middle, high = np.quantile(both[name], [0, 0.5, 1]) if len(both) else [np.nan] * 3
        moved[str(name)] = f"{_times(middle)} (median; {_times(low)} to {_times(high)})"
    return moved


def _times(value: float) -> str:
    return NOTHING if np.isnan(value) else f"x{number(value)}"
