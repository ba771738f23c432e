"""What does a report say?  Everything but its layout, taken from one asv run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

import iova_variants
from iova_lab import results, scaling, tables, thread_2017, workloads

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
    " exhaustive search finds a fit under the limit.",
    "exponent: slope of log(value) over log(live ranges) in the largest decade. Classes are given"
    " only where interval and sizes support them, else undecided: see iova_lab/scaling.py. nodes"
    " decide first: they are exact, and time adds the processor's caches.",
]


@dataclass(frozen=True)
class Section:
    """One workload: its tables as text, and every cell that has no number."""

    workload: str
    summary: str
    nr_live: int | None
    size: str
    costs: pd.DataFrame
    others: pd.DataFrame
    growth: pd.DataFrame
    coinciding: list[str]
    undecided: list[str]
    missing: list[str]


@dataclass(frozen=True)
class ReportData:
    """All that page and mail say."""

    frame: pd.DataFrame
    fakes: frozenset[str]
    baseline: str
    harness: str
    facts: dict[str, str]
    ratio_note: str
    answers: list[thread_2017.Answer]
    sections: list[Section]


def fake_variants(names: set[str]) -> frozenset[str]:
    """Which of these keep no books: as they claim, or by name where they can't be loaded."""
    return frozenset(name for name in names if _is_fake(name))


def _is_fake(name: str) -> bool:
    try:
        return iova_variants.Claim.FAKE in iova_variants.load(name).claims
    except (LookupError, OSError, iova_variants.BuildError):
        return name == FLOOR


def gather(results_dir: Path, machine: str, baseline: str, commit: str | None) -> ReportData:
    """Read one run and work out all that the report says.  Raises `ResultsError`."""
    run = results.find_run(results_dir, machine, commit)
    frame = results.tidy(results_dir, run)
    fakes = fake_variants(set(frame["variant"]))
    ratios = scaling.ratios(frame, baseline, fakes)
    exponents = scaling.exponents(frame, fakes)
    return ReportData(
        frame=frame,
        fakes=fakes,
        baseline=baseline,
        harness=HARNESS,
        facts=_facts(results_dir, run, baseline, commit) | _measured_sizes(frame),
        ratio_note=f"to {baseline}, 99 % interval",
        answers=thread_2017.answer(frame, exponents),
        sections=[
            _section(frame, ratios, exponents, workload, baseline, fakes)
            for workload in sorted(set(frame["workload"]))
        ],
    )


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
    times = results.select(frame, metric="ns_per_op")
    sizes = ", ".join(f"{size:,}" for size in sorted(set(times["nr_live"])))
    return {"live ranges": sizes or "no time was measured"}


def _section(
    frame: pd.DataFrame,
    ratios: pd.DataFrame,
    exponents: pd.DataFrame,
    workload: str,
    baseline: str,
    fakes: frozenset[str],
) -> Section:
    nr_live = tables.common_size(frame, workload, fakes)
    return Section(
        workload=workload,
        summary=_summary(workload),
        nr_live=nr_live,
        size=_size(workload, nr_live),
        costs=tables.costs(frame, ratios, workload, nr_live or 0, baseline, fakes),
        others=tables.others(frame, workload, nr_live or 0, fakes),
        growth=tables.growth(exponents, workload),
        coinciding=tables.coinciding(frame, workload),
        undecided=tables.undecided(exponents, workload),
        missing=tables.missing(frame, workload, fakes),
    )


def _summary(workload: str) -> str:
    try:
        return workloads.get(workload).summary.replace("``", "")
    except LookupError:
        return "A workload that this checkout does not have."


def _size(workload: str, nr_live: int | None) -> str:
    if nr_live is None:
        return "Nothing was measured"
    if workload.startswith("trace"):
        return "The trace's own number of live ranges"
    return f"{nr_live:,} live ranges"
