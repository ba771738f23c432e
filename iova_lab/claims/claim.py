"""What is a claim, what can be found of it, and which are there?"""

from __future__ import annotations

import enum
import importlib
import pkgutil
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from iova_lab.basics.errors import NotFoundError
from iova_lab.claims.measurement import Measured, Run


class Verdict(enum.StrEnum):
    """Verdict of a rule on a measurement; the last two are without a measurement."""

    REPRODUCED = "reproduced"
    PARTLY = "partly reproduced"
    NOT = "not reproduced"
    UNDECIDED = "undecided"
    CANNOT = "cannot be tested here"
    MISSING = "not measured"


#: What the letters of ``Claim.confidence`` mean.
CONFIDENCE = {
    "H": "read in a primary source: source file, commit text, mail",
    "D": "derived from such a source",
    "M": "from memory of kernel history",
    "-": "noted without a mark, as a published figure or a quotation",
}


#: Said in public; in the lab's own notes, by no one else; or of a case to which the lab extends
#: what was said.
ORIGINS = ("published", "the lab's notes", "the lab's extension")


@dataclass(frozen=True)
class Quantity:
    """One number of a claim, for the figure: ``kind`` is "exponent" or "ratio"; lo <= hi."""

    kind: str
    lo: float
    hi: float


@dataclass(frozen=True)
class Finding:
    """A verdict, the measured answer in a line, and that answer as a number if it has one."""

    verdict: Verdict
    answer: str
    measured: Quantity | None = None


@dataclass(frozen=True)
class Claim:
    """A published statement, and the rule that decides whether it holds here.

    ``rule`` and ``why`` (that rule) were written before anything was measured.  ``measure`` takes
    numbers, ``judge`` applies the rule to them; a claim without ``measure`` can't be tested here
    for the reason ``cannot``.  With both, something beside the claim is measured, and decides
    nothing.  ``elsewhere`` is the command whose results ``measure`` reads, if it reads any;
    ``seconds`` is about what ``measure`` takes.  ``is_extension``: its author claims it of another
    case, and the lab tests whether it holds in this one too.
    """

    id: str
    claim: str
    source: str
    confidence: str
    rule: str
    why: str
    not_in: str
    judge: Callable[[Measured], Finding]
    measure: Callable[[Run], Measured] | None = None
    cannot: str = ""
    elsewhere: str = ""
    seconds: float = 1.0
    published: Quantity | None = None
    is_extension: bool = False

    @property
    def origin(self) -> str:
        """Who said it: one of `ORIGINS`."""
        if self.is_extension:
            return ORIGINS[2]
        return ORIGINS[1] if self.source.startswith("the lab's ") else ORIGINS[0]

    @property
    def command(self) -> str:
        """What measures it anew."""
        return shlex.join(["iova-lab", *self.arguments])

    @property
    def arguments(self) -> list[str]:
        """Of the command."""
        return ["claims", self.id]


def no_rule(measured: Measured) -> Finding:
    """The judge of what can't be tested: nothing that is measured decides it."""
    return Finding(Verdict.CANNOT, "")


@cache
def all_claims() -> tuple[Claim, ...]:
    """Every claim, by the ``YEAR`` of its module and the order of lines within it."""
    package = importlib.import_module("iova_lab.claims.families")
    names = sorted(info.name for info in pkgutil.iter_modules(package.__path__))
    modules = [importlib.import_module(f"{package.__name__}.{name}") for name in names]
    modules.sort(key=lambda module: int(module.YEAR))
    found = [one for module in modules for one in vars(module).values() if isinstance(one, Claim)]
    twice = {one.id for one in found if sum(one.id == other.id for other in found) > 1}
    if twice:
        raise ValueError(f"two claims are called {', '.join(sorted(twice))}: rename one")
    return tuple(found)


def find(ids: Sequence[str]) -> list[Claim]:
    """The claims of these ids, in this order.  Raises `NotFoundError` for an unknown one."""
    known = {one.id: one for one in all_claims()}
    for name in ids:
        if name not in known:
            raise NotFoundError(f"no claim named {name!r}; there are: {', '.join(known)}")
    return [known[name] for name in ids]
