"""The numbers of one workload as tables of text, and what is missing from them."""

from __future__ import annotations

import math
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd

from iova_lab.measuring.cells import number as number
from iova_lab.measuring.frames import grouped, rows_of
from iova_lab.measuring.metrics import TIMES
from iova_lab.measuring.results import (
    FAILED,
    NOT_APPLICABLE,
    NOT_MEASURED,
    OVER_BUDGET,
    STALE,
    CellRow,
    select,
)
from iova_lab.measuring.statistics import NONE, Interval

#: What a reader should not have to miss without being told why.
SHOWN = {
    "ns_per_op": "time",
    "nodes_per_op": "nodes",
    "failures": "failures",
    "spurious_failures": "spurious failures",
    "above_limit": "answers above the limit",
}
NOTHING = "-"
#: Between these a ratio is a change in per cent, outside a factor: below, all are -99 and some.
PERCENT_FROM, PERCENT_TO = 0.01, 10


def change(ratio: Interval) -> str:
    """Write a ratio as kernel people do: +x %, or times x where percents get out of hand.

    A time whose interval includes 1 shows no difference, and one without an interval is not
    compared.
    """
    if not ratio.known:
        return NOTHING
    three = (ratio.value, ratio.lo, ratio.hi)
    in_percent = PERCENT_FROM <= ratio.value < PERCENT_TO
    if in_percent:
        value, lo, hi = (f"{100 * (x - 1):+.1f}".replace("-0.0", "+0.0") for x in three)
        value += "%"
    else:
        value, lo, hi = (number(x) for x in three)
        value = f"x{value}"
    if ratio.lo == ratio.hi:
        return f"( {value} )"
    if ratio.lo <= 1 <= ratio.hi:
        return f"( none shown [{lo}..{hi}{'%' if in_percent else ''}] )"
    return f"( {value} [{lo}..{hi}] )"


def exponent(slope: Interval) -> str:
    """Write an exponent with its interval; counts have none, for they are exact."""
    if math.isnan(slope.value):
        return NOTHING
    text = f"{slope.value:.2f}"
    if slope.known and slope.lo != slope.hi:
        text += f" [{slope.lo:.2f}..{slope.hi:.2f}]"
    return text.replace("-0.00", "0.00")


def common_size(frame: pd.DataFrame, workload: str, fakes: frozenset[str]) -> int | None:
    """Return the largest size with time and nodes of the most variants; None if there is none."""
    rows = select(frame, workload=workload)
    rows = rows[rows["metric"].isin(["ns_per_op", "nodes_per_op"]) & ~rows["variant"].isin(fakes)]
    counts = rows.groupby("nr_live").size()
    return int(counts[counts == counts.max()].index.max()) if len(counts) else None


def cells(frame: pd.DataFrame, workload: str, nr_live: int) -> pd.DataFrame:
    """Measured values of one workload at one size: a row per variant, a column per metric."""
    rows = frame[(frame["workload"] == workload) & (frame["nr_live"] == nr_live)]
    return rows.pivot_table(
        index="variant", columns="metric", values="value", dropna=False
    ).reindex(columns=sorted(set(frame["metric"])))


#: A cell of a table that has no value; 0 is a value.
MARKS = {
    NOT_MEASURED: "not measured",
    NOT_APPLICABLE: "n/a",
    OVER_BUDGET: "over budget",
    FAILED: "failed",
    STALE: "old",
}


def texts(frame: pd.DataFrame, workload: str, nr_live: int) -> pd.DataFrame:
    """As `cells`, for a reader: a number, or why there is none."""
    rows = frame[(frame["workload"] == workload) & (frame["nr_live"] == nr_live)]
    text = [
        MARKS.get(row.status) or number(row.value, exact=row.metric not in TIMES)
        for row in rows_of(rows, CellRow)
    ]
    wide = rows.assign(text=text).pivot_table(
        index="variant", columns="metric", values="text", aggfunc="first"
    )
    return wide.reindex(columns=sorted(set(frame["metric"]))).fillna(NOTHING)


def intervals(rows: pd.DataFrame, value: str) -> dict[str, Interval]:
    """One `Interval` per variant, from the columns ``value``, lo and hi."""
    columns = rows[["variant", value, "lo", "hi"]].itertuples(index=False)
    return {name: Interval(*numbers) for name, *numbers in columns}


def costs(
    frame: pd.DataFrame,
    ratios: pd.DataFrame,
    workload: str,
    nr_live: int,
    baseline: str,
    fakes: frozenset[str],
) -> pd.DataFrame:
    """Time and nodes at one size, each with its ratio to the baseline, as text.

    The refusals of the window and how many should not have been follow where there are any.
    """
    values, written = cells(frame, workload, nr_live), texts(frame, workload, nr_live)
    written = written.reindex(values.index)
    rows = ratios[(ratios["workload"] == workload) & (ratios["nr_live"] == nr_live)]
    columns: dict[str, list[str]] = {"variant": list(values.index)}
    for metric, title in (("ns_per_op", "ns/op"), ("nodes_per_op", "nodes/op")):
        known = intervals(rows[rows["metric"] == metric], "ratio")
        columns[title] = list(written[metric])
        columns[f"{title} vs {baseline}"] = [
            _versus(name, known.get(name, NONE), baseline, fakes) for name in values.index
        ]
    if (values["failures"] > 0).any():
        columns["refused"] = list(written["failures"])
        columns["spurious"] = list(written["spurious_failures"])
    if (values["above_limit"] > 0).any():
        columns["above limit"] = list(written["above_limit"])
    return pd.DataFrame(columns)


