"""In which order is a file checked, and when is that enough?

It compiles; its table is whole; it links to nothing that a kernel has not; short histories that
Hypothesis draws, and shrinks where they break it; what no history asks, call by call; threads,
under ThreadSanitizer; histories with memory refused; every workload and the recorded traces, on
all builds; what it counts, held against what it does; random streams of the soak, with an rcache
in front of it in turn.  The first thing that is wrong ends it.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import iova_variants
from iova_lab import workloads
from iova_lab.basics.errors import NotFoundError
from iova_lab.checking import builds, contract, odds, races, standalone, symbols
from iova_lab.checking.compiled import compiler_lines
from iova_lab.checking.finding import Finding
from iova_lab.checking.reduce import reduce
from iova_lab.checking.search import DEPTHS, search
from iova_lab.checking.soak_chunk import run_chunk
from iova_lab.checking.soak_streams import Chunk, make_chunk
from iova_lab.checking.standalone import Verdict
from iova_lab.checking.subject import LONG_MS, NR_LIVE, SHRINK_S, OnProgress, Subject
from iova_lab.traces.history import read
from iova_variants import BuildError, Claim, VariantCrashedError, VariantError, building
from iova_variants.opstream import OpStream

#: CPU time of a workload; a linear search under sanitizers needs a few seconds for a trace.
_WORKLOAD_MS = 60_000


def _compiles(subject: Subject) -> Finding | None:
    with ThreadPoolExecutor() as pool:
        jobs = [
            pool.submit(building.compile_variant, subject.source, "counted"),
            pool.submit(building.compile_variant, subject.source, "timed"),
            pool.submit(building.compile_standalone, subject.source),
        ]
        for done, job in enumerate(jobs, start=1):
            try:
                job.result()
            except BuildError as error:
                headline, lines = compiler_lines(str(error), subject.source)
                return subject.finding("compiles", headline, lines=lines)
            subject.on_progress("compiles", done / len(jobs))
    return None


def _table(subject: Subject) -> Finding | None:
    try:
        wrong = contract.table_is_wrong(subject.variant)
    except VariantCrashedError as error:
        wrong = str(error).removeprefix(f"{subject.source.name}: ")
    except OSError as error:
        wrong = re.sub(r"^/\S+\.(so|c):? ", "", str(error))  # the file is named in front of it
    if wrong:
        return subject.finding("table", wrong)
    claims = ", ".join(claim.name.lower() for claim in subject.variant.claims if claim.name)
    subject.facts.append(f"claims: {claims or 'nothing'}")
    return None


def _symbols(subject: Subject) -> Finding | None:
    foreign = symbols.foreign(subject.source)
    if not foreign:
        subject.facts.append("links to nothing that a kernel has not; reads no clock")
        return None
    # What such a call does says more than its name.
    search_s = max(0.1 * subject.seconds, SHRINK_S)
    searched = search(subject.judged, search_s=search_s, shrink_s=SHRINK_S)
    broken = subject.broken("histories", *searched.found) if searched.found else None
    return broken or subject.finding("symbols", foreign)


def _races(subject: Subject) -> Finding | None:
    if Claim.FAKE in subject.variant.claims:
        return None
    try:
        for seed in range(races.NR_SEEDS):
            subject.on_progress("threads", seed / races.NR_SEEDS)
            if race := races.run(subject.source, races.stream_of(seed)):
                return subject.finding("threads", race.says, lines=race.frames)
    except (races.UnavailableError, BuildError) as error:
        subject.facts.append(f"threads: NOT CHECKED ({str(error).splitlines()[0]})")
        return None
    subject.facts.append(
        f"{races.NR_SEEDS} streams by {races.NR_THREADS} threads: ThreadSanitizer, no data race"
    )
    return None


def _builds(subject: Subject) -> Finding | None:
    try:
        if not builds.can_trace():
            subject.facts.append("counts: NOT CHECKED (no -fsanitize-coverage, -fsanitize=thread)")
        elif Claim.FAKE not in subject.variant.claims:
            if wrong := builds.uncounted(subject.source):
                return subject.finding("builds", wrong)
            subject.facts.append("the timed build uses no more objects than nodes are counted")
    except BuildError as error:
        subject.facts.append(f"counts: NOT CHECKED ({str(error).splitlines()[0]})")
    except VariantError as error:
        return subject.finding("builds", str(error))
    return None


def _contract(subject: Subject) -> Finding | None:
    broken = contract.run(subject.variant)
    if broken is None:
        subject.facts.append(f"{len(contract.SCENARIOS)} promises of the contract, call by call")
        return None
    says = f"breaks this promise: {broken.promise}"
    lines = (*broken.calls[:-1], f"{broken.calls[-1]}   # {broken.says}")
    return subject.finding("contract", says, lines=lines)


def _search(
    subject: Subject, check: str, share: float, *, fails_memory: bool = False
) -> Finding | None:
    """Search for a history that breaks it, with ``share`` of the seconds."""
    total = sum(nr_tried for _, _, nr_tried in DEPTHS)
    nr = iter(range(1, total + 1))
    searched = search(
        subject.judged,
        fails_memory=fails_memory,
        search_s=share * subject.seconds,
        shrink_s=min(subject.seconds / 2, SHRINK_S),
        on_progress=lambda: subject.on_progress(check, next(nr, total) / total),
    )
    if searched.found and (finding := subject.broken(check, *searched.found)):
        return replace(finding, shrunk=not searched.cut_short)
    how = "judge, sanitizers" if fails_memory else "judge, verify(), model, sanitizers"
    refused = ", memory refused" if fails_memory else ""
    subject.facts.append(
        f"{searched.nr_histories:,} short histories{refused}, {searched.nr_ops:,} ops: {how}"
    )
    subject.nr_histories += searched.nr_histories
    return None


def _workloads(subject: Subject) -> Finding | None:
    nr_ops = 0
    names = workloads.names()
    for done, name in enumerate(names):
        subject.on_progress("workloads", done / len(names))
        workload = workloads.get(name)
        nr_live = min(max(NR_LIVE, workload.min_nr_live), workload.max_nr_live)
        stream = workloads.generate(name, nr_live)
        verdict = standalone.run(subject.source, stream, verify=False, cpu_ms=_WORKLOAD_MS)
        nr_ops += len(stream.ops)
        if not verdict:
            if differs := _differs(subject, stream, verdict):
                return subject.finding("builds", f"{name} with {nr_live:,} live ranges: {differs}")
            continue
        reduced = None if verdict.kind == "hang" else reduce(stream, verdict, subject.quickly)
        finding = subject.broken("workloads", *reduced) if reduced else None
        return finding or subject.finding(
            "workloads",
            f"{name} with {nr_live:,} live ranges, op {verdict.op:,}: {verdict.says}",
            lines=verdict.frames,
            again=f"iova-lab replay {shlex.quote(subject.given)} {name}@{nr_live}",
        )
    subject.facts.append(
        f"{len(names)} workloads and traces, {nr_ops:,} ops: judge, sanitizers; 4 builds agree"
    )
    return None


def _differs(subject: Subject, stream: OpStream, verdict: Verdict) -> str | None:
    """Where the builds do not agree on addresses, or another one than the sanitized one breaks."""
    try:
        return builds.differing(subject.source, stream, verdict.pfns)
    except VariantError as error:
        return f"in a build without sanitizers: {error}"


def _soak(subject: Subject) -> Finding | None:
    begun, index, nr_ops = time.monotonic(), 0, 0
    seconds = 0.2 * subject.seconds
    while (spent := time.monotonic() - begun) < seconds:
        subject.on_progress("soak", spent / seconds)
        chunk = make_chunk(0, index)
        try:
            run_chunk(str(subject.source), chunk, timeout=60.0)
        except VariantError as error:
            return _soaked(subject, chunk, error)
        nr_ops += len(chunk.stream.ops)
        index += 1
    subject.facts.append(f"{index} random streams, {nr_ops:,} ops: judge, with rcaches and without")
    return None


def _soaked(subject: Subject, chunk: Chunk, error: VariantError) -> Finding | None:
    verdict = standalone.run(subject.source, chunk.stream, verify=chunk.verify, cpu_ms=_WORKLOAD_MS)
    judged = subject.judged if chunk.verify else subject.quickly
    if verdict and (reduced := reduce(chunk.stream, verdict, judged)):
        return subject.broken("soak", *reduced)
    again = f"iova-lab soak {shlex.quote(subject.given)} --seed 0 --chunk {chunk.index}"
    return subject.finding("soak", str(error), again=again)


#: The checks, in order, and their share of the time as far as a bar needs to know.
CHECKS: dict[str, tuple[Callable[[Subject], Finding | None], float]] = {
    "compiles": (_compiles, 0.1),
    "table": (_table, 0.01),
    "symbols": (_symbols, 0.02),
    "histories": (partial(_search, check="histories", share=0.35), 0.32),
    "contract": (_contract, 0.02),
    "threads": (_races, 0.05),
    "no memory": (partial(_search, check="no memory", share=0.2, fails_memory=True), 0.15),
    "workloads": (_workloads, 0.2),
    "builds": (_builds, 0.05),
    "soak": (_soak, 0.2),
}


def check(
    file: str | Path,
    *,
    out: Path = Path("try"),
    seconds: float = 40.0,
    on_progress: OnProgress = lambda name, share: None,
) -> Finding | None:
    """Check one C file; the first thing that is wrong with it, or None."""
    return check_all(subject_of(file, out, seconds), on_progress)


def subject_of(file: str | Path, out: Path, seconds: float = 40.0) -> Subject:
    """A file to be checked.  Raises `NotFoundError` where there is none."""
    if not iova_variants.is_foreign(str(file)):
        raise NotFoundError(f"{file} is no C file: its name must end in .c")
    return Subject(iova_variants.find_source(str(file)).resolve(), out, str(file), seconds)


def again(path: Path, variant: str | None = None) -> Finding | None:
    """What does a saved history break now, in the file that broke on it or in another?"""
    saved = read(path)
    subject = subject_of(variant or saved.variant, path.parent)
    if wrong := _compiles(subject) or _table(subject):
        return wrong
    verdict = subject.judged(saved.history, LONG_MS)
    return subject.told("again", saved.history, verdict) if verdict else None


def check_all(subject: Subject, on_progress: OnProgress) -> Finding | None:
    """Make all checks of one subject."""
    total, done = sum(share for _, share in CHECKS.values()), 0.0
    for name, (run, share) in CHECKS.items():
        begun = done
        subject.on_progress = lambda name, part, begun=begun, share=share: on_progress(  # type: ignore[misc]
            name, (begun + min(part, 1) * share) / total
        )
        subject.on_progress(name, 0.0)
        if finding := run(subject):
            return finding
        done += share
        if name == "table" and Claim.FAKE in subject.variant.claims:
            subject.facts.append(
                "declares that it does not track live ranges: no address that it returns is judged"
            )
    subject.all_done = True
    subject.facts.append(odds.words(subject.nr_histories))
    return None
