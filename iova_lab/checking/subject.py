"""A file that is checked, and what was found of it so far."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import iova_variants
from iova_lab.checking import against_model, standalone
from iova_lab.checking.finding import Finding, draw, says_of
from iova_lab.checking.standalone import Verdict
from iova_lab.traces.history import History, save

#: Called with the name of a check, and how far it is, from 0 to 1.
OnProgress = Callable[[str, float], None]
#: Live ranges at which workloads are judged, or as near to that as one goes.
NR_LIVE = 1000
#: CPU time of a short history, and of one that has to show that it does not come back.
SHORT_MS, LONG_MS = 400, 5000
#: Seconds of shrinking; the smallest so far is taken then.
SHRINK_S = 15.0


@dataclass
class Subject:
    """A file under check.

    ``out`` is a folder for what breaks it, ``facts`` what was tried, a line a check, ``seconds``
    what the checks that could go on for ever may take in all.  ``all_done``: it passed them all.
    """

    source: Path
    out: Path
    given: str
    seconds: float = 40.0
    facts: list[str] = field(default_factory=list)
    on_progress: OnProgress = lambda name, share: None
    all_done: bool = False
    nr_histories: int = 0

    @property
    def shown(self) -> str:
        """What messages call it: as it was given, but for a file that the lab has written."""
        return self.source.stem if iova_variants.is_resolved(self.source.name) else self.given

    @cached_property
    def variant(self) -> iova_variants.Variant:
        """The file's table; its code never enters this process."""
        return iova_variants.load(str(self.source), build="counted")

    def judged(self, history: History, cpu_ms: int = SHORT_MS) -> Verdict:
        """Hold one history against judge, sanitizers and model."""
        verdict = standalone.run(
            self.source, history.stream(), fail_alloc_at=history.fail_alloc_at, cpu_ms=cpu_ms
        )
        if verdict or history.fail_alloc_at:
            return verdict
        return replace(against_model.run(self.variant, history), pfns=verdict.pfns)

    def quickly(self, history: History) -> Verdict:
        """Judge and sanitizers alone, for a history with thousands of live ranges."""
        return standalone.run(self.source, history.stream(), verify=False, cpu_ms=LONG_MS)

    def finding(self, check: str, says: str, **more: object) -> Finding:
        """Something is wrong with this file."""
        return Finding(self.shown, check, says, **more)  # type: ignore[arg-type]

    def broken(self, check: str, history: History, verdict: Verdict) -> Finding | None:
        """A history that breaks it; None if that was only slow."""
        if verdict.kind == "hang":
            verdict = self.judged(history, LONG_MS)
            if not verdict:
                return None
        path = self.out / f"{self.source.stem}-broken.json"
        variant = str(self.source) if self.given.endswith(".c") else self.given
        save(history, path, variant=variant, says=says_of(history, verdict))
        return replace(
            self.told(check, history, verdict),
            saved=path,
            again=f"iova-lab example {shlex.quote(str(path))}",
        )

    def told(self, check: str, history: History, verdict: Verdict) -> Finding:
        """The same, and nothing is written."""
        return self.finding(
            check,
            says_of(history, verdict),
            lines=verdict.frames,
            history=history,
            drawn=draw(history, verdict),
        )
