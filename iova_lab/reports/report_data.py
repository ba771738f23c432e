"""The contents of a report: everything but its layout, taken from one asv run."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pandas as pd

from iova_lab.measuring import asv_runs, flags, results, scaling
from iova_lab.measuring.catalogue import claims, fake_variants, load, words_of
from iova_lab.rendering import tables
from iova_lab.reports import finding, thread_2017, thread_2026
from iova_lab.reports.report_facts import GONE, conditions, facts
from iova_lab.reports.thread import Answer

NOT_IN_NUMBER = [
    "ns/op: time of the measured window divided by its ops, allocs and frees alike. A sample is the"
    " fastest of several replays; shown is asv's median, from one build on one machine. The effect"
    " of code and memory layout is not in it.",
    "A ratio of times has a 99 % interval that includes the drift of the run: asv measures one cell"
    " after the other, so the lab times one variant twice in each run. A difference that the drift"
    " could explain is printed as 'none shown'; `iova-lab compare` measures two variants in turn.",
    "nodes/op: nodes that are searched, descended through or updated, per op, from a separate"
    " counted build. Exact and the same on every machine; another seed of a random workload gives"
    " another number.",
    "In user space, one thread: no contention, no interrupts to switch off, no rcache. Ageing,"
    " draining and making the stream are outside the clock. The slab is warm.",
    "null keeps no ranges: its time is the floor of the harness, drawn as a grey dashed line."
    " It has no ratio and no exponent.",
    "refused: requests of the window that returned no address; spurious: those of them for which an"
    " exhaustive search finds a fit below the limit; above limit: requests that returned an address"
    " above their limit.",
    "exponent: slope of log(value) over log(live ranges) in the largest decade. Classes are given"
    " only where interval and sizes support them, else undecided: see"
    " iova_lab/measuring/growth.py. nodes decide first: they are exact, and time adds the"
    " processor's caches.",
    "A node is one element of the data structure: in a B-tree (maple) it holds up to 16 ranges, so"
    " fewer nodes are visited, and each visit costs more.",
    "Pathological: one op visits more than 10 % of the live ranges, where there are 1,000 or more,"
    " or a request fails spuriously, or an answer lies above its limit.",
    "not measured: this run did not include the cell; n/a: the cell cannot exist; over budget: the"
    " window would visit too many nodes; failed: error, crash or time-out. 0 is a measured value.",
]


@dataclass(frozen=True)
class Section:
    """One workload: its tables as text, and every cell that has no number."""

    workload: str
    finding: str
    summary: str
    doc: str
    faults: list[str]
    nr_live: int | None
    size: str
    costs: pd.DataFrame
    others: pd.DataFrame
    growth: pd.DataFrame
    coinciding: list[str]
    undecided: list[str]
    missing: list[str]

    @property
    def stem(self) -> str:
        """A file name for a workload, which may be the path of a trace."""
        return Path(self.workload).stem


@dataclass(frozen=True)
class VariantPage:
    """One variant: what it is, and its row of every workload's tables."""

    variant: str
    summary: str
    kernel_release: str
    claims: str
    finding: str
    has_figure: bool
    costs: pd.DataFrame
    growth: pd.DataFrame


@dataclass(frozen=True)
class Discussion:
    """One thread of the list: its question, the answer in short, and in parts."""

    stem: str
    question: str
    verdict: str
    about: str
    answers: list[Answer]


@dataclass(frozen=True)
class ReportData:
    """All that pages and mails say."""

    frame: pd.DataFrame
    fakes: frozenset[str]
    old: frozenset[str]
    baseline: str
    facts: dict[str, str]
    ratio_note: str
    threads: list[Discussion]
    sections: list[Section]
    variants: list[VariantPage]


def gather(results_dir: Path, machine: str, baseline: str, commit: str | None) -> ReportData:
    """Read one run and work out all that the report says.  Raises `ResultsError`."""
    run = asv_runs.find_run(results_dir, machine, commit)
    frame = results.tidy(results_dir, run)
    fakes = fake_variants(set(frame["variant"]))
    ratios = scaling.ratios(frame, baseline, fakes)
    exponents = scaling.exponents(frame, fakes)
    sections = [
        _section(frame, ratios, exponents, workload, baseline, fakes)
        for workload in sorted(set(frame["workload"]))
    ]
    found = ReportData(
        frame=frame,
        fakes=fakes,
        old=frozenset(flags.old_names(run.commit) or ()),
        baseline=baseline,
        facts=facts(run, baseline, commit) | conditions(frame, run),
        ratio_note=f"to {baseline}, 99 % interval, drift included",
        threads=_threads(frame, exponents),
        sections=sections,
        variants=[
            _variant(frame, ratios, sections, name, baseline)
            for name in sorted(set(frame["variant"]) - fakes)
        ],
    )
    return _labelled(found)


