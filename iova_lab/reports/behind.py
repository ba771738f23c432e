"""The page on what the per-CPU caches leave to an allocator, from asv's results of one machine."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from iova_lab.measuring import asv_runs, flags, reference_load, results
from iova_lab.measuring.catalogue import fake_variants
from iova_lab.measuring.cells import number
from iova_lab.measuring.contenders import RIVALS, SUBJECT
from iova_lab.measuring.metrics import MOST_BEHIND, RCACHE_METRICS
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.saving import save
from iova_lab.reports.behind_figure import figure
from iova_lab.reports.report_facts import facts

#: Shares of requests from which the caches answer "nearly all", and to which "nearly none".
NEARLY_ALL, NEARLY_NONE = 0.99, 0.01
#: Nodes per op behind the caches beyond which a workload still walks.
WALKS = 10.0
NODES, TIME = "nodes_behind", "ns_behind_6_7"


def write_behind(
    results_dir: Path, machine: str, baseline: str, out_dir: Path, commit: str | None = None
) -> Path | None:
    """Write behind.md, behind.html and the figure into ``out_dir``; None without such results.

    Arguments as of `report.write_report`.
    """
    run = asv_runs.find_run(results_dir, machine, commit)
    if not run.results.keys() & RCACHE_METRICS.keys():
        return None
    frame = largest(results.tidy(results_dir, run, RCACHE_METRICS))
    alone = results.select(results.tidy(results_dir, run), variant=baseline, metric="nodes_per_op")
    shown = [name for name in (baseline, *RIVALS, SUBJECT) if name in set(frame["variant"])]
    nodes = _by_variant(frame, NODES, shown)
    hits = _by_variant(frame, "hit_rate", [baseline])[baseline]
    answer = _answer(hits, nodes[baseline], baseline)
    figures = out_dir / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    save(figure(hits, nodes, answer), figures / "behind")
    without = alone.set_index(["workload", "nr_live"])["value"]
    return write_page(
        out_dir,
        "behind",
        answer=answer,
        baseline=baseline,
        nodes=pd.DataFrame(
            {
                "workload": [_cell(*cell) for cell in nodes.index],
                "hits": [f"{hits[cell]:.1%}" for cell in nodes.index],
                f"{baseline} without caches": [number(without[cell]) for cell in nodes.index],
                **{name: nodes[name].map(number) for name in shown},
            }
        ),
        times=_times(frame, shown),
        most=MOST_BEHIND,
        measure=f"iova-lab reference --machine {machine} --commit {run.commit[:12]}"
        f" --only {reference_load.RCACHE_COUNTS} --only {reference_load.RCACHE_TIMES}",
        facts=facts(run, baseline, commit) | {"code": flags.changed_since(run.commit)},
        disturbances=reference_load.conditions(
            run.path.parent, run.commit, reference_load.RCACHE_TIMES
        ),
    )


def largest(frame: pd.DataFrame) -> pd.DataFrame:
    """The measured rows of each workload's largest size, without those of fakes."""
    rows = results.select(frame)
    rows = rows[~rows["variant"].isin(fake_variants(set(rows["variant"])))]
    return rows[rows["nr_live"] == rows.groupby("workload")["nr_live"].transform("max")]


def _by_variant(frame: pd.DataFrame, metric: str, variants: list[str]) -> pd.DataFrame:
    """A row per workload and size, a column per variant; the most nodes of the first on top."""
    rows = frame[frame["metric"] == metric]
    wide = rows.pivot_table(index=["workload", "nr_live"], columns="variant", values="value")
    wide = wide.reindex(columns=variants)
    return wide.sort_values([variants[0]], ascending=False, kind="stable")


def _times(frame: pd.DataFrame, variants: list[str]) -> pd.DataFrame | None:
    """ns/op behind the caches of 6.7, and over these the first variant's behind those of 7.3."""
    times = _by_variant(frame, TIME, variants)
    if times.empty:
        return None
    lazy = _by_variant(frame, "ns_behind_7_3", variants[:1])[variants[0]].reindex(times.index)
    return pd.DataFrame(
        {
            "workload": [_cell(*cell) for cell in times.index],
            **{name: [number(one, exact=False) for one in times[name]] for name in variants},
            f"{variants[0]}, 7.3 over 6.7": [f"x{one:.2f}" for one in lazy / times[variants[0]]],
        }
    )


def _cell(workload: str, nr_live: int) -> str:
    return f"{workload}@{nr_live}"


def _answer(hits: pd.Series, nodes: pd.Series, baseline: str) -> str:
    every = int((hits >= NEARLY_ALL).sum())
    none = int((hits < NEARLY_NONE).sum())
    walks = int((nodes > WALKS).sum())
    return (
        f"The caches of v6.7 answer {NEARLY_ALL:.0%} of the requests or more on {every} of"
        f" {len(hits)} workloads, and less than {NEARLY_NONE:.0%} on {none}; behind them"
        f" {baseline} visits more than {WALKS:g} nodes per op on {walks}."
    )
