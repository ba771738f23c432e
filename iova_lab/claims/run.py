"""How is one claim measured, and what comes of one that can't be?"""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from iova_lab.basics.errors import IovaLabError, NotFoundError
from iova_lab.claims.claim import Claim, Finding, Verdict
from iova_lab.claims.ledger import rule_digest
from iova_lab.claims.measurement import Run
from iova_lab.measuring import provenance

#: What means that this build or this machine lacks something that the claim needs.
LACKING = (NotFoundError, NotImplementedError)
FAILURES = (IovaLabError, OSError, MemoryError)
#: What is stored with a claim of how it was measured.
STORED = ("command", "commit", "date", "compiler", "machine", "load")


def run_claim(claim: Claim, run: Run) -> dict[str, Any]:
    """Measure one claim; the row has the values, or why it ``cannot`` be measured or ``failed``.

    Nothing that a variant does gets through as an exception; Ctrl-C does.
    """
    row: dict[str, Any] = {"id": claim.id, "rule": rule_digest(claim)}
    started = time.monotonic()
    if claim.measure is None:
        return row
    try:
        row["measured"] = claim.measure(run)
    except LACKING as error:
        row["cannot"] = _one_line(error)
    except FAILURES as error:
        row["failed"] = _one_line(error)
    row["seconds"] = round(time.monotonic() - started, 1)
    made = asdict(provenance.here(claim.arguments, []))
    return row | {name: made[name] for name in STORED}


def _one_line(error: Exception) -> str:
    text = error.args[0] if isinstance(error, LookupError) and error.args else error
    return " ".join(str(text).split()) or type(error).__name__


def judge(claim: Claim, row: dict[str, Any] | None) -> Finding:
    """The verdict on a stored row, computed now; a row that lacks numbers has none."""
    if row and "cannot" in row:
        return Finding(Verdict.CANNOT, row["cannot"])
    if claim.cannot:
        beside = (row or {}).get("measured", {}).get("beside", "")
        return Finding(Verdict.CANNOT, "; ".join(filter(None, (claim.cannot, beside))))
    if row is None:
        return Finding(Verdict.MISSING, f"{claim.command} measures it")
    if "failed" in row:
        return Finding(Verdict.MISSING, f"failed: {row['failed']}")
    try:
        return claim.judge(row["measured"])
    except (LookupError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
        return Finding(
            Verdict.MISSING, f"the stored result lacks {error}: {claim.command} measures it anew"
        )
