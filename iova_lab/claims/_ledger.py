"""Which rule decided when?  Every rule as it was first fixed, and every change since.

``python -m iova_lab.claims._ledger "why"`` adds what is new or has changed to rules.json; a test
fails until that is done, so no rule changes without a reason that the page then shows.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

from iova_lab.claims._claim import Claim, all_claims

LEDGER = Path(__file__).with_name("rules.json")

#: Of one claim, oldest first: date, digest of the rule, why.
Entries = list[dict[str, str]]


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
    return [one for one in all_claims() if not _is_last(known.get(one.id, []), one)]


def _is_last(entries: Entries, claim: Claim) -> bool:
    return bool(entries) and entries[-1]["digest"] == claim.rule_digest


def record(why: str) -> list[str]:
    """Add an entry for every unrecorded rule; returns their ids."""
    known = read() if LEDGER.exists() else {}
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    found = unrecorded()
    for one in found:
        entry = {"date": today, "digest": one.rule_digest, "why": why}
        known.setdefault(one.id, []).append(entry)
    LEDGER.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return [one.id for one in found]


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].strip():
        raise SystemExit('say why: python -m iova_lab.claims._ledger "why"')
    print(" ".join(record(sys.argv[1])) or "nothing to record")
