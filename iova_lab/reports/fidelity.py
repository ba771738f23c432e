"""The page on fidelity: addresses and costs in user space beside those in booted kernels."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from iova_lab.basics.reading import row_files
from iova_lab.kernel.fidelity import counterpart
from iova_lab.kernel.layout import series
from iova_lab.measuring import provenance, rows, windows
from iova_lab.measuring.catalogue import allocators
from iova_lab.measuring.cells import number
from iova_lab.measuring.code_digest import is_old, is_old_in_module
from iova_lab.measuring.frames import columns_of
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.rendering.tables import NOTHING
from iova_lab.reports import fidelity_maple
from iova_lab.reports.fidelity_figure import figure
from iova_lab.reports.fidelity_ratios import (
    BASE,
    CONTENDERS,
    RELATIVES,
    by_variant,
    compared,
    shown,
    summary,
    trust,
)


def load(results: Path) -> pd.DataFrame:
    """The last row of every cell, all kernels, of windows that their workloads have now.

    Raises `NoResultsError` if there is none.
    """
    frame = pd.DataFrame(rows.of_kernels(results))
    lacking = ("error", "source", "nr_measured")
    frame = frame.assign(**{name: None for name in lacking if name not in frame})
    return windows.present(frame, "nr_measured")


def load_times(results: Path) -> pd.DataFrame:
    """The last row of every cell in user space, as `load`; empty if none was measured."""
    frame = pd.DataFrame(rows.times(results), columns=columns_of(rows.TimesRow))
    return windows.present_by_nodes(frame.drop_duplicates(columns_of(rows.Cell), keep="last"))


def _left_out(results: Path, frame: pd.DataFrame, times: pd.DataFrame) -> list[str]:
    """Rows of windows that are no more: how many, of which workloads."""
    timed = {(row["workload"], row["nr_live"], row["variant"]) for row in rows.times(results)}
    every = {
        "in kernels": ([row["workload"] for row in rows.of_kernels(results)], frame),
        "in user space": ([workload for workload, *_ in timed], times),
    }
    lost = {
        where: Counter(stored) - Counter(kept["workload"])
        for where, (stored, kept) in every.items()
    }
    return [
        f"{nr.total()} cells {where}: {', '.join(sorted(nr))}" for where, nr in lost.items() if nr
    ]


def write_fidelity(results: Path, out_dir: Path) -> Path:
    """Write fidelity.md, fidelity.html and the figure into ``out_dir``, from ``results`` alone."""
    frame = load(results)
    times = load_times(results)
    ratios = compared(frame, times)
    out_dir.mkdir(parents=True, exist_ok=True)
    if len(ratios):
        save(figure(ratios), out_dir / "fidelity")
    stored = frame.drop(columns=["code", "source"])
    stored.to_csv(out_dir / "fidelity.csv", index=False, lineterminator="\n")
    measured = frame[frame["error"].isna()]
    old = old_in_kernel(measured)
    maple = fidelity_maple.costs(measured)
    return write_page(
        out_dir,
        "fidelity",
        totals=_totals(measured),
        oracle=_oracle(measured),
        per_variant=_per_variant(measured, old),
        never_booted=sorted(set(allocators()) - set(measured["variant"])),
        old=[
            f"{variant} ({count:,} of {(measured['variant'] == variant).sum():,} cells)"
            for variant, count in measured[old].groupby("variant").size().items()
        ],
        old_times=_old_in_user_space(times),
        differences=list(measured["first"].dropna()),
        errors=[
            f"{row.release}: {row.variant} on {row.workload}: {row.error}"
            for row in frame[frame["error"].notna()].itertuples()
        ],
        own=_own_against_kernel(measured),
        floor=number(measured[measured["variant"] == "null"]["p50"].median()),
        trust=trust(ratios),
        by_variant=by_variant(ratios),
        common=_common_case(measured),
        summary=summary(ratios),
        contenders=", ".join(name for name in CONTENDERS if name in set(ratios["variant"])),
        relatives=", ".join(name for name in RELATIVES if name in set(ratios["variant"])),
        per_node=_per_node(measured, times),
        smaller=_smaller(measured),
        left_out=_left_out(results, frame, times),
        maple=fidelity_maple.table(maple),
        of_maple=fidelity_maple.summary(maple),
        made=provenance.of_files(
            [*row_files(results, rows.KERNELS), results / rows.USER], "kernel"
        ),
    )


def _totals(frame: pd.DataFrame) -> dict[str, Any]:
    own = frame[frame["variant"] == "kernel"]
    kernels = sorted(frame["release"].unique())
    return {
        "kernels": kernels,
        "options": " ".join(f"--kernel {one}" for one in dict.fromkeys(map(series, kernels))),
        "kernel_ops": f"{own['nr_ops'].sum():,.0f}",
        "kernel_equal": f"{own['nr_equal'].sum():,.0f}",
        "all_ops": f"{frame['nr_ops'].sum():,.0f}",
        "all_equal": f"{frame['nr_equal'].sum():,.0f}",
    }


def _oracle(frame: pd.DataFrame) -> pd.DataFrame:
    """Addresses of the kernel's own allocator, at the largest size of each workload on a kernel."""
    own = frame[frame["variant"] == "kernel"]
    largest = own.loc[own.groupby(["release", "workload"])["nr_live"].idxmax()]
    table = pd.DataFrame({"workload": sorted(largest["workload"].unique())})
    for release, group in largest.groupby("release"):
        short = rows.short_release(str(release))
        group = group.set_index("workload").reindex(table["workload"])
        table[f"{short}: live"] = [shown(value, ",.0f") for value in group["nr_live"]]
        table[f"{short}: ops"] = [shown(value, ",.0f") for value in group["nr_ops"]]
        share = group["nr_equal"] / group["nr_ops"]
        table[f"{short}: equal"] = [shown(value, ".2%") for value in share]
    return table


