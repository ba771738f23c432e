"""Where do the results of claims lie?  One JSON file for each, in results/claims/."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from iova_lab import provenance
from iova_lab.claims._claim import Claim
from iova_lab.errors import InvalidValueError

Row = dict[str, Any]


def path_of(results: Path, claim: Claim) -> Path:
    """The file of one claim."""
    return results / "claims" / f"{claim.id}.json"


def read(results: Path, claim: Claim) -> Row | None:
    """What is stored of a claim, or None.  Raises `InvalidValueError` for another file."""
    path = path_of(results, claim)
    if not path.exists():
        return None
    mend = f"delete it, or measure it anew: {claim.command}"
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidValueError(f"{path} is not JSON ({error}): {mend}") from None
    if not isinstance(row, dict) or row.get("id") != claim.id:
        raise InvalidValueError(f"{path} is not a result of {claim.id}: {mend}")
    return row


def write(results: Path, claim: Claim, row: Row) -> Path:
    """Store a row, whole or not at all; a failure does not replace what was measured before."""
    path = path_of(results, claim)
    path.parent.mkdir(parents=True, exist_ok=True)
    if "failed" in row and path.exists() and "failed" not in (read(results, claim) or row):
        return path
    text = json.dumps(
        row | {"commit": provenance.commit()}, indent=1, sort_keys=True, allow_nan=False
    )
    new = path.with_suffix(".new")
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(path)
    return path
