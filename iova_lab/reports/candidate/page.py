"""The page of the candidate: criteria, objections, tables, and how each result was made."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from iova_lab import comparison
from iova_lab.comparison import notes
from iova_lab.measuring import flags, provenance
from iova_lab.measuring.cells import extremes, number
from iova_lab.measuring.contenders import SUBJECT, TODAY
from iova_lab.rendering.pages import write_page
from iova_lab.rendering.plain_text import fill, joined
from iova_lab.rendering.saving import save
from iova_lab.reports.candidate import age
from iova_lab.reports.candidate.criteria import (
    PATHOLOGICAL,
    Criterion,
    by_variant,
    common,
    criteria,
    largest,
)
from iova_lab.reports.candidate.figure import evidence_figure
from iova_lab.reports.candidate.objections import objections
from iova_lab.reports.candidate.sources import Sources, load
from iova_lab.reports.thread import Answer

QUESTION = (
    f"Is {SUBJECT} cheaper than {TODAY} in the common case, and without a pathological workload?"
)


def write_evidence(results: Path, out_dir: Path) -> Path:
    """Write candidate.md, .html, .txt and the figure from ``results`` alone; the HTML's path.

    Raises `ResultsError` where nothing was counted.
    """
    sources = load(results)
    found, asked = criteria(sources), objections(sources)
    shown = finding(sources)
    old = age.old(sources)
    label = f"{flags.OLD} in part, see below. " if old else ""
    answer = f"{label}{shown} {headline(found)}"
    out_dir.mkdir(parents=True, exist_ok=True)
    save(evidence_figure(sources, shown), out_dir / "candidate")
    (out_dir / "candidate.txt").write_text(_mail(answer, found, asked, old), encoding="utf-8")
    for rcache, result in sources.compared.items():
        comparison.write(result, out_dir / f"compare-{rcache}")
    return write_page(
        out_dir,
        "candidate",
        question=QUESTION,
        answer=answer,
        criteria=_criteria(found),
        objections=asked,
        old=old,
        nodes=_table(largest(sources.counts, "nodes")),
        worst=_table(largest(sources.counts, "worst")),
        ten_million=_ten_million(sources.ten_million),
        compared=sorted(sources.compared),
        subject=SUBJECT,
        made=provenance.table(sources.made),
        labels={rcache: notes.labelled(one, "") for rcache, one in sources.compared.items()},
    )


def finding(sources: Sources) -> str:
    """What the figure shows, in a sentence: over every measured size of the common case."""
    ends = extremes(common(sources.counts, "nodes"))
    worst = largest(sources.counts, "worst").reindex(PATHOLOGICAL).max()
    shares = f"{ends[0].value:.2f} to {ends[1].value:.2f}" if ends else "an unknown share"
    return (
        f"{SUBJECT} visits {shares} of {TODAY}'s nodes in the common case, and at most"
        f" {number(worst[SUBJECT])} in one operation of a pathological workload."
    )


def headline(found: list[Criterion]) -> str:
    """How many criteria are met, and the names of the others."""
    text = f"It meets {sum(bool(one.met) for one in found)} of {len(found)} acceptance criteria"
    for words, met in (("it misses", False), ("not measured", None)):
        if names := [one.asked.partition(":")[0] for one in found if one.met is met]:
            text += f"; {words}: {'; '.join(names)}"
    return f"{text}."


def _criteria(found: list[Criterion]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "criterion": [one.asked for one in found],
            "measured": [one.measured for one in found],
            "": [one.word for one in found],
        }
    )


def _table(wide: pd.DataFrame) -> pd.DataFrame:
    first = list(by_variant(wide).columns)
    text = wide[[*first, *sorted(set(wide.columns) - set(first))]].map(number)
    return text.rename_axis(columns=None).reset_index()


def _ten_million(frame: pd.DataFrame) -> pd.DataFrame | None:
    """A row per workload: nodes and instructions per op, today's and ours, and bytes per range."""
    if frame.empty:
        return None
    wide = frame.pivot(index="workload", columns="variant")
    table = pd.DataFrame(
        {
            f"{what}, {name}": wide[column][name].map(number)
            for column, what in (
                ("nodes", "nodes/op"),
                ("instructions", "instructions/op"),
                ("worst", "nodes, worst op"),
                ("bytes_per_range", "bytes/range"),
            )
            for name in (TODAY, SUBJECT)
        }
    )
    return table.reset_index()


def _mail(answer: str, found: list[Criterion], asked: list[Answer], old: list[str]) -> str:
    lines = [fill(QUESTION), fill(answer), ""]
    lines += [fill(f"{flags.OLD}, {one}", "  ", "- ") for one in old]
    lines += [fill(f"{one.asked}: {one.measured}: {one.word}", "  ", "- ") for one in found]
    for one in asked:
        lines += ["", fill(one.question, "   ", "Q: "), fill(one.verdict, "   ", "A: ")]
        lines += [fill(line, "     ", "   - ") for line in one.evidence]
    lines += ["", fill("`iova-lab report candidate` writes this again, from results/ alone.")]
    return joined(["\n".join(lines)])
