"""The page on fidelity: addresses and costs in user space beside those in booted kernels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter
from scipy import stats

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import NoResultsError
from iova_lab.kernel.fidelity import COUNTERPARTS, code_digest, counterpart
from iova_lab.measuring import provenance, rows
from iova_lab.measuring.cells import number
from iova_lab.measuring.code_digest import is_old
from iova_lab.measuring.contenders import RIVALS, SUBJECT
from iova_lab.rendering.figures import STYLE
from iova_lab.rendering.looks import COLOURS, MARKERS
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.rendering.tables import NOTHING

BASE = "mainline"
#: Whose ratios the headline gives: other designs.
CONTENDERS = (*RIVALS, SUBJECT)
#: Mainline's search with another cache of its last place: most of their code is mainline's, and so
#: is most of their cost, in both worlds.
RELATIVES = ("anchor", "cached32", "cached64", "max32", "retry", "single_cached")
#: A ratio within this of the kernel's is what a reader would call the same.
CLOSE = 1.5


def load(results: Path) -> pd.DataFrame:
    """The last row of every cell, all kernels.  Raises `NoResultsError` if there is none."""
    found = [row for path in sorted(results.glob("*-amd64.jsonl")) for row in rows.fidelity(path)]
    if not found:
        raise NoResultsError(f"{results} has no rows: iova-lab kernel fidelity measures them")
    frame = pd.DataFrame(found)
    if "error" not in frame:
        frame["error"] = None
    cell = ["release", "workload", "nr_live", "variant"]
    return frame.drop_duplicates(cell, keep="last").sort_values(cell).reset_index(drop=True)


def load_times(results: Path) -> pd.DataFrame:
    """The last row of every cell in user space; empty if none was measured."""
    columns = ["workload", "nr_live", "variant", "ns", "low", "high", "nodes", "code"]
    frame = pd.DataFrame(rows.times(results), columns=columns)
    return frame.drop_duplicates(columns[:3], keep="last")


def write_fidelity(results: Path, out_dir: Path) -> Path:
    """Write fidelity.md, fidelity.html and the figure into ``out_dir``, from ``results`` alone."""
    frame = load(results)
    times = load_times(results)
    ratios = compared(frame, times)
    out_dir.mkdir(parents=True, exist_ok=True)
    if len(ratios):
        save(figure(ratios), out_dir / "fidelity")
    frame.drop(columns="code").to_csv(out_dir / "fidelity.csv", index=False, lineterminator="\n")
    measured = frame[frame["error"].isna()]
    old = _old_in_kernel(measured)
    return write_page(
        out_dir,
        "fidelity",
        totals=_totals(measured),
        oracle=_oracle(measured),
        per_variant=_per_variant(measured, old),
        never_booted=sorted(set(iova_variants.names(fake=False)) - set(measured["variant"])),
        old=old,
        old_times=_old_in_user_space(times),
        differences=list(measured["first"].dropna()),
        errors=[
            f"{row.release}: {row.variant} on {row.workload}: {row.error}"
            for row in frame[frame["error"].notna()].itertuples()
        ],
        own=_own_against_kernel(measured),
        floor=number(measured[measured["variant"] == "null"]["p50"].median()),
        ratios=ratios,
        trust=_trust(ratios),
        by_variant=_by_variant(ratios),
        common=_common_case(measured),
        summary=_summary(ratios),
        contenders=", ".join(name for name in CONTENDERS if name in set(ratios["variant"])),
        relatives=", ".join(name for name in RELATIVES if name in set(ratios["variant"])),
        per_node=_per_node(measured, times),
        smaller=_smaller(measured),
        made=provenance.table(provenance.of_files(_stores(results), "kernel")),
    )


def _stores(results: Path) -> list[Path]:
    return [*sorted(results.glob("[0-9]*.jsonl")), results / "user.jsonl"]


def _totals(frame: pd.DataFrame) -> dict[str, Any]:
    own = frame[frame["variant"] == "kernel"]
    return {
        "kernels": sorted(frame["release"].unique()),
        "nr_workloads": frame["workload"].nunique(),
        "kernel_ops": f"{own['nr_ops'].sum():,.0f}",
        "kernel_equal": f"{own['nr_equal'].sum():,.0f}",
        "all_ops": f"{frame['nr_ops'].sum():,.0f}",
        "all_equal": f"{frame['nr_equal'].sum():,.0f}",
        "nr_cells": f"{len(frame):,}",
        "nr_variants": frame["variant"].nunique(),
    }


def _oracle(frame: pd.DataFrame) -> pd.DataFrame:
    """Addresses of the kernel's own allocator, at the largest size of each workload."""
    own = frame[frame["variant"] == "kernel"]
    largest = own.loc[own.groupby(["release", "workload"])["nr_live"].idxmax()]
    table = pd.DataFrame({"workload": sorted(largest["workload"].unique())})
    most = largest.groupby("workload")["nr_live"].max()
    table["live"] = [f"{most[name]:,}" for name in table["workload"]]
    for release, group in largest.groupby("release"):
        short = _short(str(release))
        group = group.set_index("workload").reindex(table["workload"])
        table[f"{short}: ops"] = [_count(value) for value in group["nr_ops"]]
        share = group["nr_equal"] / group["nr_ops"]
        table[f"{short}: equal"] = [
            NOTHING if np.isnan(value) else f"{value:.2%}" for value in share
        ]
    return table