#: Text of a report part in which the names of variants and workloads are no finding.
UNLABELLED = {"workload", "variant", "summary", "doc", "size", "stem", "question", "about"}


def _labelled(data: ReportData) -> ReportData:
    """The same with a label behind each name whose numbers are of old code."""
    if not data.old:
        return data
    return replace(
        data,
        threads=[_label_part(one, data.old) for one in data.threads],
        sections=[_label_part(one, data.old) for one in data.sections],
        variants=[_label_part(one, data.old) for one in data.variants],
    )


def _label_part(part: Any, old: frozenset[str]) -> Any:
    """Label texts, answers and tables; of the page of an old variant, its finding too."""
    new = {
        one.name: _label(getattr(part, one.name), old)
        for one in fields(part)
        if one.name not in UNLABELLED
    }
    if isinstance(part, VariantPage) and part.variant in old:
        new["finding"] = f"{flags.OLD}. {new['finding']}"
    return replace(part, **new)


def _label(value: Any, old: frozenset[str]) -> Any:
    if isinstance(value, str):
        return flags.labelled(value, old)
    if isinstance(value, list):
        return [_label(one, old) for one in value]
    if isinstance(value, Answer):
        return _label_part(value, old)
    if isinstance(value, pd.DataFrame):
        named = [name for name in ("variant", "workload") if name in value]
        return value.assign(
            **{name: value[name].map(lambda text: flags.labelled(text, old)) for name in named}
        )
    return value


def _threads(frame: pd.DataFrame, exponents: pd.DataFrame) -> list[Discussion]:
    answers = thread_2017.answer(frame, exponents)
    return [
        Discussion(
            "thread-2017",
            "Was David Woods right to withdraw his patch of September 2017?",
            thread_2017.headline(answers),
            thread_2017.ABOUT,
            answers,
        ),
        Discussion(
            "thread-2026",
            "Which IOVA allocator ends the linear scans reported in 2026, and at what cost?",
            thread_2026.headline(frame),
            thread_2026.ABOUT,
            thread_2026.answer(frame, exponents),
        ),
    ]


def _section(
    frame: pd.DataFrame,
    ratios: pd.DataFrame,
    exponents: pd.DataFrame,
    workload: str,
    baseline: str,
    fakes: frozenset[str],
) -> Section:
    nr_live = tables.common_size(frame, workload, fakes)
    summary, doc = words_of(workload) or ("A workload that this checkout does not have.", "")
    return Section(
        workload=workload,
        finding=finding.of_workload(frame, exponents, ratios, workload, baseline, fakes),
        faults=finding.faults_of_workload(frame, workload),
        summary=summary.replace("`", ""),
        doc=doc,
        nr_live=nr_live,
        size="Not measured" if nr_live is None else f"Costs at {nr_live:,} live ranges",
        costs=tables.costs(frame, ratios, workload, nr_live or 0, baseline, fakes),
        others=tables.others(frame, workload, nr_live or 0, fakes),
        growth=tables.growth(exponents, workload),
        coinciding=tables.coinciding(frame, workload),
        undecided=tables.undecided(exponents, workload),
        missing=tables.missing(frame, workload, fakes),
    )


def _variant(
    frame: pd.DataFrame,
    ratios: pd.DataFrame,
    sections: list[Section],
    name: str,
    baseline: str,
) -> VariantPage:
    loaded, said = load(name), claims(name)
    return VariantPage(
        variant=name,
        summary=loaded.summary if loaded else f"A variant that is {GONE}.",
        kernel_release=loaded.kernel_release if loaded else GONE,
        claims=GONE if said is None else ", ".join(said) or "none",
        finding=finding.of_variant(frame, name, baseline),
        has_figure=name != baseline and name in set(ratios["variant"]),
        costs=tables.across({_at(one): one.costs for one in sections}, name),
        growth=tables.across({one.workload: one.growth for one in sections}, name),
    )


def _at(section: Section) -> str:
    several = section.growth.shape[0] > 0 and section.nr_live is not None
    return f"{section.workload} at {section.nr_live:,}" if several else section.workload
