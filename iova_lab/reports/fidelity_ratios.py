"""Cost over mainline's, in user space beside that in booted kernels."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from iova_lab.kernel.fidelity import COUNTERPARTS
from iova_lab.measuring.cells import number
from iova_lab.measuring.contenders import RIVALS, SUBJECT
from iova_lab.rendering.tables import NOTHING

BASE = "mainline"


#: Whose ratios the headline gives: other designs.
CONTENDERS = (*RIVALS, SUBJECT)


#: Mainline's search with another cache of its last place: most of their code is mainline's, and so
#: is most of their cost, in both worlds.
RELATIVES = ("anchor", "cached32", "cached64", "max32", "retry", "single_cached")


#: A ratio within this of the kernel's is what a reader would call the same.
CLOSE = 1.5


def compared(frame: pd.DataFrame, times: pd.DataFrame) -> pd.DataFrame:
    """Per kernel, workload and variant: cost over mainline's, in instructions there and ns here."""
    measured = frame[frame["error"].isna() & ~frame["variant"].isin(["null", *COUNTERPARTS])]
    both = measured.merge(times, on=["workload", "nr_live", "variant"])
    cell = ["release", "workload", "nr_live"]
    base = both.loc[both["variant"] == BASE, [*cell, "instructions", "ns"]]
    both = both.merge(base, on=cell, suffixes=("", "_base"))
    both["kernel_ratio"] = both["instructions"] / both["instructions_base"]
    both["user_ratio"] = both["ns"] / both["ns_base"]
    both["off"] = both["user_ratio"] / both["kernel_ratio"]
    return both[both["variant"] != BASE]


def trust(ratios: pd.DataFrame) -> pd.DataFrame:
    """How far off user space's ratios are, by workload."""
    lines = []
    for workload, group in ratios.groupby("workload") if len(ratios) else ():
        both = group[["user_ratio", "kernel_ratio"]].to_numpy().T
        rank = stats.kendalltau(*both).statistic if len(group) > 1 else np.nan
        worst = group.loc[np.log(group["off"]).abs().idxmax()]
        lines.append(
            {
                "workload": workload,
                "live": f"{group['nr_live'].iloc[0]:,}",
                "median user/kernel": f"{group['off'].median():.2f}",
                "furthest off": f"{worst['off']:.2f} {worst['variant']}",
                "its ratios": f"{number(worst['user_ratio'])} ns, "
                f"{number(worst['kernel_ratio'])} instr.",
                f"within x{CLOSE}": f"{within(group):.0%}",
                "rank (Kendall)": shown(rank, ".2f"),
            }
        )
    return pd.DataFrame(lines)


def by_variant(ratios: pd.DataFrame) -> pd.DataFrame:
    """How far off user space's ratios are, by variant."""
    lines = []
    for variant, group in ratios.groupby("variant") if len(ratios) else ():
        low, middle, high = np.quantile(group["off"], [0, 0.5, 1])
        lines.append(
            {
                "variant": variant,
                "median user/kernel": f"{middle:.2f}",
                "from .. to": f"{low:.2f} .. {high:.2f}",
                f"within x{CLOSE}": f"{within(group):.0%}",
            }
        )
    return pd.DataFrame(lines)


def within(group: pd.DataFrame) -> float:
    """The share of ratios that are off by at most `CLOSE`."""
    return float((np.log(group["off"]).abs() <= np.log(CLOSE)).mean())


def shown(value: float, spec: str) -> str:
    """A number by its format; the mean of nothing, and what was not measured, is `NOTHING`."""
    return NOTHING if np.isnan(value) else format(value, spec)


def summary(ratios: pd.DataFrame) -> dict[str, str]:
    """Numbers of the headline and of section 4; {} without ratios."""
    if ratios.empty:
        return {}
    sides = (ratios["user_ratio"] > 1) == (ratios["kernel_ratio"] > 1)
    far = np.log(ratios["kernel_ratio"]).abs() > np.log(CLOSE)
    groups = {
        "contenders": ratios[ratios["variant"].isin(CONTENDERS)],
        "relatives": ratios[ratios["variant"].isin(RELATIVES)],
        "all": ratios,
    }
    found = {
        "nr_kernels": str(ratios["release"].nunique()),
        "nr_far": f"{int(far.sum()):,}",
        "same_side": shown(sides[far].mean(), ".1%"),
    }
    for name, group in groups.items():
        low, high = np.quantile(group["off"], [0.05, 0.95]) if len(group) else (np.nan, np.nan)
        times = group.drop_duplicates(["workload", "nr_live", "variant"])  # one for all kernels
        found |= {
            f"{name}_nr": f"{len(group):,}",
            f"{name}_times": f"{len(times):,}",
            f"{name}_within": shown(within(group), ".0%"),
            f"{name}_range": f"x{low:.2f} and x{high:.2f}" if len(group) else NOTHING,
        }
    for name, group in (
        ("cheaper", ratios[ratios["kernel_ratio"] < 1]),
        ("dearer", ratios[ratios["kernel_ratio"] > 1]),
    ):
        further = np.log(group["user_ratio"]) / np.log(group["kernel_ratio"]) > 1
        found |= {
            f"{name}_nr": f"{len(group):,}",
            f"{name}_still": shown(further.mean(), ".0%"),
        }
    return found
