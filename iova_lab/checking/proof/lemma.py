"""One statement for the solver: what is assumed, what follows, and what a counterexample shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import z3


@dataclass(frozen=True)
class Lemma:
    """``shown`` follows from ``given``.

    ``refuted``: it must not follow; the counterexample shows that an assumption is needed.
    ``shows``: terms whose values a counterexample prints.
    """

    name: str
    says: str
    given: Any
    shown: Any
    shows: Mapping[str, Any] = field(default_factory=dict)
    refuted: bool = False


@dataclass(frozen=True)
class Verdict:
    """What the solver made of one lemma, in words; ``values`` are a counterexample's."""

    name: str
    says: str
    needed: bool
    holds: bool
    reason: str
    values: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def text(self) -> str:
        """Two lines, or three."""
        verdict = "NOT PROVED" if not self.holds else "refuted" if self.needed else "proved"
        values = ", ".join(f"{name} = {value}" for name, value in self.values.items())
        lines = [f"{verdict:10} {self.name}, {self.seconds:.1f} s of CPU", f"    {self.says}"]
        if values:
            lines.append(f"    counterexample: {values}")
        elif self.reason:
            lines.append(f"    {self.reason}")
        return "\n".join(lines)


def _shown(value: Any) -> str:
    """A number, also in hexadecimal where it is long."""
    if not z3.is_bv_value(value) and not z3.is_int_value(value):
        return str(value)
    number = value.as_long()
    return f"{number}" if number < 1 << 16 else f"{number} ({number:#x})"


def check(lemma: Lemma) -> Verdict:
    """Ask the solver.  It fails where the assumptions exclude each other: that proves nothing."""
    verdict = partial(Verdict, lemma.name, lemma.says, lemma.refuted)
    solver = z3.Solver()
    solver.add(lemma.given)
    if solver.check() != z3.sat:
        return verdict(False, "no values meet the assumptions")
    solver.add(z3.Not(lemma.shown))
    answer = solver.check()
    if answer == z3.unknown:
        return verdict(False, f"the solver gave up: {solver.reason_unknown()}")
    values: dict[str, str] = {}
    if refuted := answer == z3.sat:
        model = solver.model()
        values = {
            name: _shown(model.eval(term, model_completion=True))
            for name, term in lemma.shows.items()
        }
    if lemma.refuted:
        return verdict(refuted, "" if refuted else "it holds without the assumption", values)
    return verdict(not refuted, "there is a counterexample" if refuted else "", values)