def _short(release: str) -> str:
    return release.split("-")[0].split("+")[0]


def _count(value: float) -> str:
    return NOTHING if np.isnan(value) else f"{value:,.0f}"


def _old_in_kernel(frame: pd.DataFrame) -> list[str]:
    """Variants whose C, or what it shares with others, is not what was measured.

    Judged by the digest of each variant's smallest stream, which is generated anew.
    """
    found = set()
    smallest = frame.sort_values("nr_live").drop_duplicates(["release", "variant"])
    for row in smallest.itertuples():
        stream = workloads.generate(row.workload, int(row.nr_live))
        try:
            now = code_digest(row.variant, stream)
        except FileNotFoundError:  # the variant has another name now, or is gone
            now = ""
        if row.code != now:
            found.add(str(row.variant))
    return sorted(found)


def _old_in_user_space(times: pd.DataFrame) -> list[str]:
    """Variants whose times were taken with other code or compiler flags than today's."""
    found = times.drop_duplicates(["variant", "code"]).to_dict("records")
    return sorted({row["variant"] for row in found if is_old(row, row["variant"], "timed")})


def _per_variant(frame: pd.DataFrame, old: list[str]) -> pd.DataFrame:
    lines = []
    for variant, group in frame.groupby("variant"):
        share = group["nr_equal"].sum() / group["nr_ops"].sum()
        lines.append(
            {
                "variant": variant,
                "held against": f"{counterpart(variant)} in user space",
                "workloads": f"{group['workload'].nunique()}",
                "cells": f"{len(group)}",
                "ops": f"{group['nr_ops'].sum():,.0f}",
                "equal": f"{share:.2%}",
                "code": "old" if variant in old else "today's",
            }
        )
    return pd.DataFrame(lines)


def _own_against_kernel(frame: pd.DataFrame) -> pd.DataFrame:
    """Instructions per op: mainline in the module, the kernel's own, and their ratio."""
    wide = frame[frame["variant"].isin(["kernel", BASE])].pivot_table(
        index=["workload", "nr_live"], columns=["release", "variant"], values="instructions"
    )
    table = pd.DataFrame(
        {
            "workload": [name for name, _ in wide.index],
            "live": [f"{nr_live:,}" for _, nr_live in wide.index],
        }
    )
    for release in sorted(frame["release"].unique()):
        short = _short(release)
        kernel, own = wide[release].get("kernel"), wide[release].get(BASE)
        if kernel is None or own is None:
            continue
        table[f"{short}: kernel"] = [number(value) for value in kernel]
        table[f"{short}: {BASE}"] = [number(value) for value in own]
        table[f"{short}: ratio"] = [
            NOTHING if np.isnan(value) else f"{value:.3f}" for value in own / kernel
        ]
    return table