def old_in_kernel(frame: pd.DataFrame) -> pd.Series:
    """Per row: was the variant's C, or what it shares with others, not what it is today?"""
    return pd.Series(
        [
            is_old_in_module(code, variant)
            for variant, code in zip(frame["variant"], frame["source"].fillna(""), strict=True)
        ],
        index=frame.index,
    )


def _old_in_user_space(times: pd.DataFrame) -> list[str]:
    """Variants whose times were taken with other code or compiler flags than today's."""
    found = zip(times["variant"], times["code"], strict=True)
    return sorted({name for name, code in set(found) if is_old({"code": code}, name, "timed")})


def _per_variant(frame: pd.DataFrame, old: pd.Series) -> pd.DataFrame:
    lines = []
    for variant, group in frame.groupby("variant"):
        share = group["nr_equal"].sum() / group["nr_ops"].sum()
        lines.append(
            {
                "variant": variant,
                "held against": f"{counterpart(str(variant))} in user space",
                "workloads": f"{group['workload'].nunique()}",
                "cells": f"{len(group)}",
                "ops": f"{group['nr_ops'].sum():,.0f}",
                "equal": f"{share:.2%}",
                "of today's code": f"{len(group) - old[group.index].sum():,}",
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
        short = rows.short_release(release)
        kernel, own = wide[release].get("kernel"), wide[release].get(BASE)
        if kernel is None or own is None:
            continue
        table[f"{short}: kernel"] = [number(value) for value in kernel]
        table[f"{short}: {BASE}"] = [number(value) for value in own]
        table[f"{short}: ratio"] = [shown(value, ".3f") for value in own / kernel]
    return table


def _common_case(frame: pd.DataFrame) -> str:
    """Instructions per op where mainline takes one step: what the kernel pays in any case."""
    own = frame[(frame["workload"] == "near_empty") & (frame["variant"] == "kernel")]
    return ", ".join(number(value) for value in own["instructions"]) or NOTHING


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
