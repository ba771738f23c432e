"""The page that compares machines: what of the results holds on each of them, and what does not."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from iova_lab.basics.errors import NoResultsError
from iova_lab.measuring import asv_runs, flags, results, scaling
from iova_lab.measuring.catalogue import fake_variants
from iova_lab.measuring.cells import number
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.reports.machines_figure import figure
from iova_lab.reports.report_facts import conditions, facts

BASE = "mainline"
CELL = ["workload", "variant", "nr_live"]
#: Exact counts: they do not depend on the machine.
COUNTS = ("nodes_per_op", "worst_nodes", "failures", "spurious_failures", "bytes_per_range")
TIME = "ns_per_op"
FASTER, SLOWER, NONE = "faster", "slower", "none shown"


@dataclass(frozen=True)
class Machine:
    """One machine's newest run: values of today's code alone, and ratios of times to `BASE`.

    ``values``: metric, workload, variant, nr_live, value.  ``ratios``: workload, variant, nr_live,
    ratio, lo, hi (99 %, the drift of the run included).
    """

    name: str
    facts: dict[str, str]
    old: tuple[str, ...]
    values: pd.DataFrame
    ratios: pd.DataFrame
    #: Is the commit in this repository, so that ``old`` is known?
    is_known: bool = True

    def without(self, variants: set[str]) -> Machine:
        """The same, but for these variants."""
        left = [frame[~frame["variant"].isin(variants)] for frame in (self.values, self.ratios)]
        return replace(self, values=left[0], ratios=left[1])


def load(results_dir: Path) -> list[Machine]:
    """The newest run of every machine, by name.  Raises `NoResultsError` if there is only one."""
    names = asv_runs.machines(results_dir)
    if len(names) < 2:
        raise NoResultsError(
            f"{results_dir} has results of {', '.join(names) or 'no machine'}, and two machines are"
            " compared: `iova-lab reference --machine NAME` measures another one there"
        )
    return [_machine(results_dir, name) for name in names]


def _machine(results_dir: Path, name: str) -> Machine:
    run = asv_runs.find_run(results_dir, name)
    frame = results.tidy(results_dir, run)
    named = flags.old_names(run.commit)
    old = named or []
    of_today = frame[~frame["variant"].isin(old) & ~frame["workload"].isin(old)]
    fakes = fake_variants(set(of_today["variant"]))
    measured = of_today[of_today["status"] == results.MEASURED]
    ratios = scaling.ratios(of_today, BASE, fakes)
    ratios = ratios[(ratios["metric"] == TIME) & (ratios["variant"] != BASE)]
    described = facts(run, BASE, None) | conditions(frame, run)
    shown = ("machine", "commit", "code", "compiler", "load", "drift", "times at", "measured by")
    return Machine(
        name,
        {key: described[key] for key in shown},
        tuple(old),
        measured[["metric", *CELL, "value"]],
        ratios[[*CELL, "ratio", "lo", "hi"]],
        named is not None,
    )


def pairs(first: Machine, second: Machine) -> pd.DataFrame:
    """Cells with a ratio to `BASE` on both: the columns of `Machine.ratios`, with _a and _b."""
    both = first.ratios.merge(second.ratios, on=CELL, suffixes=("_a", "_b"))
    return both.assign(
        verdict_a=[_verdict(*one) for one in both[["lo_a", "hi_a"]].to_numpy()],
        verdict_b=[_verdict(*one) for one in both[["lo_b", "hi_b"]].to_numpy()],
    )


def _verdict(low: float, high: float) -> str:
    if np.isnan(low) or np.isnan(high) or low <= 1 <= high:
        return NONE
    return FASTER if high < 1 else SLOWER


def opposite(both: pd.DataFrame) -> pd.DataFrame:
    """Cells that are faster than `BASE` on one machine and slower on the other."""
    first, second = both["verdict_a"], both["verdict_b"]
    return both[(first != second) & (first != NONE) & (second != NONE)]


def counted(first: Machine, second: Machine) -> pd.DataFrame:
    """Exact counts that both machines have: the columns of `Machine.values`, and ``equal``."""
    both = first.values.merge(second.values, on=["metric", *CELL], suffixes=("_a", "_b"))
    both = both[both["metric"].isin(COUNTS)]
    return both.assign(equal=both["value_a"] == both["value_b"])


def of_other_code(first: Machine, second: Machine) -> set[str]:
    """Variants whose counts differ, where the code of one machine is not known: it is another.

    None, where those of half the variants or more differ: then it is not the code of some.
    """
    if first.is_known and second.is_known:
        return set()
    counts = counted(first, second)
    found = set(counts.loc[~counts["equal"], "variant"])
    return found if 2 * len(found) < counts["variant"].nunique() else set()


def write_machines(results_dir: Path, out_dir: Path) -> Path:
    """Write machines.md, machines.html and the figure into ``out_dir``."""
    machines = load(results_dir)
    compared = [Pair(one, other) for one, other in combinations(machines, 2)]
    out_dir.mkdir(parents=True, exist_ok=True)
    answer = _answer(compared)
    save(figure([(one.names, one.both) for one in compared], answer), out_dir / "machines")
    return write_page(
        out_dir,
        "machines",
        answer=answer,
        base=BASE,
        machines=machines,
        pairs=compared,
        old={one.name: ", ".join(one.old) for one in machines if one.old},
    )


class Pair:
    """Two machines, and what the page has of them."""

    def __init__(self, first: Machine, second: Machine) -> None:
        self.names = (first.name, second.name)
        self.left_out = of_other_code(first, second)
        first, second = first.without(self.left_out), second.without(self.left_out)
        self.both = pairs(first, second)
        counts = counted(first, second)
        self.nr_counts, self.nr_equal = len(counts), int(counts["equal"].sum())
        self.opposite = opposite(self.both)
        self.times = _times(first, second)

    @property
    def title(self) -> str:
        """Both names."""
        return " and ".join(self.names)

    @property
    def nr_same(self) -> int:
        """Cells in which both machines show that the allocator is faster, or that it is slower."""
        shown = self.both["verdict_a"] != NONE
        return int((shown & (self.both["verdict_a"] == self.both["verdict_b"])).sum())

    @property
    def variants(self) -> pd.DataFrame:
        """A row per variant: its ratio to `BASE` on each machine, and between the machines."""
        return pd.DataFrame(
            [self._row(str(name), group) for name, group in self.both.groupby("variant")]
        )

    def _row(self, name: str, group: pd.DataFrame) -> dict[str, str]:
        means = {
            f"time to {BASE}, {machine}": f"x{_mean(group[f'ratio_{side}']):.2f}"
            for machine, side in zip(self.names, "ab", strict=True)
        }
        between = group["ratio_b"] / group["ratio_a"]
        furthest = max(between, key=lambda ratio: abs(math.log(ratio)))
        return {
            "variant": name,
            "cells": f"{len(group):,}",
            **means,
            "between the two, median": f"x{between.median():.2f}",
            "furthest": f"x{furthest:.2f}",
            "opposite": str(len(opposite(group))),
        }

    @property
    def contradictions(self) -> pd.DataFrame:
        """A row per cell of `opposite`, the widest contradiction first."""
        between = self.opposite["ratio_b"] / self.opposite["ratio_a"]
        width = between.map(lambda ratio: abs(math.log(ratio)))
        rows = self.opposite.loc[width.sort_values(ascending=False).index]
        return pd.DataFrame(
            {
                "cell": [f"{one.workload}@{one.nr_live}" for one in rows.itertuples()],
                "variant": rows["variant"],
                **{
                    f"time to {BASE}, {machine}": [
                        f"x{ratio:.2f} (x{low:.2f} to x{high:.2f})"
                        for ratio, low, high in rows[
                            [f"ratio_{side}", f"lo_{side}", f"hi_{side}"]
                        ].to_numpy()
                    ]
                    for machine, side in zip(self.names, "ab", strict=True)
                },
            }
        )


def _mean(ratios: pd.Series) -> float:
    return float(np.exp(np.log(ratios).mean()))


def _times(first: Machine, second: Machine) -> pd.DataFrame:
    """A row per workload: ns/op of `BASE` at the smallest size that both have."""
    times = [
        one.values[(one.values["metric"] == TIME) & (one.values["variant"] == BASE)]
        for one in (first, second)
    ]
    both = times[0].merge(times[1], on=CELL, suffixes=("_a", "_b")).sort_values("nr_live")
    smallest = both.drop_duplicates("workload").sort_values("workload")
    ratio = smallest["value_b"] / smallest["value_a"]
    return pd.DataFrame(
        {
            "cell": smallest["workload"] + "@" + smallest["nr_live"].astype(str),
            f"ns/op, {first.name}": [number(one) for one in smallest["value_a"]],
            f"ns/op, {second.name}": [number(one) for one in smallest["value_b"]],
            "ratio": [f"x{one:.2f}" for one in ratio],
        }
    )


def _answer(compared: list[Pair]) -> str:
    nr_cells = sum(len(one.both) for one in compared)
    if not nr_cells:
        return "Not known: no cell has a time on two machines."
    nr_opposite = sum(len(one.opposite) for one in compared)
    nr_same = sum(one.nr_same for one in compared)
    nr_counts = sum(one.nr_counts for one in compared)
    nr_equal = sum(one.nr_equal for one in compared)
    counts = "all" if nr_equal == nr_counts else f"{nr_equal:,} of"
    found = (
        f"Yes: in {nr_opposite:,} of {nr_cells:,} cells an allocator is faster than {BASE} on one"
        " machine and slower on the other"
        if nr_opposite
        else f"No: in none of {nr_cells:,} cells is an allocator faster than {BASE} on one machine"
        " and slower on the other"
    )
    return (
        f"{found}; in {nr_same:,} both show the same, and {counts} {nr_counts:,} counts are equal."
    )