# ---- user space against kernel ----


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


def _trust(ratios: pd.DataFrame) -> pd.DataFrame:
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
                f"within x{CLOSE}": f"{_within(group):.0%}",
                "rank (Kendall)": NOTHING if np.isnan(rank) else f"{rank:.2f}",
            }
        )
    return pd.DataFrame(lines)


def _by_variant(ratios: pd.DataFrame) -> pd.DataFrame:
    lines = []
    for variant, group in ratios.groupby("variant") if len(ratios) else ():
        low, middle, high = np.quantile(group["off"], [0, 0.5, 1])
        lines.append(
            {
                "variant": variant,
                "median user/kernel": f"{middle:.2f}",
                "from .. to": f"{low:.2f} .. {high:.2f}",
                f"within x{CLOSE}": f"{_within(group):.0%}",
            }
        )
    return pd.DataFrame(lines)


def _within(group: pd.DataFrame) -> float:
    return float((np.log(group["off"]).abs() <= np.log(CLOSE)).mean())


def _nr_times(group: pd.DataFrame) -> int:
    """Times in user space among these ratios; each is compared with every kernel."""
    return len(group.drop_duplicates(["workload", "nr_live", "variant"]))


def _summary(ratios: pd.DataFrame) -> dict[str, str]:
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
        "same_side": f"{sides[far].mean():.1%}" if far.any() else NOTHING,
    }
    for name, group in groups.items():
        low, high = np.quantile(group["off"], [0.05, 0.95]) if len(group) else (np.nan, np.nan)
        found |= {
            f"{name}_nr": f"{len(group):,}",
            f"{name}_times": f"{_nr_times(group):,}",
            f"{name}_within": f"{_within(group):.0%}" if len(group) else NOTHING,
            f"{name}_range": f"x{low:.2f} and x{high:.2f}" if len(group) else NOTHING,
        }
    for name, group in (
        ("cheaper", ratios[ratios["kernel_ratio"] < 1]),
        ("dearer", ratios[ratios["kernel_ratio"] > 1]),
    ):
        further = np.log(group["user_ratio"]) / np.log(group["kernel_ratio"]) > 1
        found |= {
            f"{name}_nr": f"{len(group):,}",
            f"{name}_still": f"{further.mean():.0%}" if len(group) else NOTHING,
        }
    return found


def _common_case(frame: pd.DataFrame) -> str:
    """Instructions per op where mainline takes one step: what the kernel pays in any case."""
    own = frame[(frame["workload"] == "near_empty") & (frame["variant"] == "kernel")]
    return " and ".join(number(value) for value in own["instructions"]) or NOTHING


def _per_node(frame: pd.DataFrame, times: pd.DataFrame) -> pd.DataFrame:
    """Instructions per node walked: the slope over cells in which nearly all is walking."""
    both = frame.merge(times[["workload", "nr_live", "variant", "nodes"]])
    walks = both[(both["nodes"] > 100) & both["variant"].isin(["kernel", BASE, "no_cache"])]
    lines = []
    for (release, variant), group in walks.groupby(["release", "variant"]):
        slope = group["instructions"] / group["nodes"]
        lines.append(
            {
                "kernel": release,
                "variant": variant,
                "cells": f"{len(group)}",
                "instructions per node": f"{slope.min():.1f} .. {slope.max():.1f}",
            }
        )
    return pd.DataFrame(lines)


