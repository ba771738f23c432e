"""Files in, a diagnosis out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from msgspec.structs import asdict as struct_as_dict

from iova_lab.basics.errors import InvalidValueError
from iova_lab.diagnosis import release as releases
from iova_lab.diagnosis.matching import Answer, Match, Verdict, match_all
from iova_lab.diagnosis.pathology import Advice, Record, advice, records
from iova_lab.diagnosis.reading import OnProgress, ignore, read
from iova_lab.diagnosis.reproducing import Reproduction, reproductions
from iova_lab.diagnosis.seen import Place, Seen

#: Exit statuses of `iova-lab diagnose`.
STATUS = {Verdict.FOUND: 0, Verdict.SEVERAL: 0, Verdict.OTHER: 3, Verdict.UNKNOWN: 4}


@dataclass(frozen=True)
class Diagnosis:
    """Observations, causes, remedies, how to reproduce the problem, and what to record."""

    files: tuple[str, ...]
    seen: Seen
    answer: Answer
    advice: tuple[tuple[str, Advice], ...]
    reproductions: tuple[Reproduction, ...]
    records: tuple[tuple[str, Record], ...]

    @property
    def status(self) -> int:
        """The exit status."""
        return STATUS[self.answer.verdict]

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        machine = self.seen.machine
        return {
            "files": list(self.files),
            "lines": self.seen.nr_lines,
            "kinds": self.seen.kinds,
            "machine": {
                "release": machine.release and str(machine.release),
                "variant": machine.release and machine.release.variant,
                "cpus": machine.cpus,
                "cpus_at_least": machine.cpus_at_least,
                "live_ranges": machine.live_ranges,
            },
            "observations": [asdict(one) for one in self.seen.observations],
            "verdict": self.answer.verdict.name.lower(),
            "why": self.answer.why,
            "pathologies": [_match_json(one) for one in self.answer.matches],
            "advice": [{"name": name, **struct_as_dict(one)} for name, one in self.advice],
            "reproduce": [asdict(one) for one in self.reproductions],
            "record": [{"name": name, **struct_as_dict(one)} for name, one in self.records],
            "notes": self.seen.notes,
        }


def _match_json(one: Match) -> dict[str, Any]:
    return {
        "name": one.name,
        "title": one.pathology.title,
        "fit": str(one.fit),
        "score": one.score,
        "in_release": one.is_in_release,
        "for": list(one.reasons),
        "against": list(one.objections),
        "sources": one.pathology.sources,
    }


def diagnose(
    files: Sequence[Path | str],
    *,
    kernel: str | None = None,
    cpus: int | None = None,
    on_progress: OnProgress = ignore,
) -> Diagnosis:
    """Read ``files`` of one machine ("-" is standard input), and return a diagnosis.

    ``kernel`` is the output of ``uname -r`` there and ``cpus`` the number of its CPUs; both are
    taken from the files where these have it.  Raises `ImportTextError`, `TraceError`, `OSError`
    for a file that can't be read, and `InvalidValueError` for a kernel that is none.
    """
    seen = Seen()
    if kernel is not None:
        found = releases.parse(kernel)
        if found is None:
            raise InvalidValueError(f"kernel {kernel!r} is no release, such as 6.12.9-amd64")
        seen.named(found, Place("--kernel", 0, kernel))
    names = [Path(file).name for file in files]
    for file, name in zip(files, names, strict=True):
        shown = name if names.count(name) == 1 else str(file)
        before = seen.nr_recognised
        read(seen, file, shown, on_progress)
        if seen.nr_recognised == before:
            seen.notes.append(f"{shown}: nothing of a kind that is read was found in it")
    if cpus is not None:
        seen.machine.cpus = cpus
    return of(seen, tuple(map(str, files)))


def of(seen: Seen, files: tuple[str, ...]) -> Diagnosis:
    """The diagnosis of what was seen."""
    seen.compare_runs()
    if len(seen.releases) > 1:
        names = ", ".join(f"{name} ({place})" for name, place in seen.releases.items())
        seen.notes.append(f"the files name several kernels: {names}; the first one is taken")
    answer = match_all(seen)
    found = answer.best
    wanted = [name for one in found for name in one.pathology.advice]
    release = seen.machine.release
    known, recordable = advice(), records()
    chosen = [(name, known[name]) for name in dict.fromkeys(wanted) if known[name].fits(release)]
    # Of an unknown kernel, an upgrade may be one to what it is.
    chosen.sort(key=lambda pair: pair[0].startswith("upgrade") == (release is None))
    to_record = dict.fromkeys(name for one in found for name in one.pathology.record)
    if not found:
        to_record = dict.fromkeys(("stack_again", "perf", "live_ranges"))
    return Diagnosis(
        files=files,
        seen=seen,
        answer=answer,
        advice=tuple(chosen),
        reproductions=tuple(reproductions(found, seen.machine)),
        records=tuple((name, recordable[name]) for name in to_record),
    )
