"""What does a report say?  Everything but its layout, taken from one asv run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import iova_variants
from iova_lab import finding, results, scaling, tables, thread_2017, thread_2026, workloads
from iova_lab.thread import Answer

#: Named where no variant's claims can be asked: results may be of variants that are gone.
FLOOR = "null"

HARNESS = (
    "IOVA allocators replaying fixed op streams in user space: variant x workload x live ranges,"
    " one C call per replay"
)

NOT_IN_NUMBER = [
    "ns/op: time of the measured window divided by its ops, allocs and frees alike. A sample is the"
    " fastest of several replays; shown is asv's median with its 99 % interval, from one build on"
    " one machine: the luck of code and memory layout is not in it.",
    "nodes/op: gap steps + descents + nodes whose bookkeeping is updated, per op, from a separate"
    " counted build. Exact and the same on every machine; another seed of a random workload is"
    " another number.",
    "In user space, one thread: no contention, no interrupts to switch off, no rcache. Ageing,"
    " draining and making the stream are outside the clock. The slab is warm.",
    "null keeps no books: its time is the floor of the harness, drawn as a grey dashed line."
    " It has no ratio and no exponent.",
    "refused: requests of the window that got nothing; spurious: those of them for which an"
    " exhaustive search finds a fit under the limit; above limit: requests that got an address"
    " above what they asked for.",
    "exponent: slope of log(value) over log(live ranges) in the largest decade. Classes are given"
    " only where interval and sizes support them, else undecided: see iova_lab/scaling.py. nodes"
    " decide first: they are exact, and time adds the processor's caches.",
    "A node is what the structure is made of: of a B-tree (maple) one holds up to 16 ranges, so its"
    " nodes are fewer, and each costs more.",
    "To walk: one op visits more than a tenth of the live ranges, where there are 1,000 or more.",
]

GONE = "not in this checkout"


@dataclass(frozen=True)
class Section:
    """One workload: its tables as text, and every cell that has no number."""

    workload: str
    finding: str
    summary: str
    doc: str
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
    baseline: str
    harness: str
    facts: dict[str, str]
    ratio_note: str
    threads: list[Discussion]
    sections: list[Section]
    variants: list[VariantPage]


def fake_variants(names: set[str]) -> frozenset[str]:
    """Which of these keep no books: as they claim, or by name where they can't be loaded."""
    return frozenset(name for name in names if _is_fake(name))


def _is_fake(name: str) -> bool:
    loaded = _load(name)
    return iova_variants.Claim.FAKE in loaded.claims if loaded else name == FLOOR


def _load(name: str) -> iova_variants.Variant | None:
    try:
        return iova_variants.load(name)
    except (LookupError, OSError, iova_variants.BuildError):
        return None


def gather(results_dir: Path, machine: str, baseline: str, commit: str | None) -> ReportData:
    """Read one run and work out all that the report says.  Raises `ResultsError`."""
    run = results.find_run(results_dir, machine, commit)
    frame = results.tidy(results_dir, run)
    fakes = fake_variants(set(frame["variant"]))
    ratios = scaling.ratios(frame, baseline, fakes)
    exponents = scaling.exponents(frame, fakes)
    sections = [
        _section(frame, ratios, exponents, workload, baseline, fakes)
        for workload in sorted(set(frame["workload"]))
    ]
    return ReportData(
        frame=frame,
        fakes=fakes,
        baseline=baseline,
        harness=HARNESS,
        facts=_facts(results_dir, run, baseline, commit) | _measured_sizes(frame),
        ratio_note=f"to {baseline}, 99 % interval",
        threads=_threads(frame, exponents),
        sections=sections,
        variants=[
            _variant(frame, sections, name, baseline)
            for name in sorted(set(frame["variant"]) - fakes)
        ],
    )


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
            "Which IOVA allocator ends the walks of 2026, and at what price?",
            thread_2026.headline(frame),
            thread_2026.ABOUT,
            thread_2026.answer(frame, exponents),
        ),
    ]


def _facts(
    results_dir: Path, run: results.Run, baseline: str, commit: str | None
) -> dict[str, str]:
    machine = results.machine_facts(results_dir, run.machine)
    words = ", ".join(f"{key} {value}" for key, value in machine.items())
    command = f"iova-lab report --machine {run.machine} --baseline {baseline}"
    return {
        "machine": f"{run.machine} ({words})" if words else run.machine,
        "commit": f"{run.commit[:12]} of {run.date:%Y-%m-%d}",
        "measured by": f"asv run --machine {run.machine} {run.commit[:12]}^!",
        "report by": f"{command} --commit {run.commit[:12]}" if commit else command,
    }


def _measured_sizes(frame: pd.DataFrame) -> dict[str, str]:
    """The sizes that the run chose: asv does not record its options."""
    facts = {}
    for what, metric in (("times at", "ns_per_op"), ("nodes at", "nodes_per_op")):
        rows = results.select(frame, metric=metric)
        sizes = ", ".join(f"{size:,}" for size in sorted(set(rows["nr_live"])))
        facts[what] = f"{sizes} live ranges" if sizes else "none was measured"
    return facts


def _section(
    frame: pd.DataFrame,
    ratios: pd.DataFrame,
    exponents: pd.DataFrame,
    workload: str,
    baseline: str,
    fakes: frozenset[str],
) -> Section:
    nr_live = tables.common_size(frame, workload, fakes)
    summary, doc = _words(workload)
    return Section(
        workload=workload,
        finding=finding.of_workload(frame, exponents, workload, baseline, fakes),
        summary=summary,
        doc=doc,
        nr_live=nr_live,
        size=_size(workload, nr_live),
        costs=tables.costs(frame, ratios, workload, nr_live or 0, baseline, fakes),
        others=tables.others(frame, workload, nr_live or 0, fakes),
        growth=tables.growth(exponents, workload),
        coinciding=tables.coinciding(frame, workload),
        undecided=tables.undecided(exponents, workload),
        missing=tables.missing(frame, workload, fakes),
    )


def _words(workload: str) -> tuple[str, str]:
    """A workload's own first line, and what follows it."""
    try:
        found = workloads.get(workload)
    except LookupError:
        return "A workload that this checkout does not have.", ""
    return found.summary.replace("``", ""), found.doc.partition("\n")[2].strip("\n")


def _size(workload: str, nr_live: int | None) -> str:
    if nr_live is None:
        return "Nothing was measured"
    if workload.startswith("trace"):
        return "The trace's own number of live ranges"
    return f"{nr_live:,} live ranges"


def _variant(frame: pd.DataFrame, sections: list[Section], name: str, baseline: str) -> VariantPage:
    loaded = _load(name)
    return VariantPage(
        variant=name,
        summary=loaded.summary if loaded else f"A variant that is {GONE}.",
        kernel_release=loaded.kernel_release if loaded else GONE,
        claims=_claims(loaded),
        finding=finding.of_variant(frame, name, baseline),
        costs=tables.across({_at(one): one.costs for one in sections}, name),
        growth=tables.across({one.workload: one.growth for one in sections}, name),
    )


def _claims(loaded: iova_variants.Variant | None) -> str:
    if loaded is None:
        return GONE
    return ", ".join(claim.name.lower() for claim in loaded.claims if claim.name) or "none"


def _at(section: Section) -> str:
    several = section.growth.shape[0] > 0 and section.nr_live is not None
    return f"{section.workload} at {section.nr_live:,}" if several else section.workload