def _smaller(frame: pd.DataFrame) -> list[str]:
    """Who was measured at which largest size, where it is not the workload's largest."""
    lines = []
    for workload, group in frame.groupby("workload"):
        most = group.groupby("variant")["nr_live"].max()
        for nr_live, names in most.groupby(most):
            if nr_live < most.max():
                lines.append(f"{workload}: {', '.join(names.index)} at {nr_live:,} at most")
    return lines


# ---- the figure ----


def figure(ratios: pd.DataFrame) -> Figure:
    """Left: every ratio, kernel over user space.  Right: how far off, by workload."""
    workloads = sorted(ratios["workload"].unique(), reverse=True)
    with mpl.rc_context(STYLE):
        drawn = Figure(figsize=(10.5, 6.4), layout="constrained")
        left, right = drawn.subplots(1, 2, width_ratios=[1, 1.25])
        _scatter(left, ratios)
        _by_workload(right, ratios, workloads)
        drawn.suptitle(_title(ratios), fontweight="bold")
    return drawn


def _title(ratios: pd.DataFrame) -> str:
    own = ratios[ratios["variant"].isin(CONTENDERS)]
    shown, who = (
        (own, f"the {own['variant'].nunique()} contenders'") if len(own) else (ratios, "all")
    )
    return (
        f"Cost over {BASE}: {_within(shown):.0%} of {who} ratios in user space are within x{CLOSE}"
        " of the kernel's"
    )


def _looks(ratios: pd.DataFrame) -> dict[str, dict[str, Any]]:
    releases = sorted(ratios["release"].unique())
    return {
        name: {"color": COLOURS[i], "marker": MARKERS[i], "markerfacecolor": "none"}
        for i, name in enumerate(releases)
    }


def _times(value: float, _: object = None) -> str:
    return f"x{value:g}"


def _scatter(axes: Any, ratios: pd.DataFrame) -> None:
    for release, look in _looks(ratios).items():
        group = ratios[ratios["release"] == release]
        axes.plot(group["kernel_ratio"], group["user_ratio"], ls="", ms=4, label=release, **look)
    low = ratios[["kernel_ratio", "user_ratio"]].min().min() / 1.3
    high = ratios[["kernel_ratio", "user_ratio"]].max().max() * 1.3
    axes.plot([low, high], [low, high], color="#777777", lw=1)
    for factor in (CLOSE, 1 / CLOSE):
        axes.plot([low, high], [low * factor, high * factor], color="#777777", lw=0.8, ls=":")
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    axes.set(xlabel="instructions in the kernel", ylabel="ns in user space")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_times))
    axes.legend(loc="upper left", frameon=False)


def _by_workload(axes: Any, ratios: pd.DataFrame, workloads: list[str]) -> None:
    for shift, (release, look) in zip((0.17, -0.17), _looks(ratios).items(), strict=False):
        group = ratios[ratios["release"] == release]
        places = [workloads.index(name) + shift for name in group["workload"]]
        axes.plot(group["off"], places, ls="", ms=4, **look)
    for workload, group in ratios.groupby("workload"):
        worst = group.loc[np.log(group["off"]).abs().idxmax()]
        axes.annotate(
            worst["variant"],
            (worst["off"], workloads.index(workload)),
            (-8 if worst["off"] < 1 else 8, 0),
            textcoords="offset points",
            ha="right" if worst["off"] < 1 else "left",
            va="center",
            fontsize=8,
        )
    axes.axvspan(1 / CLOSE, CLOSE, color="#eeeeee", zorder=0)
    axes.axvline(1, color="#777777", lw=1)
    low, high = ratios["off"].min(), ratios["off"].max()
    axes.set(xscale="log", xlim=(low / 1.5, high * 1.6))
    axes.set_xlabel("user space's ratio / the kernel's; named: the furthest off")
    axes.xaxis.set_major_locator(FixedLocator([0.1, 0.2, 0.5, 1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(_times))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(range(len(workloads)), workloads)