def _versus(name: str, ratio: Interval, baseline: str, fakes: frozenset[str]) -> str:
    if name == baseline:
        return "( base )"
    return "( floor )" if name in fakes else change(ratio)


def growth(exponents: pd.DataFrame, workload: str) -> pd.DataFrame:
    """Exponents and supported classes of one workload as text; empty if it has one size."""
    rows = exponents[exponents["workload"] == workload]
    table = pd.DataFrame({"variant": sorted(set(rows["variant"]))})
    for metric, title in (("nodes_per_op", "nodes"), ("ns_per_op", "ns")):
        one = rows[rows["metric"] == metric]
        slopes = intervals(one, "exponent")
        classes = dict(zip(one["variant"], one["supported_class"], strict=True))
        table[f"{title}: exponent"] = [exponent(slopes.get(v, NONE)) for v in table["variant"]]
        table[f"{title}: class"] = [classes.get(v, NOTHING) for v in table["variant"]]
    return table


def others(frame: pd.DataFrame, workload: str, nr_live: int, fakes: frozenset[str]) -> pd.DataFrame:
    """Worst op, memory and address span at one size, as text; nothing of it holds for fakes."""
    written = texts(frame[~frame["variant"].isin(fakes)], workload, nr_live)
    titles = {
        "worst_nodes": "nodes of the worst op",
        "bytes_per_range": "bytes/live range",
        "span_per_pfn": "span/live pfn",
    }
    text = written.reindex(columns=list(titles)).rename(columns=titles)
    return text.rename_axis(columns=None).reset_index()


def coinciding_groups(frame: pd.DataFrame, workload: str) -> list[list[str]]:
    """Groups of variants that visit the same nodes per op, within 1 %, at every size."""
    rows = select(frame, workload=workload, metric="nodes_per_op")
    curves = rows.pivot_table(index="variant", columns="nr_live", values="value")
    near = partial(np.allclose, rtol=0.01, atol=0, equal_nan=True)
    return grouped(curves.index, lambda one, other: near(curves.loc[one], curves.loc[other]))


def coinciding(frame: pd.DataFrame, workload: str) -> list[str]:
    """Name each group of `coinciding_groups` that has two members or more, in a line."""
    groups = coinciding_groups(frame, workload)
    return [" = ".join(group) for group in groups if len(group) > 1]


def across(tables: dict[str, pd.DataFrame], variant: str) -> pd.DataFrame:
    """The row of one variant in each of these tables, under the table's name."""
    rows = {
        name: table[table["variant"] == variant].drop(columns="variant").iloc[0]
        for name, table in tables.items()
        if len(table) and variant in set(table["variant"])
    }
    if not rows:
        return pd.DataFrame()
    wide = pd.DataFrame(rows).T.fillna(NOTHING)
    columns = dict.fromkeys(column for table in tables.values() for column in table.columns)
    kept = [column for column in columns if column in wide]
    return wide[kept].rename_axis("workload").reset_index()


class _Missing(NamedTuple):
    """Cells that have no value for one reason: all of these variants, metrics and sizes."""

    reason: str
    variant: tuple[str, ...]
    metric: tuple[str, ...]
    nr_live: tuple[int, ...]


def undecided(exponents: pd.DataFrame, workload: str) -> list[str]:
    """Why the undecided classes of one workload are undecided, one line per reason."""
    rows = exponents[
        (exponents["workload"] == workload) & (exponents["supported_class"] == "undecided")
    ]
    return [
        f"growth of {SHOWN[str(metric)]} undecided: {', '.join(curves['variant'])}: {reason}"
        for (metric, reason), curves in rows.groupby(["metric", "reason"])
    ]


def missing(frame: pd.DataFrame, workload: str, fakes: frozenset[str]) -> list[str]:
    """Every cell without a value, cells with a common reason in one line."""
    asked = (frame["workload"] == workload) & frame["metric"].isin(list(SHOWN))
    rows = frame[asked & (frame["reason"] != "") & ~frame["variant"].isin(fakes)]
    everyone = set(frame["variant"]) - fakes
    variants = rows.groupby(["reason", "nr_live", "metric"])["variant"].agg(tuple).reset_index()
    metrics = variants.groupby(["reason", "nr_live", "variant"])["metric"].agg(tuple).reset_index()
    sizes = metrics.groupby(["reason", "variant", "metric"])["nr_live"].agg(tuple).reset_index()
    lines = []
    for row in rows_of(sizes, _Missing):
        who = "all variants" if set(row.variant) == everyone else ", ".join(row.variant)
        what = ", ".join(SHOWN[metric] for metric in row.metric)
        of = "" if len(row.metric) == len(SHOWN) else f" ({what})"
        lines.append(f"{who} at {', '.join(f'{n:,}' for n in row.nr_live)}{of}: {row.reason}")
    return lines
