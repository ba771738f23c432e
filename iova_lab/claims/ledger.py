"""Which rule decided when?  Every rule as it was first fixed, and every change since.

``python -m iova_lab.claims.ledger "why"`` adds what is new or has changed to rules.json; a test
fails until that is done, so no rule changes without a reason that the page then shows.
"""

from __future__ import annotations

import datetime
import inspect
import json
import sys
import textwrap
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from iova_lab.basics.writing import write_whole
from iova_lab.claims import judging, rules
from iova_lab.claims.claim import Claim, all_claims
from iova_lab.measuring import growth, python_text, statistics

LEDGER = Path(__file__).with_name("rules.json")

#: Of one claim, oldest first: date, digest of the rule, why.
Entries = list[dict[str, str]]


def rule_digest(claim: Claim) -> str:
    """A digest of the rule: its words, its code with what that holds, and what rules share.

    What rules share: `rules`, `judging`, the classifier, and the interval over processes.
    """
    held = [repr(cell.cell_contents) for cell in claim.judge.__closure__ or ()]
    sources = [claim.rule, *held]
    sources += [_code_of(one) for one in (claim.judge, rules, judging, growth, statistics.mean)]
    return sha256("\n".join(" ".join(s.split()) for s in sources).encode()).hexdigest()[:16]


@cache
def _code_of(code: Callable[..., object] | ModuleType) -> str:
    """Its source, whatever the modules are called that it imports, and what it shares by value."""
    source = python_text.without_imports(textwrap.dedent(inspect.getsource(code)))
    return source.replace("statistics.CONFIDENCE", repr(statistics.CONFIDENCE))


def read() -> dict[str, Entries]:
    """All entries, by claim."""
    found: dict[str, Entries] = json.loads(LEDGER.read_text(encoding="utf-8"))
    return found


def changes(claim: Claim) -> Entries:
    """What changed in the rule of a claim since it was first fixed."""
    return read().get(claim.id, [])[1:]


def unrecorded() -> list[Claim]:
    """Claims whose rule is not the last one in the ledger."""
    known = read() if LEDGER.exists() else {}
    last = {name: entries[-1]["digest"] for name, entries in known.items() if entries}
    return [one for one in all_claims() if last.get(one.id) != rule_digest(one)]


def record(why: str) -> list[str]:
    """Add an entry for every unrecorded rule; returns their ids."""
    known = read() if LEDGER.exists() else {}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    found = unrecorded()
    for one in found:
        entry = {"date": today, "digest": rule_digest(one), "why": why}
        known.setdefault(one.id, []).append(entry)
    write_whole(LEDGER, json.dumps(known, indent=1, sort_keys=True) + "\n")
    return [one.id for one in found]


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].strip():
        raise SystemExit('say why: python -m iova_lab.claims.ledger "why"')
    print(" ".join(record(sys.argv[1])) or "nothing to record")
